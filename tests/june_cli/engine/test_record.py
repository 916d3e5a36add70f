"""Records: believed only when the very process they speak of still runs."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from june_cli.engine.record import Proc, Record, Records, boot_id, me
from june_cli.errors import MachineLacks


def record(**changes: object) -> Record:
    base = Record(
        "stt", "hash", "model", {"grpc": 1}, "/log", kept=False, started_at=1.0, process=me(), users=(me(),)
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    records = Records(tmp_path / "services")
    with records.locked("stt"):
        records.write(record())
    assert records.read("stt") == record()
    assert records.names() == ["stt"]
    records.forget("stt")
    assert records.read("stt") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"service": 1}', '{"process": null}', "\x00\xff"])
def test_a_file_that_is_no_record_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "stt.json").write_text(text, "latin-1")
    assert Records(tmp_path).read("stt") is None


def test_a_record_of_before_the_last_boot_is_not_believed() -> None:
    mine = me()
    assert mine.alive
    assert not replace(mine, boot="another").alive


def test_a_later_process_of_the_same_number_is_not_mistaken_for_the_one_recorded() -> None:
    assert not replace(me(), started=me().started - 100).alive


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    seen = Proc.of(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has reaped it
    assert seen
    assert not seen.alive
    child.wait()
    assert Proc.of(child.pid) is None


def test_users_come_and_go_and_dead_ones_are_forgotten() -> None:
    dead = Proc(999_999_999, 1.0, boot_id())
    joined = record(users=(dead,)).with_user(me(), keep=True)
    assert joined.users == (me(),)
    assert joined.kept
    assert joined.without_user(me()).users == ()


def test_a_folder_that_cannot_be_made_is_explained() -> None:
    with pytest.raises(MachineLacks, match="cannot make"), Records(Path("/proc/no/services")).locked("stt"):
        pass


def test_waiting_for_a_lock_has_an_end(tmp_path: Path) -> None:
    records = Records(tmp_path)
    with records.locked("stt"), pytest.raises(MachineLacks, match="another june"):
        with records.locked("stt", timeout_s=0.1):
            pass
