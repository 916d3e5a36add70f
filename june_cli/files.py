"""Files that people asked for: written whole, or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from june_cli.errors import MachineLacks, UsageProblem


def require_writable(path: Path) -> None:
    """Say before the work begins, not after it, that its result could not be written."""
    if path.is_dir():
        raise UsageProblem("output-not-writable", f"{path} is a folder; name a file.")
    parent = path.absolute().parent
    if not parent.is_dir():
        raise UsageProblem("output-not-writable", f"there is no folder {parent}.", hint=f"mkdir -p {parent}")
    if not os.access(parent, os.W_OK):
        raise UsageProblem(
            "output-not-writable", f"{parent} cannot be written to.", hint="choose another folder"
        )


def write(path: Path, data: bytes) -> None:
    """Write a file in one step: readers see the old one or the new one, never half of it."""
    require_writable(path)
    try:
        descriptor, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MachineLacks("disk-full", f"the disk is full: {path} was not written.") from error
        raise MachineLacks("output-not-writable", f"{path} cannot be written: {error.strerror}.") from error


def tree_bytes(folder: Path) -> int:
    """What the files below a folder take."""
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(base, name)).st_size  # noqa: PTH118 - called often
            except OSError:
                continue  # gone meanwhile
    return total


def _umask() -> int:
    """There is no way to ask for it but to set it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
