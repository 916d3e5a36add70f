"""A folder or a file of this machine as a source: copied into the store with its checksums taken."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from june_cli.errors import JuneError, MachineLacks
from june_cli.paths import expanded
from june_cli.store.catalog import LocalSource
from june_cli.store.remote import Listing, Remote, Stream, safe
from june_cli.store.transfer import PIECE

# Code that a loader could be made to run. PyTorch's own formats are pickles.
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt", "*.joblib", "*.npy", "*.py")


class LocalReader:
    """Reads a LocalSource."""

    def __init__(self, source: LocalSource) -> None:
        self._path = expanded(source.path)
        self.label = str(self._path)

    def listing(self) -> Listing:
        """Every file below the folder. JuneError for one that leads out of it."""
        if not self._path.exists():
            raise MachineLacks("source-missing", f"{self._path} is not there.")
        files = [self._path] if self._path.is_file() else sorted(p for p in self._path.rglob("*"))
        root = self._path.parent if self._path.is_file() else self._path
        found = []
        for path in files:
            require_inside(path, root)
            if path.is_file() and not path.name.startswith("."):
                found.append(Remote(safe(str(path.relative_to(root))), path.stat().st_size))
        return Listing("", tuple(found))

    @contextmanager
    def open(self, file: Remote, start: int, end: int = -1) -> Iterator[Stream]:
        """Bytes of one of them."""
        path = self._path if self._path.is_file() else self._path / file.name
        with path.open("rb", buffering=0) as stream:
            stream.seek(start)

            def pieces() -> Iterator[bytes]:
                left = end - start if end >= 0 else -1
                while left and (piece := stream.read(PIECE if left < 0 else min(PIECE, left))):
                    left -= len(piece) if left > 0 else 0
                    yield piece

            yield Stream(start, path.stat().st_size, pieces())

    def close(self) -> None:
        """Nothing is open."""


def require_inside(path: Path, root: Path) -> None:
    """JuneError for a link that leads out of the folder it is in."""
    if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
        raise JuneError(
            "model-unsafe",
            f"{path} is a link that leads out of {root}, to {path.resolve()}.",
            hint="copy what it points to into the folder",
        )


def runs_code(name: str) -> bool:
    """Whether loading a file of that name may run code that is in it."""
    return any(fnmatch.fnmatch(name, pattern) for pattern in PICKLES)
