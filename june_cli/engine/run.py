"""Short host programs (pip, a player, nvidia-smi), with a time limit and nothing left running."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from june_cli.errors import JuneError, MachineLacks

OUTPUT_CAP = 1 << 20


@dataclass(frozen=True)
class Finished:
    """How a program ended, and the tail of what it said."""

    returncode: int
    stdout: str
    stderr: str


def run(
    command: Sequence[str],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    on_tick: Callable[[], None] | None = None,
) -> Finished:
    """Run a program to its end; `on_tick` is called about four times a second meanwhile.

    Its whole process group is killed when the time is up (JuneError) and when this call is interrupted.
    MachineLacks when there is no such program.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=env,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise MachineLacks("program-missing", f"{command[0]!r} is not installed here.") from error
        try:
            _wait(process, time.monotonic() + timeout_s, on_tick)
        except subprocess.TimeoutExpired as error:
            raise JuneError("timeout", f"{command[0]!r} took longer than {timeout_s:.0f} s.") from error
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                with contextlib.suppress(subprocess.TimeoutExpired):  # one that even SIGKILL cannot end
                    process.wait(timeout=2.0)
        return Finished(process.returncode, _tail(out), _tail(err))


def _wait(process: subprocess.Popen[bytes], deadline: float, on_tick: Callable[[], None] | None) -> None:
    while True:
        try:
            process.wait(timeout=min(0.25, max(0.0, deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= deadline:
                raise
            if on_tick:
                on_tick()
        else:
            return


def _tail(handle: IO[bytes]) -> str:
    end = handle.seek(0, os.SEEK_END)
    handle.seek(max(0, end - OUTPUT_CAP))
    return handle.read().decode("utf-8", "replace")
