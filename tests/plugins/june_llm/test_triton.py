"""The launcher: what it finds, what it says is lacking, what it writes, what it clears away."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from june_llm import triton

from june_cli.assistant.ports import PORT_TAKEN_EXIT
from june_cli.errors import MachineLacks

HUGE = 40_000_000_000


def model(folder: Path, parameters: int = 100) -> Path:
    """A folder with a GGUF header that claims so many parameters."""
    folder.mkdir()
    tensor = struct.pack("<Q1sIQIQ", 1, b"t", 1, parameters, 0, 0)
    (folder / "model.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + tensor + bytes(64))
    return folder


def run(module: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    ports = {"JUNE_PORT": free(), "JUNE_GRPC_PORT": free(), "JUNE_METRICS_PORT": free()}
    return subprocess.run(
        [sys.executable, "-P", "-m", module],
        env={**os.environ, **ports, "JUNE_MODEL_DIR": str(folder), **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )


def free() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def tree(folder: Path, *, stub: bool) -> Path:
    """A tritonserver as an image has it, or as the wheel does."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "tritonserver").write_text("#!/bin/sh\nexit 7\n")
    (folder / "bin" / "tritonserver").chmod(0o755)
    python = folder / "backends" / "python"
    python.mkdir(parents=True)
    (python / "libtriton_python.so").write_text("")
    stubs = folder / "python_backend_stubs" / ".".join(map(str, sys.version_info[:2]))
    stubs.mkdir(parents=True)
    (stubs / triton.STUB).write_text("the stub")
    if stub:
        (python / triton.STUB).write_text("its stub")
    return folder


@pytest.mark.parametrize("module", ["june_llm.server", "june_llm.triton"])
def test_a_model_too_large_for_a_cpu_is_never_loaded(tmp_path: Path, module: str) -> None:
    server = tree(tmp_path / "triton", stub=True)
    ended = run(module, model(tmp_path / "huge", HUGE), JUNE_TRITON_DIR=str(server))
    assert ended.returncode == 3
    assert "40.0 billion parameters" in ended.stderr


def test_a_port_that_is_taken_is_told_by_the_exit_code(tmp_path: Path) -> None:
    server = tree(tmp_path / "triton", stub=True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = run(
            "june_llm.triton", model(tmp_path / "m"), JUNE_GRPC_PORT=port, JUNE_TRITON_DIR=str(server)
        )
    if "numpy" not in ended.stderr:  # where numpy is too new for Triton, that is said first
        assert ended.returncode == PORT_TAKEN_EXIT
        assert port in ended.stderr


def test_a_place_without_a_server_is_named(tmp_path: Path) -> None:
    ended = run("june_llm.triton", model(tmp_path / "m"), JUNE_TRITON_DIR=str(tmp_path))
    assert ended.returncode == 3
    assert f"JUNE_TRITON_DIR is {tmp_path}, which holds none" in ended.stderr
    assert "june-cli[triton]" in ended.stderr


def test_a_missing_variable_is_named(tmp_path: Path) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("JUNE_")}
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "june_llm.triton"],
        env={**environ, "JUNE_PORT": "1", "JUNE_MODEL_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    assert "JUNE_GRPC_PORT" in ended.stderr


def test_a_server_that_is_named_is_found_first(tmp_path: Path) -> None:
    server = tree(tmp_path / "triton", stub=True)
    assert triton.found({"JUNE_TRITON_DIR": str(server)}) == server
    with pytest.raises(MachineLacks, match="which holds none"):
        triton.found({"JUNE_TRITON_DIR": str(tmp_path)})


def test_backends_that_are_whole_are_taken_as_they_are(tmp_path: Path) -> None:
    server = tree(tmp_path / "triton", stub=True)
    assert triton.backends(server, tmp_path) == server / "backends"


def test_the_stub_of_this_python_is_put_where_triton_looks_for_it(tmp_path: Path) -> None:
    server = tree(tmp_path / "triton", stub=False)
    before = sorted(server.rglob("*"))
    python = triton.backends(server, tmp_path / "work") / "python"
    assert (python / triton.STUB).read_text() == "the stub"
    assert (python / "libtriton_python.so").exists()
    assert sorted(server.rglob("*")) == before


def test_the_repository_holds_the_one_model(tmp_path: Path) -> None:
    folder = triton.repository(tmp_path, "tiny")
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert files == {"tiny/config.pbtxt", "tiny/1/model.py"}
    compile((folder / "tiny" / "1" / "model.py").read_text(), "model.py", "exec")


def test_the_servers_path_begins_with_this_environment() -> None:
    assert triton.environment()["PATH"].split(os.pathsep)[0] == f"{sys.prefix}/bin"


def test_only_what_nobody_uses_is_cleared_away(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    mine = subprocess.Popen([sys.executable, "-c", "input()", triton.MARK], stdin=subprocess.PIPE)
    gone, kept, other = (
        tmp_path / f"{triton.MARK}{what}" for what in (f"{ended.pid}-x", f"{mine.pid}-x", "y")
    )
    for folder in (gone, kept, other):
        (folder / "models").mkdir(parents=True)
    (tmp_path / f"{triton.MARK}{ended.pid}-memory").write_text("")
    triton.sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([kept.name, other.name])
    mine.communicate(b"\n")
