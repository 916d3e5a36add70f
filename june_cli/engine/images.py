"""June's images: what goes into each, and the tag that follows from it. Knows no Docker Engine."""

from __future__ import annotations

import hashlib
import io
import shlex
import tarfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from june_cli import nearest
from june_cli.engine import code
from june_cli.errors import JuneError, UsageProblem

SHARED = "share/june/containers"
CODE = "code"
CA_FILE = "ca.crt"  # in every context that fetches, empty or not: no Dockerfile needs a condition to copy it
LABEL = "june.image"  # what it is an image of, for `june image list` and `prune`


@dataclass(frozen=True)
class Upstream:
    """An image of somebody else, pinned."""

    name: str
    reference: str
    source: str = ""


@dataclass(frozen=True)
class Build:
    """One `docker build`: a context, arguments, a tag. Equal content has an equal tag, on any machine."""

    name: str
    tag: str
    base: str  # the image it starts from
    argument: str  # the name of the build argument that carries `base`
    files: Mapping[str, bytes]

    @property
    def line(self) -> str:
        """The same build by hand, for a shell."""
        return (
            f"june image context {self.tag} | docker build --tag {self.tag} --label {LABEL}={self.name}"
            f" --build-arg {self.argument}={shlex.quote(self.base)} -"
        )

    def context(self, ca: bytes = b"") -> bytes:
        """The build context as a tar archive. Order, modes and times are always the same.

        The authority is no part of the tag: it helps to fetch what is built in and is not in what is built.
        """
        return _tar(self.files if self.argument == "DEPS" else {**self.files, CA_FILE: ca})


@dataclass(frozen=True)
class Recipe:
    """How one of June's images is made."""

    name: str
    folder: str
    base: str
    modules: tuple[str, ...] = ()
    requirements: str = "requirements.txt"


class Images:
    """All images by name, from `images.toml` and the folders of `containers/`."""

    def __init__(
        self, recipes: Mapping[str, Recipe], upstreams: Mapping[str, Upstream], containers: Path
    ) -> None:
        self.recipes, self.upstreams, self._containers = recipes, upstreams, containers

    @classmethod
    def load(cls) -> Images:
        """What this June ships."""
        content: dict[str, Any] = tomllib.loads(
            files("june_cli.engine").joinpath("images.toml").read_text("utf-8")
        )
        upstreams = {n: Upstream(n, **entry) for n, entry in content["upstream"].items()}
        recipes = {
            n: Recipe(n, **{**entry, "modules": tuple(entry.get("modules", ()))})
            for n, entry in content["image"].items()
        }
        return cls(recipes, upstreams, _containers())

    def reference(self, name: str) -> str:
        """What to run for an image's name: June's own tag, an upstream's pin, or a reference as it stands."""
        if name in self.recipes:
            return self.builds(name)[-1].tag
        if name in self.upstreams:
            return self.upstreams[name].reference
        if "/" in name or ":" in name:
            return name
        hint = nearest.hint(name, sorted([*self.recipes, *self.upstreams]))
        raise UsageProblem("image-unknown", f"there is no image {name!r}.", hint=hint)

    def upstream(self, name: str) -> str:
        """The reference of the image of others that everything in this image rests on."""
        while name in self.recipes:
            name = self.recipes[name].base
        return self.reference(name)

    def builds(self, name: str) -> Sequence[Build]:
        """Every build that the image needs, in order, its own last; empty for an image of others."""
        if name not in self._made:
            self._made[name] = self._planned(name)
        return self._made[name]

    @cached_property
    def _made(self) -> dict[str, Sequence[Build]]:
        return {}

    def _planned(self, name: str) -> Sequence[Build]:
        if name not in self.recipes:
            return ()
        recipe = self.recipes[name]
        before = self.builds(recipe.base)
        base = before[-1].tag if before else self.reference(recipe.base)
        content = self._deps(recipe)
        if not recipe.modules:
            return (*before, Build(name, f"june/{name}:{_hash(base, content)}", base, "BASE", content))
        deps = Build(name, f"june/{name}:deps-{_hash(base, content)}", base, "BASE", content)
        own = self._code(recipe)
        tag = f"june/{name}:{_hash(deps.tag, own)}"
        return (*before, deps, Build(name, tag, deps.tag, "DEPS", own))

    def _deps(self, recipe: Recipe) -> dict[str, bytes]:
        folder = self._containers / recipe.folder
        found = {"Dockerfile": _read(folder / "Dockerfile")}
        if (folder / recipe.requirements).exists():
            found["requirements.txt"] = _read(folder / recipe.requirements)
        return found

    def _code(self, recipe: Recipe) -> dict[str, bytes]:
        own = {f"code/{path}": code.source(file) for path, file in code.needed(recipe.modules).items()}
        return {"Dockerfile": _read(self._containers / CODE / "Dockerfile"), **own}


def _containers() -> Path:
    """The folder of Dockerfiles: beside the package in a checkout, in `share/` of an installed wheel."""
    import june_cli

    beside = Path(june_cli.__file__).resolve().parent.parent / "containers"
    if (beside / CODE / "Dockerfile").is_file():
        return beside
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        recorded = distribution("june-cli").files or []
    except PackageNotFoundError:
        recorded = []
    for entry in recorded:
        if str(entry).endswith(f"{SHARED}/{CODE}/Dockerfile"):
            return Path(str(entry.locate())).resolve().parent.parent
    raise JuneError(
        "containers-missing",
        "June's Dockerfiles are not where it was installed.",
        hint="pip install --force-reinstall june-cli",
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise JuneError("containers-missing", f"June cannot read {path}: {error.strerror}.") from error


def _hash(base: str, content: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256(base.encode())
    digest.update(_tar(content))
    return digest.hexdigest()[:12]


def _tar(content: Mapping[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(content):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content[name]), 0o644
            archive.addfile(entry, io.BytesIO(content[name]))
    return sink.getvalue()
