"""Machines that are not here: what their tools said, one file each in machines/."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from june_cli.engine.run import Finished
from june_cli.errors import JuneError, MachineLacks

MACHINES = Path(__file__).parent / "machines"


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
