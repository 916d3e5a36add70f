"""A service asks the driver's library for its GPU. The one here is compiled by the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = """
#include <stdio.h>
/* A driver's library that does what a file says: the status of its start, and how many GPUs it knows. */
static int state(int which) {
    int values[2] = {999, 0};
    FILE *file = fopen(getenv("NVML_STATE"), "r");
    if (file) { fscanf(file, "%d %d", &values[0], &values[1]); fclose(file); }
    return values[which];
}
int nvmlInit_v2(void) { return state(0); }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = state(1); return 0; }
const char *nvmlErrorString(int status) {
    return status == 18 ? "Driver/library version mismatch" : "Unknown Error";
}
"""
ASK = "from june_cli.assistant import gpu; print(gpu.problem())"
WATCH = """
import sys, time
from june_cli.assistant import gpu
gpu.watch(lambda why: (print(why, flush=True)), every_s=0.05)
print("watching", flush=True)
time.sleep(20)
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc, to make a library in the driver's place")
    folder = tmp_path_factory.mktemp("nvml")
    (folder / "nvml.c").write_text("#include <stdlib.h>\n" + SOURCE)
    command = ["gcc", "-shared", "-fPIC", "-o", str(folder / "libnvidia-ml.so.1"), str(folder / "nvml.c")]
    subprocess.run(command, check=True)
    return folder


def environ(library: Path, state: Path) -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": str(library), "NVML_STATE": str(state)}


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("0 1", ""),
        ("0 8", ""),
        ("0 0", "knows no GPU"),
        ("999 1", "does not answer (Unknown Error)"),
        ("18 1", "Driver/library version mismatch"),
    ],
)
def test_the_driver_is_asked_whether_there_is_a_gpu(
    library: Path, tmp_path: Path, said: str, problem: str
) -> None:
    (tmp_path / "state").write_text(said)
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, capture_output=True, text=True, env=environ(library, tmp_path / "state"))
    assert problem in done.stdout
    assert bool(done.stdout.strip()) == bool(problem)


def test_without_the_library_that_is_said() -> None:
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True)
    assert (
        "library is not in this container" in done.stdout or not done.stdout.strip()
    )  # a machine with a GPU


def test_a_gpu_that_is_lost_while_it_runs_is_noticed_once(library: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.write_text("0 1")
    with subprocess.Popen(
        [sys.executable, "-c", WATCH], stdout=subprocess.PIPE, text=True, env=environ(library, state)
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == "watching\n"
        state.write_text("999 0")
        assert "does not answer" in child.stdout.readline()
        child.kill()


@pytest.mark.parametrize(
    "module", ["june_stt.server", "june_tts.server", "june_llm.llmapi", "june_llm.trtllm"]
)
def test_a_program_that_was_to_have_a_gpu_ends_without_one(
    library: Path, tmp_path: Path, module: str
) -> None:
    (tmp_path / "state").write_text("0 0")
    told = {"JUNE_PORT": "1", "JUNE_MODEL_DIR": str(tmp_path), "JUNE_DEVICE": "cuda", "JUNE_MODEL_NAME": "m"}
    done = subprocess.run(
        [sys.executable, "-m", module],
        capture_output=True,
        text=True,
        timeout=60,
        env={**environ(library, tmp_path / "state"), **told},
    )
    assert done.returncode == 3
    assert "was to run on a GPU and has none" in done.stderr
