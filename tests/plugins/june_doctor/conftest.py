"""A host that answers as a machine did whose tools' answers were written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from june_cli.checks import Host, Needs
from june_cli.errors import MachineLacks
from june_cli.paths import Paths
from tests.recorded import answering, recorded

NOW = 1_795_500_000.0  # 24 November 2026
Machine = Callable[..., Host]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """`machine("h200", cuda={"llm": "fp8"})`: a Host that answers as that machine did."""

    def make(name: str, *, environ: Mapping[str, str] | None = None, **needs: Any) -> Host:
        given = recorded(name)
        root = tmp_path / "root"
        for path, text in given.get("files", {}).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, "utf-8")

        def docker() -> Mapping[str, Any]:
            said: dict[str, Any] = given["docker"]
            if "error" in said:
                raise MachineLacks(said["error"], said["message"], hint=said.get("hint", ""))
            return said

        environ = {**given.get("environ", {}), **(environ or {})}
        return Host(
            environ=environ,
            paths=Paths.of({"JUNE_HOME": str(tmp_path / "june-home")}),
            needs=Needs(**{"profile": "cuda", "engine": "docker", "cuda": {"llm": ""}, **needs}),
            tool=answering(given["tools"]),
            docker=docker,
            listeners=dict,
            free_bytes=lambda path: given.get("free", {}).get(str(path)),
            now=lambda: NOW,
            root=root,
        )

    return make
