"""The sandbox in real containers: each bad sample fails, alone, and a good one after it passes."""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from june_cli.engine.attached import Attached
from june_cli.engine.docker import DockerEngine
from june_cli.output import Output
from june_cli.sandbox import spec, verdict
from june_cli.sandbox.pool import Pool
from june_cli.sandbox.verdict import Request, Verdict
from june_cli.sandbox.wire import frame, read_frame
from tests.e2e.test_docker import comparable
from tests.june_cli.sandbox import cheating, harming

pytestmark = pytest.mark.docker
ADDING = verdict.Tests(
    ("add",),
    asserts=(
        "assert add(2, 3) == 5",
        "assert add(-1, 1) == 0",
        "assert abs(add(7, 8) - 15) < 1e-6 and all(x == 15 for x in [add(7, 8)])",
    ),
)
BAD = {
    f"{kind}: {name}": source
    for kind, samples in (("cheat", cheating.CHEATS), ("bomb", harming.BOMBS), ("leak", harming.LEAKS))
    for name, source in samples.items()
}


@pytest.fixture(scope="module")
def engine(docker_client: Any, tmp_path_factory: pytest.TempPathFactory) -> DockerEngine:
    del docker_client
    made = DockerEngine(dict(os.environ), tmp_path_factory.mktemp("sandbox") / "state")
    made.prepare([spec.worker()], Output())
    return made


@pytest.fixture(scope="module")
def worker(engine: DockerEngine) -> Iterator[Attached]:
    with engine.attach(spec.worker()) as attached:
        yield attached


def ask(worker: Attached, source: str, tests: verdict.Tests = ADDING, timeout_s: float = 1.0) -> Verdict:
    worker.patience(40)
    worker.write(frame(Request("one", source, tests, timeout_s).encoded()))
    return Verdict.decoded(read_frame(worker.read, 1 << 20))


@pytest.mark.parametrize("name", BAD)
def test_a_bad_sample_fails_and_harms_nothing(worker: Attached, name: str) -> None:
    found = ask(worker, BAD[name])
    assert not found.passed, found
    assert found.clean, found
    assert found.reason != "infrastructure"
    after = ask(worker, cheating.RIGHT)
    assert after.passed, after


def test_nothing_of_a_sample_survives_into_the_next(worker: Attached) -> None:
    assert ask(worker, harming.LEAVES).passed
    assert not ask(worker, harming.FINDS).passed


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def add(a, b): return a - b", "wrong answer"),
        ("def add(a, b): return [][0]", "exception"),
        ("def add(a, b):\n    while True: pass", "timeout"),
        ("import time\ndef add(a, b): time.sleep(99)", "timeout"),
        ("def add(a, b): return bytearray(1 << 40)", "memory"),
        ("def add(a, b) return 1", "syntax"),
        ("def add(a, b): return open('/x', 'w')", "forbidden"),
        (cheating.RIGHT, "passed"),
    ],
)
def test_the_reason_is_told(worker: Attached, source: str, reason: str) -> None:
    assert ask(worker, source).reason == reason


def test_a_worker_may_do_as_little_as_possible(engine: DockerEngine, worker: Attached) -> None:
    del worker
    (listed,) = engine.client.containers(filters={"label": [f"june.home={engine._home}"]})
    found = engine.client.inspect_container(listed["Id"])
    host = found["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["IpcMode"] == "none"
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert set(host["CapAdd"]) == set(spec.RIGHTS)
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Memory"] == host["MemorySwap"] > 0
    assert host["PidsLimit"] == spec.ALL_PROCESSES
    assert host["NanoCpus"] == 10**9
    assert not host["PortBindings"]
    assert not found["Mounts"]


def requests(sources: list[str]) -> Iterator[Request]:
    return (Request(str(number), source, ADDING, 1.0) for number, source in enumerate(sources))


def containers(engine: DockerEngine) -> list[str]:
    listed = engine.client.containers(all=True, filters={"label": [f"june.home={engine._home}"]})
    return [one["Id"] for one in listed]


def test_a_pool_gives_every_sample_one_verdict_and_leaves_nothing(engine: DockerEngine) -> None:
    before = containers(engine)
    sources = [cheating.RIGHT, "def add(a, b): return 0"] * 60
    pool = Pool(engine, spec.worker(), size=2, every=7)
    found = {one.id: one for one in pool.grade(requests(sources))}
    assert len(found) == len(sources)
    assert [found[str(n)].passed for n in range(len(sources))] == [True, False] * 60
    assert containers(engine) == before


def test_each_sample_may_have_a_container_of_its_own(engine: DockerEngine) -> None:
    pool = Pool(engine, spec.worker(), size=2, every=1)
    found = [one.passed for one in pool.grade(requests([cheating.RIGHT] * 4))]
    assert found == [True] * 4


def test_a_worker_that_is_killed_is_replaced_and_its_sample_graded_again(engine: DockerEngine) -> None:
    before = set(containers(engine))

    def kill() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if found := set(containers(engine)) - before:
                time.sleep(1.0)
                engine.client.kill(found.pop())
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    slow = "import time\ndef add(a, b):\n    time.sleep(0.25)\n    return a + b\n"
    found = list(Pool(engine, spec.worker(), size=1).grade(requests([slow] * 6)))
    killer.join()
    assert [one.passed for one in found] == [True] * 6
    assert set(containers(engine)) == before


def test_a_pool_that_is_left_early_leaves_nothing(engine: DockerEngine) -> None:
    before = containers(engine)
    verdicts = Pool(engine, spec.worker(), size=2).grade(requests([cheating.RIGHT] * 5000))
    assert next(verdicts).passed
    verdicts.close()
    assert containers(engine) == before


def test_the_printed_line_makes_the_same_container(engine: DockerEngine) -> None:
    before = set(containers(engine))
    with engine.attach(spec.worker()):
        (made,) = set(containers(engine)) - before
        by_june = comparable(engine.client.inspect_container(made))
    line = engine.describe(spec.worker(), keep=False)
    name = shlex.split(line.replace("\\\n", " "))[3]
    with subprocess.Popen(["bash", "-ec", line], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        try:
            deadline = time.monotonic() + 20
            while not engine.client.containers(filters={"name": f"^/{name}$"}):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            by_hand = comparable(engine.client.inspect_container(name))
        finally:
            assert shell.stdin
            shell.stdin.close()  # with its input it ends
            assert shell.wait(20) == 0
            engine.client.remove_container(name, force=True)
    assert by_hand == by_june
