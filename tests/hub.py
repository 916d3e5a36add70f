"""A model hub on loopback: the protocol that huggingface_hub speaks, and the ways in which a hub fails.

Answers `GET /api/models/REPO/revision/REV`, `GET /api/models/REPO/tree/COMMIT` and `HEAD|GET
/REPO/resolve/COMMIT/FILE`; large files are redirected to another path of the same server, as to a CDN.
It counts what it sends. Run by itself it serves random files for benchmarks.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 1000  # bytes from which a file is in LFS
PIECE = 1 << 16


@dataclass
class Repository:
    """One repository at one commit."""

    files: Mapping[str, bytes]
    commit: str = COMMIT
    gated: bool = False
    token: str = ""  # the only one that may read it
    _sums: dict[str, tuple[str, str]] = field(default_factory=dict)

    def sums(self, path: str) -> tuple[str, str]:
        """git's object name and the sha256 of a file, taken once: a hub knows them."""
        if path not in self._sums:
            data = self.files[path]
            blob = hashlib.sha1(f"blob {len(data)}\0".encode(), usedforsecurity=False)
            blob.update(data)
            self._sums[path] = blob.hexdigest(), hashlib.sha256(data).hexdigest()
        return self._sums[path]


@dataclass
class Faults:
    """What goes wrong; each count is of requests for bytes, and goes down to zero."""

    busy: int = 0  # answered 429 with Retry-After
    broken: int = 0  # answered 503
    cut: int = 0  # the connection ends in the middle
    flipped: int = 0  # one bit is another
    ignores_range: bool = False
    silent_s: float = 0.0
    slow_s: float = 0.0  # between two pieces
    no_listing: int = 0  # 503 to questions about the repository


@dataclass
class Hub:
    """The server; `with Hub({...}) as hub` runs it at `hub.url`."""

    repositories: dict[str, Repository]
    faults: Faults = field(default_factory=Faults)
    sent: int = 0
    requests: list[str] = field(default_factory=list)
    cdn: str = ""  # another server, with the same repositories, where large files are
    leaked: list[str] = field(default_factory=list)  # requests for large files that brought a token along
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Hub:
        handler: Callable[..., BaseHTTPRequestHandler] = lambda *args: _Handler(self, *args)  # noqa: E731
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """What HF_ENDPOINT names."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def take(self, fault: str) -> bool:
        """Whether this request has the fault."""
        with self.lock:
            left = getattr(self.faults, fault)
            if left:
                setattr(self.faults, fault, left - 1)
            return bool(left)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: Hub, *args: Any) -> None:
        self.hub = hub
        super().__init__(*args)

    def log_message(self, *args: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        """The same without a body."""
        self.do_GET()

    def do_GET(self) -> None:
        """Find out what is asked for."""
        path = unquote(urlsplit(self.path).path)
        with self.hub.lock:
            self.hub.requests.append(f"{self.command} {path} {self.headers.get('Range', '')}".strip())
        if self.hub.faults.silent_s:
            time.sleep(self.hub.faults.silent_s)
        for pattern, answer in (
            (r"/api/models/(.+?)(?:/revision/([^/]+))?", self._info),
            (r"/api/models/(.+?)/tree/([^/]+)(?:/.*)?", self._tree),
            (r"/cdn/(.+)@([0-9a-f]+)/(.+)", self._cdn),
            (r"/(.+?)/resolve/([^/]+)/(.+)", self._resolve),
        ):
            found = re.fullmatch(pattern, path)
            if found and not (answer == self._info and "/tree/" in path):
                answer(*found.groups())
                return
        self._error(404, "EntryNotFound")

    def _allowed(self, name: str, revision: str | None) -> Repository | None:
        repository = self.hub.repositories.get(name)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if repository is None:
            self._error(401, "RepoNotFound")
        elif repository.gated and token != repository.token:
            self._error(403 if token else 401, "GatedRepo")
        elif revision not in (None, "main", repository.commit):
            self._error(404, "RevisionNotFound")
        else:
            return repository
        return None

    def _info(self, name: str, revision: str | None) -> None:
        repository = self._allowed(name, revision)
        if repository and self.hub.take("no_listing"):
            self._error(503, "")
        elif repository:
            siblings = [{"rfilename": file} for file in repository.files]
            self._json({"id": name, "modelId": name, "sha": repository.commit, "siblings": siblings})

    def _tree(self, name: str, revision: str) -> None:
        repository = self._allowed(name, revision)
        if repository is None:
            return
        entries: list[dict[str, Any]] = []
        for path, data in repository.files.items():
            blob, sha256 = repository.sums(path)
            entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": blob}
            if len(data) >= LARGE:
                pointer = {"oid": sha256, "size": len(data), "pointerSize": 134}
                entry |= {"lfs": pointer, "oid": hashlib.sha1(b"pointer").hexdigest()}  # noqa: S324
            entries.append(entry)
        self._json(entries)

    def _resolve(self, name: str, revision: str, path: str) -> None:
        repository = self._allowed(name, revision)
        if repository is None:
            return
        data = repository.files.get(path)
        if data is None:
            self._error(404, "EntryNotFound")
            return
        if len(data) < LARGE:
            self._bytes(data, repository)
            return
        self.send_response(302)
        self.send_header("Location", f"{self.hub.cdn}/cdn/{name}@{repository.commit}/{path}")
        self.send_header("X-Repo-Commit", repository.commit)
        self.send_header("X-Linked-Size", str(len(data)))
        self.send_header("X-Linked-ETag", f'"{repository.sums(path)[1]}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _cdn(self, name: str, commit: str, path: str) -> None:
        repository = self.hub.repositories[name]
        if self.headers.get("Authorization"):
            self.hub.leaked.append(path)
        if commit != repository.commit:
            self._error(404, "EntryNotFound")
            return
        self._bytes(repository.files[path], repository)

    def _bytes(self, data: bytes, repository: Repository) -> None:
        hub, start, end = self.hub, 0, len(data)
        if hub.take("busy"):
            self._error(429, "", ("Retry-After", "1"))
            return
        if hub.take("broken"):
            self._error(503, "")
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and not hub.faults.ignores_range:
            start, end = int(asked[1]), int(asked[2]) + 1 if asked[2] else len(data)
            if start >= len(data):
                self._error(416, "", ("Content-Range", f"bytes */{len(data)}"))
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        else:
            self.send_response(200)
        etag = hashlib.sha256(data[:PIECE]).hexdigest()
        for key, value in (
            ("ETag", f'"{etag}"'),
            ("X-Repo-Commit", repository.commit),
            ("Content-Length", str(end - start)),
            ("Accept-Ranges", "bytes"),
        ):
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self._body(memoryview(data)[start:end])

    def _body(self, body: memoryview) -> None:
        hub = self.hub
        flipped = hub.take("flipped")
        stop = len(body) // 2 if hub.take("cut") else len(body)
        for offset in range(0, stop, PIECE):
            piece: bytes | memoryview = body[offset : min(stop, offset + PIECE)]
            if flipped and offset == 0:
                piece = bytes([piece[0] ^ 1]) + bytes(piece[1:])
            try:
                self.wfile.write(piece)
            except OSError:
                self.close_connection = True
                return
            with hub.lock:
                hub.sent += len(piece)
            if hub.faults.slow_s:
                time.sleep(hub.faults.slow_s)
        if stop < len(body):
            self.close_connection = True

    def _json(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _error(self, code: int, name: str, *headers: tuple[str, str]) -> None:
        self.send_response(code)
        for key, value in (("X-Error-Code", name), ("Content-Length", "0"), *headers):
            if value:
                self.send_header(key, value)
        self.end_headers()


def main() -> None:
    """Serve a repository `bench/model` of so many files of so many bytes until stdin ends."""
    import random

    count, size = int(sys.argv[1]), int(sys.argv[2])
    block = random.Random(1).randbytes(1 << 20)  # noqa: S311
    files = {
        f"model-{number}.safetensors": bytes([number]) + (block * (size // len(block) + 1))[: size - 1]
        for number in range(count)
    }
    repository = Repository(files)
    for path in files:
        repository.sums(path)
    with Hub({"bench/model": repository}) as hub:
        print(hub.url, flush=True)
        for line in sys.stdin:
            if line.strip() == "sent":
                print(hub.sent, flush=True)


if __name__ == "__main__":
    main()
