"""Workers that are spoken to, by their stdin and stdout: as containers, or as subprocesses."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from june_cli.engine import docker_jobs, inspection
from june_cli.engine.refusals import start_explained
from june_cli.engine.signals import uninterrupted
from june_cli.spec import Worker

if TYPE_CHECKING:
    from docker import APIClient

HEAD = struct.Struct(">BxxxI")  # Docker's own frames: which stream, and how many bytes
STDOUT = 1
KEPT_BYTES = 4096  # of what it said on stderr
CLOSE_S = 5.0


class Attached(Protocol):
    """A worker that runs, whichever engine runs it."""

    def read(self, count: int) -> bytes:
        """Up to so many bytes of what it answers; none once it has ended. TimeoutError when it is silent."""

    def write(self, content: bytes) -> None:
        """Ask it something. OSError when it has ended."""

    def patience(self, seconds: float) -> None:
        """How long `read` and `write` wait from now on."""

    def ending(self) -> str:
        """Why it has ended, as far as is known."""

    def cut(self) -> None:
        """End the talk: whoever reads in another thread hears that it has ended, and closes."""

    def close(self) -> None:
        """End it, with everything in it, and leave nothing."""


class AttachedContainer:
    """A worker as a container."""

    def __init__(self, client: APIClient, created: str, stream: Any) -> None:
        self._client, self._id, self._stream = client, created, stream
        self._socket = getattr(stream, "_sock", stream)
        self._pending = b""
        self._heard = bytearray()

    def read(self, count: int) -> bytes:
        """See Attached."""
        while not self._pending:
            head = self._exactly(HEAD.size)
            if not head:
                return b""
            stream, length = HEAD.unpack(head)
            content = self._exactly(length)
            if stream == STDOUT:
                self._pending = content
            else:
                self._heard += content
                del self._heard[:-KEPT_BYTES]
        piece, self._pending = self._pending[:count], self._pending[count:]
        return piece

    def write(self, content: bytes) -> None:
        """See Attached."""
        self._socket.sendall(content)

    def patience(self, seconds: float) -> None:
        """See Attached."""
        self._socket.settimeout(seconds)

    def ending(self) -> str:
        """See Attached."""
        import requests
        from docker.errors import APIError

        try:
            with contextlib.suppress(requests.exceptions.RequestException):
                self._client.wait(self._id, timeout=2)
            ended = inspection.ending(self._client.inspect_container(self._id))
        except APIError:
            ended = "its container was removed"
        words = self._heard.decode("utf-8", "replace").strip().splitlines()
        return f"{ended}: {words[-1]}" if words else ended

    def cut(self) -> None:
        """See Attached. Not closed: the number of a closed socket may be another's the next moment."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """See Attached. Its control group ends with it, and so does whatever ran in it."""
        from docker.errors import NotFound

        with uninterrupted():
            with contextlib.suppress(OSError):
                self._stream.close()
                self._socket.close()
            with contextlib.suppress(NotFound):
                self._client.remove_container(self._id, force=True, v=True)

    def _exactly(self, count: int) -> bytes:
        """So many bytes, or none when it has ended."""
        found = b""
        while len(found) < count:
            piece = self._socket.recv(count - len(found))
            if not piece:
                return b""
            found += piece
        return found


class AttachedProcess:
    """A worker as a subprocess: nothing is between it and this machine but what it does itself."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._seconds: float | None = None

    def read(self, count: int) -> bytes:
        """See Attached."""
        assert self._process.stdout  # noqa: S101 - it was opened as a pipe
        readable, _, _ = select.select([self._process.stdout], [], [], self._seconds)
        if not readable:
            raise TimeoutError
        return os.read(self._process.stdout.fileno(), count)

    def write(self, content: bytes) -> None:
        """See Attached."""
        assert self._process.stdin  # noqa: S101
        self._process.stdin.write(content)
        self._process.stdin.flush()

    def patience(self, seconds: float) -> None:
        """See Attached. A write waits as long as it takes."""
        self._seconds = seconds

    def ending(self) -> str:
        """See Attached."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        return f"it ended with code {self._process.returncode}"

    def cut(self) -> None:
        """See Attached."""
        self._process.kill()

    def close(self) -> None:
        """See Attached. Without its input it ends, and its samples with it."""
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        try:
            self._process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


@contextlib.contextmanager
def started(command: Sequence[str], environ: Mapping[str, str]) -> Iterator[Attached]:
    """Start a worker's process; it is gone when the block is left."""
    found = AttachedProcess(
        subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            cwd="/",
            start_new_session=True,
        )
    )
    try:
        yield found
    finally:
        found.close()


@contextlib.contextmanager
def owned(
    client: APIClient, worker: Worker, body: dict[str, Any], name: str, folder: Path
) -> Iterator[Attached]:
    """Start a worker's container; it is gone when the block is left."""
    with docker_jobs.owned(folder, name):
        found = _started(client, worker, body, name)
        try:
            yield found
        finally:
            found.close()


def _started(client: APIClient, worker: Worker, body: dict[str, Any], name: str) -> AttachedContainer:
    created = ""
    with start_explained(name, worker):
        try:
            with uninterrupted():
                created = client.create_container_from_config(body, name)["Id"]
            wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            found = AttachedContainer(client, created, client.attach_socket(created, params=wanted))
            client.start(created)
        except BaseException:
            if created:
                client.remove_container(created, force=True, v=True)
            raise
    return found
