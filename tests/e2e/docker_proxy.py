"""A socket in front of a Docker Engine that can hang, die or refuse, as a real one does at bad times."""

from __future__ import annotations

import contextlib
import json
import re
import selectors
import socket
import threading
import time
from pathlib import Path


class DockerProxy:
    """Passes everything on to an engine until it is told otherwise."""

    def __init__(self, path: Path, engine: str) -> None:
        self.path, self._engine = path, engine.removeprefix("unix://")
        self.seen: list[str] = []  # the first line of each request
        self._hangs = threading.Event()
        self._hang_at = self._refuse_at = ""
        self._answer = b""
        self._open: list[socket.socket] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """What DOCKER_HOST has to be."""
        return f"unix://{self.path}"

    def hang(self, at: str = "") -> None:
        """Say nothing any more, from now on or from the first request on that matches."""
        if at:
            self._hang_at = at
        else:
            self._hangs.set()

    def wait_for(self, at: str, timeout_s: float = 60.0) -> None:
        """Until a request has come that matches."""
        end = time.monotonic() + timeout_s
        while not any(re.search(at, line) for line in self.seen):
            assert time.monotonic() < end, f"no request like {at!r}: {self.seen[-5:]}"
            time.sleep(0.002)

    def refuse(self, at: str, said: str, status: int = 500) -> None:
        """Answer requests that match with an error instead."""
        body = json.dumps({"message": said}).encode()
        head = f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._answer = f"{head}Connection: close\r\n\r\n".encode() + body
        self._refuse_at = at

    def die(self) -> None:
        """Close every connection and listen no more, as an engine that was stopped."""
        self.path.unlink(missing_ok=True)
        for one in [self._listening, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(self._engine)
                self._open += [client, engine]
                threading.Thread(target=self._pass, args=(client, engine), daemon=True).start()

    def _pass(self, client: socket.socket, engine: socket.socket) -> None:
        """Both directions of one connection, until one side closes."""
        other = {client: engine, engine: client}
        with contextlib.suppress(OSError, ValueError), selectors.DefaultSelector() as ready:
            for one in other:
                ready.register(one, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    source = key.fileobj
                    assert isinstance(source, socket.socket)
                    piece = source.recv(1 << 16)
                    if source is client and self._answered(client, piece):
                        return self._close(client, engine)
                    while self._hangs.is_set():
                        threading.Event().wait(3600)
                    other[source].sendall(piece)
                    if not piece:
                        return self._close(client, engine)
        return self._close(client, engine)

    def _answered(self, client: socket.socket, piece: bytes) -> bool:
        line = piece.partition(b"\r\n")[0].decode("latin-1")
        if not re.match(r"(GET|POST|DELETE) .* HTTP/1", line):
            return False
        self.seen.append(line)
        if self._hang_at and re.search(self._hang_at, line):
            self._hangs.set()
        if not self._refuse_at or not re.search(self._refuse_at, line):
            return False
        client.sendall(self._answer)
        client.settimeout(0.2)
        with contextlib.suppress(OSError):
            while client.recv(1 << 16):
                pass
        return True

    @staticmethod
    def _close(*sockets: socket.socket) -> None:
        for one in sockets:
            one.close()
