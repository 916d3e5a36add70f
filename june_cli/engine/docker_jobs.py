"""Runs a job in a container of its own: the same lines in, events and one result out, and nothing left."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from june_cli.engine import inspection, jobs
from june_cli.engine.locks import locked
from june_cli.engine.refusals import start_explained
from june_cli.engine.signals import uninterrupted
from june_cli.errors import JuneError, MachineLacks
from june_cli.spec import Job

if TYPE_CHECKING:
    from docker import APIClient


def run(
    client: APIClient, job: Job, body: dict[str, Any], name: str, on_event: Callable[[dict[str, Any]], None]
) -> Any:
    """The result of a job. JuneError when it fails, says nothing sensible, or passes its deadline."""
    heard = bytearray()  # on stderr
    created, ends = "", contextlib.ExitStack()
    with start_explained(name, job):
        try:
            with uninterrupted():  # a container of whose number nothing is known yet could not be removed
                created = client.create_container_from_config(body, name)["Id"]
            streams = client.attach(created, stream=True, logs=False, demux=True)
            ends.callback(_close, streams)
            client.start(created)
            overdue = threading.Event()
            late = threading.Timer(job.deadline_s, _kill, (client, created, overdue))
            late.daemon = True
            late.start()
            try:
                answer = jobs.answer(_stdout(streams, heard), on_event)
            finally:
                late.cancel()
            if overdue.is_set():
                raise JuneError("timeout", f"{job.name} took longer than {job.deadline_s:.0f} s.")
            ended = _ending(client, created, job) if answer is None or "error" not in answer else ""
            words = heard.decode("utf-8", "replace").splitlines()
            return jobs.result(job, answer, ended, [line for line in words if line.strip()])
        finally:
            if created:
                with uninterrupted():
                    with contextlib.suppress(OSError):  # the other end has closed it first
                        ends.close()
                    client.remove_container(created, force=True, v=True)


@contextlib.contextmanager
def owned(folder: Path, name: str) -> Iterator[None]:
    """While this lasts, the container of that name belongs to a june that lives."""
    path = folder / f"{name}.lock"
    with locked(path, name):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def sweep(client: APIClient, home: str, folder: Path) -> None:
    """Remove the containers of jobs whose june was killed."""
    from docker.errors import APIError

    listed = client.containers(all=True, filters={"label": [f"june.home={home}", "june.kind=job"]})
    for name in (one["Names"][0].removeprefix("/") for one in listed):
        with contextlib.suppress(MachineLacks, APIError), locked(folder / f"{name}.lock", name, 0.0):
            client.remove_container(name, force=True, v=True)
            (folder / f"{name}.lock").unlink(missing_ok=True)


def _kill(client: APIClient, created: str, overdue: threading.Event) -> None:
    import requests
    from docker.errors import APIError

    overdue.set()
    with contextlib.suppress(APIError, requests.exceptions.RequestException):  # it has just ended by itself
        client.kill(created)


def _ending(client: APIClient, created: str, job: Job) -> str:
    """How it ended where that is a failure."""
    import requests

    patience_s = job.stop_s + 5
    try:
        code = client.wait(created, timeout=patience_s)["StatusCode"]
    except requests.exceptions.Timeout:
        return f"it did not end within {patience_s:.0f} s of its last word"
    return inspection.ending(client.inspect_container(created)) if code else ""


def _close(streams: Any) -> None:
    """End the connection that was attached; the SDK's own `close` leaves a file on its socket open."""
    streams.close()
    response = getattr(streams, "_response", None)
    if response is not None:
        response.close()


def _stdout(streams: Iterator[tuple[bytes | None, bytes | None]], heard: bytearray) -> Iterator[bytes]:
    """Lines of stdout; what goes to stderr is remembered for an explanation, in pieces as it comes."""
    buffer = b""
    for out, err in streams:
        heard += err or b""
        del heard[: -jobs.LINE_CAP]
        *lines, buffer = (buffer + (out or b"")).split(b"\n")
        yield from lines
        if len(buffer) > jobs.LINE_CAP:
            raise JuneError("job-failed", f"it wrote a line of over {jobs.LINE_CAP} bytes.")
    if buffer:
        yield buffer
