"""Logs: every line once and whole, however they come, also across a fresh start of the service."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from june_cli.engine import logs

Act = Callable[[], object]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "stt.log"


def written(log: Path, text: str | bytes) -> Act:
    content = text.encode() if isinstance(text, str) else text

    def act() -> None:
        with log.open("ab") as sink:
            sink.write(content)

    return act


def followed(log: Path, *acts: Act) -> list[str]:
    """What a follower hears while these things happen, one after each look; then the service ends."""
    to_come = iter(acts)

    def alive() -> bool:
        act = next(to_come, None)
        if act:
            act()
        return act is not None

    return list(logs.follow(log, alive, every_s=0.001))


def test_lines_that_are_appended_are_heard_and_earlier_ones_are_not(log: Path) -> None:
    log.write_text("before\n")
    assert followed(log, written(log, "one\ntwo\n"), written(log, "three\n")) == ["one", "two", "three"]


def test_a_line_that_comes_in_pieces_is_one_line(log: Path) -> None:
    assert followed(log, written(log, "on"), written(log, "e\nt"), written(log, "wo\n")) == ["one", "two"]


def test_the_last_words_of_a_service_that_ended_are_heard(log: Path) -> None:
    """Also those it wrote between the last look and its end, and a line it could not finish."""
    written(log, "")()
    looks = iter([True])

    def alive() -> bool:
        going = next(looks, None)
        if going is None and not log.stat().st_size:
            written(log, "Traceback\nKilled in the mid")()
        return bool(going)

    assert list(logs.follow(log, alive, every_s=0.001)) == ["Traceback", "Killed in the mid"]


def test_a_log_that_does_not_exist_yet_is_waited_for(log: Path) -> None:
    assert followed(log, lambda: None, written(log, "first\n")) == ["first"]


def test_a_service_that_ended_without_a_log_ends_the_following(log: Path) -> None:
    assert followed(log) == []


def test_a_fresh_log_is_read_from_its_start(log: Path) -> None:
    log.write_text("a long line of the last start\n")

    def begun_anew() -> None:
        with logs.opened(log) as sink:
            sink.write(b"new\n")

    assert followed(log, begun_anew, written(log, "more\n")) == ["new", "more"]
    assert log.with_name("stt.log.1").read_text() == "a long line of the last start\n"


def test_a_fresh_log_is_read_from_its_start_also_when_it_is_already_longer(log: Path) -> None:
    log.write_text("short\n")

    def begun_anew() -> None:
        with logs.opened(log) as sink:
            sink.write(b"a new start that has much to say\n")

    assert followed(log, begun_anew) == ["a new start that has much to say"]


def test_a_log_that_vanishes_for_a_moment_is_picked_up_again(log: Path) -> None:
    log.write_text("a long line of the last start\n")
    assert followed(log, log.unlink, lambda: None, written(log, "new\n")) == ["new"]


def test_bytes_that_are_no_text_are_shown_as_far_as_they_can_be(log: Path) -> None:
    assert followed(log, written(log, b"caf\xe9 \xff\r\n")) == ["caf\ufffd \ufffd"]


def test_a_character_split_between_two_looks_is_whole(log: Path) -> None:
    e, acute = "é".encode()[:1], "é".encode()[1:]
    assert followed(log, written(log, b"caf" + e), written(log, acute + b"\n")) == ["café"]


def test_a_log_larger_than_one_look_is_heard_to_its_end(log: Path) -> None:
    lines = [f"line {number}" for number in range(50_000)]
    assert followed(log, written(log, "\n".join(lines) + "\n")) == lines


def test_following_stops_when_nobody_listens(log: Path) -> None:
    def alive() -> bool:
        written(log, "more\n")()
        return True

    stream = logs.follow(log, alive, every_s=0.001)
    assert next(stream) == "more"
    stream.close()  # type: ignore[attr-defined]
    assert list(stream) == []


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_however_a_stream_is_cut_its_lines_are_the_same(content: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(content)]
    pieces = [content[a:b] for a, b in pairwise(places)]
    assert list(logs.lines(pieces)) == list(logs.lines([content]))


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"))))
def test_lines_come_out_as_they_went_in(lines: list[str]) -> None:
    assert list(logs.lines(["".join(f"{line}\n" for line in lines).encode()])) == lines


def test_old_logs_are_kept_three_deep(log: Path) -> None:
    for number in range(6):
        with logs.opened(log) as sink:
            sink.write(f"start {number}".encode())
    kept = {path.name: path.read_text() for path in log.parent.iterdir()}
    assert kept == {
        "stt.log": "start 5",
        "stt.log.1": "start 4",
        "stt.log.2": "start 3",
        "stt.log.3": "start 2",
    }


def test_the_end_of_a_huge_log_is_had_without_reading_all_of_it(log: Path) -> None:
    log.write_bytes(b"x" * 1000 + b"\nlast but one\nlast\n")
    assert logs.tail(log, 2, window=30) == ["last but one", "last"]
    assert logs.tail(log.with_name("absent"), 2) == []
