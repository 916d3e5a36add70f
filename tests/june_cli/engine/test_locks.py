"""Two junes that meet: real processes, real locks of the kernel."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from june_cli.engine.locks import Uses, locked
from june_cli.errors import MachineLacks

# Does one thing for every line it reads, and answers each with what it came to.
OTHER = """
import sys
from pathlib import Path
from june_cli.engine.locks import Uses, locked
uses, held = Uses(Path(sys.argv[1])), {}
for line in sys.stdin:
    what, name = line.split()
    if what == "lock":
        held[name] = locked(Path(sys.argv[1]) / f"{name}.lock", name)
        said = held[name].__enter__()
    elif what == "unlock":
        said = held.pop(name).__exit__(None, None, None)
    else:
        said = getattr(uses, what)(name)
    print(said, flush=True)
"""


class Other:
    """Another june on this machine."""

    def __init__(self, folder: Path) -> None:
        words = [sys.executable, "-c", OTHER, str(folder)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, what: str, name: str = "stt") -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{what} {name}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def killed(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Callable[[], Other]]:
    """Starts other junes in the same home."""
    started: list[Other] = []

    def start() -> Other:
        started.append(Other(tmp_path))
        return started[-1]

    yield start
    for one in started:
        one.killed()
        for pipe in (one.process.stdin, one.process.stdout):
            if pipe:
                pipe.close()


def test_a_use_is_seen_by_others_and_not_taken_for_somebody_elses(
    tmp_path: Path, another: Callable[[], Other]
) -> None:
    mine, other = Uses(tmp_path), another()
    mine.begin("stt")
    assert mine.mine("stt")
    assert not mine.others("stt")
    assert (other("mine"), other("others")) == ("False", "True")


def test_two_use_a_service_at_once_and_the_last_one_knows_that_it_is_the_last(
    tmp_path: Path, another: Callable[[], Other]
) -> None:
    mine, other = Uses(tmp_path), another()
    mine.begin("stt")
    other("begin")
    assert mine.others("stt")
    assert other("others") == "True"
    other("end")
    assert not mine.others("stt")
    assert mine.mine("stt")


def test_asking_costs_nobody_their_use(tmp_path: Path, another: Callable[[], Other]) -> None:
    mine, other, third = Uses(tmp_path), another(), another()
    mine.begin("stt")
    other("begin")
    for _ in range(3):
        assert mine.others("stt")
        assert (other("others"), third("others")) == ("True", "True")
    other("end")
    assert third("others") == "True", "mine is still there"


def test_a_june_that_was_killed_uses_nothing_any_more(tmp_path: Path, another: Callable[[], Other]) -> None:
    mine, other = Uses(tmp_path), another()
    other("begin")
    assert mine.others("stt")
    other.killed()
    assert not mine.others("stt")
    assert mine.known() == {"stt"}, "that it may have to be swept is still known"


def test_services_are_used_one_by_one(tmp_path: Path, another: Callable[[], Other]) -> None:
    mine, other = Uses(tmp_path), another()
    other("begin", "tts")
    assert not mine.others("stt")
    assert mine.others("tts")
    assert mine.known() == {"tts"}


def test_a_use_begun_twice_ends_once(tmp_path: Path, another: Callable[[], Other]) -> None:
    mine, other = Uses(tmp_path), another()
    mine.begin("stt")
    mine.begin("stt")
    mine.end("stt")
    mine.end("stt")
    assert other("others") == "False"


def test_what_is_forgotten_is_known_and_used_no_more(tmp_path: Path, another: Callable[[], Other]) -> None:
    mine, other = Uses(tmp_path), another()
    mine.begin("stt")
    other("begin")
    mine.forget("stt")
    assert mine.known() == set()
    assert not mine.mine("stt")
    assert not mine.others("stt")
    assert other("mine") == "False"
    mine.forget("stt")


def test_a_use_begun_anew_after_another_june_forgot_the_service_counts(
    tmp_path: Path, another: Callable[[], Other]
) -> None:
    """Somebody stops a service that this june uses; it starts it again: others must see that use."""
    mine, other = Uses(tmp_path), another()
    mine.begin("stt")
    other("forget")
    mine.begin("stt")
    assert mine.mine("stt")
    assert other("others") == "True"
    mine.end("stt")
    assert other("others") == "False"


def test_nothing_is_made_by_only_asking(tmp_path: Path) -> None:
    uses = Uses(tmp_path / "never")
    assert (uses.known(), uses.others("stt"), uses.mine("stt")) == (set(), False, False)
    assert not (tmp_path / "never").exists()


def test_two_services_of_one_process_do_not_disturb_each_other(tmp_path: Path) -> None:
    one, two = Uses(tmp_path), Uses(tmp_path)
    one.begin("stt")
    two.begin("stt")
    assert one.others("stt")
    two.end("stt")
    assert not one.others("stt")


def test_only_one_june_decides_at_a_time(tmp_path: Path, another: Callable[[], Other]) -> None:
    other = another()
    other("lock")
    began = time.monotonic()
    with pytest.raises(MachineLacks, match="another june has been busy with stt for 0 s") as caught:
        with locked(tmp_path / "stt.lock", "stt", timeout_s=0.2):
            pass
    assert caught.value.code == "state-locked"
    assert 0.2 <= time.monotonic() - began < 5
    with locked(tmp_path / "tts.lock", "tts", timeout_s=0):
        pass  # another service is another decision
    other("unlock")
    with locked(tmp_path / "stt.lock", "stt", timeout_s=0):
        pass


def test_a_lock_is_had_as_soon_as_it_is_free(tmp_path: Path, another: Callable[[], Other]) -> None:
    other = another()
    other("lock")
    late = threading.Timer(0.2, other, ("unlock",))
    late.start()
    with locked(tmp_path / "stt.lock", "stt", timeout_s=20):
        pass
    late.join()


def test_a_june_that_was_killed_holds_no_lock(tmp_path: Path, another: Callable[[], Other]) -> None:
    other = another()
    other("lock")
    other.killed()
    with locked(tmp_path / "stt.lock", "stt", timeout_s=1):
        pass


def test_a_lock_is_given_back_when_the_decision_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "stt.lock", "stt"):
        raise ZeroDivisionError
    with locked(tmp_path / "stt.lock", "stt", timeout_s=0):
        pass


def test_a_program_started_meanwhile_does_not_hold_on_to_the_lock_or_the_use(
    tmp_path: Path, another: Callable[[], Other]
) -> None:
    uses, other = Uses(tmp_path), another()
    with locked(tmp_path / "stt.lock", "stt"):
        uses.begin("stt")
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        uses.end("stt")
        assert other("others") == "False"
        with locked(tmp_path / "stt.lock", "stt", timeout_s=0):
            pass
    finally:
        child.communicate(b"\n")


def test_locks_are_nobody_elses_to_read(tmp_path: Path) -> None:
    Uses(tmp_path / "docker").begin("stt")
    assert (tmp_path / "docker/stt.use").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "docker").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("folder", ["/proc/no/such", "/dev/null/docker"])
def test_a_folder_that_cannot_hold_locks_is_explained(folder: str) -> None:
    with pytest.raises(MachineLacks, match="cannot make"), locked(Path(folder, "stt.lock"), "stt"):
        pass
    with pytest.raises(MachineLacks, match="cannot make"):
        Uses(Path(folder)).begin("stt")


def test_every_descriptor_is_given_back(tmp_path: Path) -> None:
    def open_ones() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before, uses = open_ones(), Uses(tmp_path)
    for _ in range(5):
        uses.begin("stt")
        uses.others("stt")
        uses.others("tts")
        uses.forget("stt")
        with locked(tmp_path / "stt.lock", "stt"):
            pass
    assert open_ones() <= before
