"""Machines that are not here: what their tools said, one file each in machines/."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from june_cli.checks import Host, Needs
from june_cli.engine.run import Finished
from june_cli.errors import JuneError, MachineLacks
from june_cli.paths import Paths

MACHINES = Path(__file__).parent / "machines"
NOW = 1_795_500_000.0  # 24 November 2026
Machine = Callable[..., Host]


def recorded(name: str) -> dict[str, Any]:
    """One machine, on top of the one it is based on."""
    given = tomllib.loads((MACHINES / f"{name}.toml").read_text("utf-8"))
    given["tools"] = {tool["command"]: tool for tool in given.get("tools", ())}
    if "based_on" not in given:
        return given
    base = recorded(given["based_on"])
    tables = ("tools", "files", "free", "environ")
    merged = {**base, **given, **{key: {**base.get(key, {}), **given.get(key, {})} for key in tables}}
    for absent in given.get("without", ()):
        merged["tools"].pop(absent, None)
        merged["files"].pop(absent, None)
    return merged


def answering(tools: Mapping[str, Mapping[str, Any]]) -> Callable[[Sequence[str], float], Finished]:
    """A program is known by the beginning of its command line."""

    def tool(command: Sequence[str], limit_s: float) -> Finished:
        line = " ".join(command)
        said = next((tools[begin] for begin in tools if line.startswith(begin)), None)
        if said is None:
            raise MachineLacks("program-missing", f"{command[0]!r} is not installed here.")
        if said.get("hangs"):
            raise JuneError("timeout", f"{command[0]!r} took longer than {limit_s:.0f} s.")
        return Finished(said.get("returncode", 0), said.get("stdout", ""), said.get("stderr", ""))

    return tool


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
