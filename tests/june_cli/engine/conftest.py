"""A Docker Engine's client that does as it was told beforehand, and a builder that works with it."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import ImageNotFound

from june_cli.engine.building import Builder
from june_cli.engine.images import Images, Recipe, Upstream
from june_cli.output import Output

PYTHON = "python:3.11-slim"


class Client:
    """Has some images, and answers builds and pulls with events that were laid down for it."""

    base_url = "http+docker://localhost"

    def __init__(self) -> None:
        self.images: dict[str, list[str]] = {}  # name: the digests that registries know it by
        self.events: list[Any] = [{"stream": "Successfully built 0123\n"}]
        self.builds: list[dict[str, Any]] = []
        self.root = "/"
        self.pulls: list[str] = []
        self.pruned: list[Any] = []
        self.closed = 0
        self.digests = ["python@sha256:" + "1" * 64]

    def inspect_image(self, name: str) -> dict[str, Any]:
        if name not in self.images:
            raise ImageNotFound(f"No such image: {name}")
        return {"Id": "sha256:0", "RepoDigests": self.images[name]}

    def info(self) -> dict[str, str]:
        return {"DockerRootDir": self.root}

    def build(self, **options: Any) -> Iterator[dict[str, Any]]:
        with tarfile.open(fileobj=options.pop("fileobj")) as tar:
            context = {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]
        self.builds.append({**options, "context": context})
        yield from self._stream()
        self.images[options["tag"]] = []

    def pull(self, reference: str, *, stream: bool, decode: bool) -> Iterator[dict[str, Any]]:
        assert stream
        assert decode
        self.pulls.append(reference)
        yield from self._stream()
        self.images[reference] = self.digests

    def _stream(self) -> Iterator[dict[str, Any]]:
        try:
            for event in self.events:
                if not isinstance(event, dict):
                    raise event
                yield event
        finally:
            self.closed += 1

    def prune_images(self, filters: Any) -> None:
        self.pruned.append(filters)


@pytest.fixture
def client() -> Client:
    client = Client()
    client.images[PYTHON] = []
    return client


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """`high` rests on `low`, and that on Python; `other` rests on Python too."""
    for folder in ("low", "high", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "Dockerfile").write_text(f"ARG BASE\nFROM ${{BASE}}\nLABEL of={folder}\n")
    bases = {"low": "python", "high": "low", "other": "python"}
    recipes = {name: Recipe(name, name, base) for name, base in bases.items()}
    return Images(recipes, {"python": Upstream("python", PYTHON)}, tmp_path)


class Building:
    """A builder, and what it said."""

    def __init__(self, client: Client, images: Images, folder: Path, **environ: str) -> None:
        self.stderr = io.StringIO()
        self.digests = folder / "state" / "digests.json"
        out = Output(events=True, stderr=self.stderr)
        self.builder = Builder(client, images, environ, out, self.digests)

    def said(self, event: str, key: str = "text") -> list[Any]:
        lines = [json.loads(line) for line in self.stderr.getvalue().splitlines()]
        return [line[key] for line in lines if line["event"] == event]


@pytest.fixture
def building(client: Client, images: Images, tmp_path: Path) -> Building:
    return Building(client, images, tmp_path)


@pytest.fixture
def building_with(client: Client, images: Images, tmp_path: Path) -> Callable[..., Building]:
    """A builder of a caller whose environment says something."""
    return lambda **environ: Building(client, images, tmp_path, **environ)
