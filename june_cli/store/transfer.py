"""One file from a source into the store: resumed where it broke off, its checksums taken while it streams."""

from __future__ import annotations

import hashlib
import os
import random
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from june_cli.errors import JuneError, MachineLacks
from june_cli.store.remote import Interrupted, Reader, Remote

BLOCK = 8 * 1024 * 1024  # of a file, with a sum of its own: what a repair fetches anew
PIECE = 1 << 20
PART = ".part"
TRIES = 6  # in a row without a byte more
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 20.0
Report = Callable[[int], None]  # bytes more than before; less than zero when a file begins anew


class Sums:
    """Checksums of a file that grows: sha256, git's object name where wanted, and a CRC-32 for each block."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self.restart()

    def restart(self) -> None:
        """Of no byte yet."""
        self.bytes, self.blocks = 0, list[int]()
        self._sha256 = hashlib.sha256()
        self._git = None
        if self._remote.git_sha1 and self._remote.bytes >= 0:
            self._git = hashlib.sha1(f"blob {self._remote.bytes}\0".encode(), usedforsecurity=False)

    def read(self, file: Path) -> None:
        """Of what a file holds, if it is there."""
        self.restart()
        with suppress(FileNotFoundError), file.open("rb", buffering=0) as stream:
            while piece := stream.read(PIECE):
                self.add(piece)

    def add(self, piece: bytes) -> None:
        """Go on with these bytes."""
        self._sha256.update(piece)
        if self._git:
            self._git.update(piece)
        left = memoryview(piece)
        while left:
            room = BLOCK - self.bytes % BLOCK
            part, left = left[:room], left[room:]
            if room == BLOCK:
                self.blocks.append(0)
            self.blocks[-1] = zlib.crc32(part, self.blocks[-1])
            self.bytes += len(part)

    @property
    def sha256(self) -> str:
        """Of all bytes so far."""
        return self._sha256.hexdigest()

    def wrong(self) -> str:
        """What differs from what the source promised; empty when nothing does."""
        remote = self._remote
        if remote.bytes >= 0 and self.bytes != remote.bytes:
            return f"it has {self.bytes} bytes instead of {remote.bytes}"
        if remote.sha256 and self.sha256 != remote.sha256:
            return "its sha256 is another"
        if self._git and self._git.hexdigest() != remote.git_sha1:
            return "its git object name is another"
        return ""


def fetched(reader: Reader, remote: Remote, target: Path, report: Report) -> Sums:
    """Have a file whole and verified at `target`. What came before an interruption is not fetched again.

    JuneError `model-untrusted` when what arrives is not what was promised: then nothing of it is kept.
    MachineLacks `network-unreachable` when no try brings a byte more.
    """
    part = target.with_name(target.name + PART)
    sums = Sums(remote)
    sums.read(part)
    report(sums.bytes)
    resumed = sums.bytes > 0
    while True:
        _complete(reader, remote, part, sums, report)
        wrong = sums.wrong()
        if not wrong:
            part.replace(target)
            return sums
        part.unlink(missing_ok=True)
        if not resumed:
            raise JuneError(
                "model-untrusted",
                f"{remote.name} from {reader.label} is not what was promised: {wrong}.",
                hint="nothing of it was kept; a mirror or proxy that alters files is the usual cause",
            )
        report(-sums.bytes)
        sums.restart()
        resumed = False  # what lay here may be what was wrong: once more, from its beginning


def _complete(reader: Reader, remote: Remote, part: Path, sums: Sums, report: Report) -> None:
    """Fetch what is missing, as often as it takes."""
    failures = 0
    while sums.bytes < remote.bytes or remote.bytes < 0:
        before = sums.bytes
        try:
            _go_on(reader, remote, part, sums, report)
            if sums.bytes >= remote.bytes:
                return
            raise Interrupted("the connection was cut")  # it ended as if well, and gave less than it said
        except Interrupted as error:
            failures = 0 if sums.bytes > before else failures + 1
            if failures >= TRIES:
                raise unreachable(f"{remote.name} cannot be fetched: {error}") from error
            pause(failures, error)


def _go_on(reader: Reader, remote: Remote, part: Path, sums: Sums, report: Report) -> None:
    with reader.open(remote, sums.bytes) as stream, part.open("ab") as sink:
        if stream.start != sums.bytes:  # the server ignores offsets: all comes anew
            report(-sums.bytes)
            sink.truncate(0)
            sums.restart()
        for piece in stream.pieces:
            if 0 <= remote.bytes < sums.bytes + len(piece):
                part.unlink()
                raise JuneError(
                    "model-untrusted",
                    f"{reader.label} sends more of {remote.name} than the {remote.bytes} bytes it promised.",
                    hint="nothing of it was kept",
                )
            sink.write(piece)
            sums.add(piece)
            report(len(piece))
        sink.flush()
        os.fsync(sink.fileno())


def pause(failures: int, error: Interrupted) -> None:
    """Wait before the next try: as long as the server said, else longer each time, never in step."""
    backoff = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**failures) * random.uniform(0.75, 1.25)  # noqa: S311
    time.sleep(max(error.wait_s, backoff))


def unreachable(why: str) -> MachineLacks:
    """Why a fetch was given up."""
    return MachineLacks(
        "network-unreachable",
        f"{why.rstrip('.')}.",
        hint="connect this machine and run it again: it goes on where it stopped",
    )
