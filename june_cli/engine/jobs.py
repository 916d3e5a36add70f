"""Runs a job: its JSON lines become events, its last one the result, its stderr the explanation."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from june_cli.errors import JuneError, MachineLacks, NotReady, UsageProblem
from june_cli.spec import Job

LINE_CAP = 1 << 20
KINDS = (UsageProblem, MachineLacks, NotReady)  # errors whose exit code says more than that it failed


def run(
    job: Job, command: Sequence[str], environ: Mapping[str, str], on_event: Callable[[dict[str, Any]], None]
) -> Any:
    """The result of a job. JuneError when it fails, says nothing sensible, or passes its deadline."""
    with tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=err,
            env=dict(environ),
            cwd="/",
            start_new_session=True,
        )
        try:
            said = answer(_lines(job, process), on_event)
            returncode = process.wait(timeout=job.stop_s)
        except subprocess.TimeoutExpired:
            returncode, said = -signal.SIGKILL, None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout:
                process.stdout.close()
        err.seek(0)
        last = err.read()[-2000:].decode("utf-8", "replace").strip().splitlines()[-1:]
        return result(job, said, _ended(returncode), last)


def _ended(returncode: int) -> str:
    """How a program ended where that is a failure."""
    if returncode < 0:
        return f"it was ended by {signal.Signals(-returncode).name}"
    return f"it ended with exit code {returncode}" if returncode else ""


def result(job: Job, said: dict[str, Any] | None, ended: str, stderr: Sequence[str]) -> Any:
    """What a job's last message means: its result, its error, or a failure explained by its last words."""
    if said and "error" in said:
        error = said["error"] if isinstance(said["error"], dict) else {"message": said["error"]}
        told = {key: str(error.get(key) or "") for key in ("code", "message", "hint")}
        kind = next((k for k in KINDS if k.exit_code == error.get("exit")), JuneError)
        raise kind(told["code"] or "job-failed", told["message"], hint=told["hint"])
    if ended or said is None:
        last = f": {stderr[-1]}" if stderr else ""
        raise JuneError("job-failed", f"{job.name} gave no result: {ended or 'it said nothing'}{last}.")
    return said["result"]


def answer(lines: Iterable[bytes], on_event: Callable[[dict[str, Any]], None]) -> dict[str, Any] | None:
    """The message that ends a job, its result or its error; events before it are handed on."""
    for line in lines:
        try:
            message = json.loads(line)
        except ValueError:
            continue  # a library that prints to stdout is no reason to fail
        if isinstance(message, dict):
            if "result" in message or "error" in message:
                return message
            on_event(message)
    return None


def _lines(job: Job, process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    assert process.stdout  # noqa: S101 - it was opened as a pipe
    deadline, buffer = time.monotonic() + job.deadline_s, b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise JuneError("timeout", f"{job.name} took longer than {job.deadline_s:.0f} s.")
            piece = os.read(process.stdout.fileno(), 1 << 16)
            if not piece:
                yield from [buffer] if buffer else []
                return
            *lines, buffer = (buffer + piece).split(b"\n")
            yield from lines
            if len(buffer) > LINE_CAP:
                raise JuneError("job-failed", f"{job.name} wrote a line of over {LINE_CAP} bytes.")
