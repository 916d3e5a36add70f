"""Build hook: makes the gRPC stubs of `june_cli/proto` for wheels and editable installs alike."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _script(name: str) -> str:
    """A program of the build environment: isolated builds put theirs on PATH, others beside their Python."""
    beside = Path(sysconfig.get_path("scripts")) / name
    found = shutil.which(name) or (str(beside) if beside.exists() else "")
    if not found:
        raise FileNotFoundError(f"{name} is not in the build environment")
    return found


class ProtoBuildHook(BuildHookInterface[Any]):
    """Runs protoc over every .proto, so that stubs are never committed and never stale."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Generate the stubs beside their .proto; hatchling picks them up as artifacts."""
        del version, build_data
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        plugin, grpc_plugin = _script("protoc-gen-mypy"), _script("protoc-gen-mypy_grpc")
        for proto in sorted((root / "june_cli" / "proto").glob("*.proto")):
            command = [
                *(sys.executable, "-m", "grpc_tools.protoc", f"-I{root}"),
                *(f"--python_out={root}", f"--grpc_python_out={root}"),
                *(f"--plugin=protoc-gen-mypy={plugin}", f"--mypy_out={root}"),
                *(f"--plugin=protoc-gen-mypy_grpc={grpc_plugin}", f"--mypy_grpc_out={root}"),
                str(proto.relative_to(root)),
            ]
            subprocess.run(command, check=True, cwd=root)
