"""Where June keeps things. Naming a place does not make it: whoever writes makes the folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from june_cli.errors import MachineLacks


@dataclass(frozen=True)
class Paths:
    """The places of one June: configuration, models, state of running services, kept results.

    `repository` holds what `june model build` made of models, as a Triton reads it; `prepared` what it made
    for servers that load one model when they start.
    """

    config: Path
    models: Path
    state: Path
    runs: Path

    @property
    def repository(self) -> Path:
        """Triton's model repository."""
        return self.runs.parent / "repository"

    @property
    def prepared(self) -> Path:
        """A folder a model: its settings for trtllm-serve, and its TensorRT engine if it has one."""
        return self.runs.parent / "prepared"

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Paths:
        """Read `JUNE_HOME`, or the XDG directories; `MODEL_CACHE_DIR` and `JUNE_DATA_DIR` win over both."""
        home = environ.get("JUNE_HOME")
        if home:
            base = expanded(home).absolute()
            config, data, state = base / "config", base, base / "state"
        else:
            config = _xdg(environ, "XDG_CONFIG_HOME", ".config") / "june"
            data = _xdg(environ, "XDG_DATA_HOME", ".local/share") / "june"
            state = _xdg(environ, "XDG_STATE_HOME", ".local/state") / "june"
        if environ.get("JUNE_DATA_DIR"):
            data = expanded(environ["JUNE_DATA_DIR"]).absolute()
        models = environ.get("MODEL_CACHE_DIR")
        return cls(
            config=config,
            models=expanded(models).absolute() if models else data / "models",
            state=state,
            runs=data / "runs",
        )


def _xdg(environ: Mapping[str, str], name: str, fallback: str) -> Path:
    value = environ.get(name, "")
    if value.startswith("/"):  # the XDG specification: a relative path is to be ignored
        return Path(value)
    home = environ.get("HOME")
    return (Path(home) if home else Path.home()) / fallback


def expanded(text: str) -> Path:
    """A path with `~` as the home; `~nobody`, whose home is unknown, stays as it is written."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser raises for an unknown name


def made(folder: Path) -> Path:
    """Make a folder that only its owner may read, or say why that is not possible."""
    try:
        for missing in [f for f in reversed(folder.parents) if not f.exists()]:
            missing.mkdir(exist_ok=True, mode=0o700)  # `parents=True` would give them the default mode
        folder.mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise MachineLacks(
            "folder-not-writable",
            f"June cannot make {folder}: {error.strerror or error}.",
            hint="set JUNE_HOME to a folder you may write to",
        ) from error
    return folder


def shared(folder: Path) -> Path:
    """Make a folder that containers may read whoever they run as: nothing secret is kept in it."""
    if not folder.is_dir():
        made(folder)
        with writable(folder):
            folder.chmod(0o755)
    return folder


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Say in June's words why something in a folder of its state could not be written."""
    try:
        yield
    except OSError as error:
        raise MachineLacks(
            "state-not-writable",
            f"June cannot write its state in {folder}: {error.strerror or error}.",
            hint="free some space there, or set JUNE_HOME to a folder you may write to",
        ) from error
