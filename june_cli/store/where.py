"""Reads the model store; writes nothing and knows no network, so services may use it too."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from june_cli.errors import JuneError, MachineLacks

MANIFEST = "june-model.json"
BLOCKS = "june-blocks.json"  # a sum for each block of each file: what of it to fetch anew when it is damaged


def sha256(path: Path) -> str:
    """The checksum of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damage(folder: Path, *, rehash: bool = True) -> str:
    """Why a model folder of the store cannot be used; empty when it is whole.

    Sizes and modification times are compared with what was recorded when the checksums were verified; a file
    that was touched since is hashed again, or without `rehash` is said to have been touched.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
        entries = [(folder / f["name"], f["bytes"], f["sha256"], f["mtime_ns"]) for f in manifest["files"]]
    except FileNotFoundError:
        return "it is not in the store"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its manifest cannot be read ({error})"
    for path, size, digest, mtime_ns in entries:
        try:
            stat = path.stat()
        except OSError:
            return f"{path.name} is missing"
        if stat.st_size != size:
            return f"{path.name} has {stat.st_size} bytes instead of {size}"
        if stat.st_mtime_ns != mtime_ns and not rehash:
            return f"{path.name} was touched since it was verified"
        if stat.st_mtime_ns != mtime_ns and sha256(path) != digest:
            return f"{path.name} does not have the checksum it had when it was fetched"
    return ""


def checked(folder: Path) -> Path:
    """The folder itself, if a service may load from it.

    A folder of the store must be whole. A folder of one's own, without a manifest, only has to be there.
    """
    if not folder.is_dir():
        raise MachineLacks("model-missing", f"there is no model folder {folder}.")
    if (folder / MANIFEST).exists():
        problem = damage(folder)
        if problem:
            raise JuneError(
                "model-damaged",
                f"the model in {folder} is damaged: {problem}.",
                hint="run the command again with the network on: June fetches it anew",
            )
    return folder
