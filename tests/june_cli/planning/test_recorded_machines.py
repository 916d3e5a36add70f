"""What is planned for machines whose nvidia-smi's answers were written down, and what is refused there."""

from __future__ import annotations

from pathlib import Path

import pytest

from june_cli.planning import machine as machines
from june_cli.planning import plan as planning
from june_cli.planning import together
from june_cli.planning.machine import GIB, Machine
from june_cli.planning.plan import Demand
from june_cli.planning.together import Wanted
from june_cli.store.catalog import Catalog
from tests.recorded import answering, recorded

CATALOG = Catalog.load()
LAPTOP = "MemTotal: 16000000 kB\nMemAvailable: 12000000 kB\n"
THINKING, NVFP4 = "qwen3-30b-a3b-thinking-2507-fp8", "qwen3-30b-a3b-nvfp4"


def here(name: str) -> Machine:
    given = recorded(name)

    def read(path: str) -> str:
        told: str = given.get("files", {}).get(path.lstrip("/"), "")
        return told or (LAPTOP if path == "/proc/meminfo" else "")

    return machines.here(answering(given["tools"]), read)


# machine, its name, capability, GiB that may be used, what is noted
MACHINES = [
    ("h200", "h200", (9, 0), 132.8, ""),
    ("gb10", "gb10", (12, 1), 94.0, ""),
    ("gb10-busy", "gb10", (12, 1), 14.0, ""),
    ("rtx4090-535", "geforce rtx 4090", (8, 9), 21.4, ""),
    ("a100-mig", "a100-sxm4-80gb 3g.40gb", (8, 0), 35.4, "a MIG slice"),
    ("a100-mig-empty", "cpu", (0, 0), 10.4, "no slices"),
    ("gtx1080", "geforce gtx 1080", (6, 1), 7.3, ""),
    ("mixed", "quadro p400", (6, 1), 1.4, ""),  # a container that asks for one GPU is given the first
    ("thor", "cpu", (0, 0), 10.4, "does not tell how much memory"),
    ("mismatch", "cpu", (0, 0), 10.4, "was updated while the old one runs"),
    ("unloaded", "cpu", (0, 0), 10.4, "kernel module is not loaded"),
    ("hangs", "cpu", (0, 0), 10.4, "did not answer within 20 s"),
    ("no-driver", "cpu", (0, 0), 10.4, "no NVIDIA driver here"),
    ("laptop", "cpu", (0, 0), 10.4, "no NVIDIA driver here"),
]


@pytest.mark.parametrize(("name", "called", "capability", "have", "note"), MACHINES)
def test_what_a_machine_has_is_what_its_driver_says(
    name: str, called: str, capability: tuple[int, int], have: float, note: str
) -> None:
    found = here(name)
    assert (found.name, found.capability) == (called, capability)
    assert found.have / GIB == pytest.approx(have, abs=0.1)
    assert note in found.note if note else not found.note


# machine, model, why not; nothing where it fits
VERDICTS = [
    ("h200", THINKING, ""),
    ("h200", NVFP4, "needs compute capability 10.0"),
    ("gb10", NVFP4, ""),
    ("gb10", THINKING, "sm_121"),
    ("gb10-busy", NVFP4, "of unified memory"),
    ("rtx4090-535", "qwen3-8b-fp8", ""),
    ("rtx4090-535", THINKING, "needs compute capability 9.0"),
    ("a100-mig", "qwen3-8b", ""),
    ("a100-mig", "qwen3-30b-a3b-thinking-2507", "GiB of memory can be used"),
    ("gtx1080", "qwen3-8b-fp8", "needs compute capability 8.9"),
    ("no-driver", THINKING, "never run on a CPU"),
    ("no-driver", "qwen3-8b-fp8", "needs a GPU"),
    ("no-driver", "smollm2-135m-instruct", ""),
]


@pytest.mark.parametrize(("name", "model", "why"), VERDICTS)
def test_what_fits_there_and_why_not(tmp_path: Path, name: str, model: str, why: str) -> None:
    found = planning.plan(CATALOG.get(model), tmp_path, here(name), Demand())
    assert found.fits == (not why)
    assert why in found.reason


def wanted(models: Path, context: int = 32_768, **roles: str) -> list[Wanted]:
    return [
        Wanted(role, CATALOG.get(model), models, cuda=True, demand=Demand(context))
        for role, model in roles.items()
    ]


SPEECH = {"stt": "whisper-large-v3-turbo", "tts": "coqui-ljspeech-vits"}


@pytest.mark.parametrize(("name", "model"), [("h200", THINKING), ("gb10", NVFP4)])
def test_the_services_of_a_profile_fit_the_machine_it_is_for(tmp_path: Path, name: str, model: str) -> None:
    roles = wanted(tmp_path, llm=model, **SPEECH)
    assert together.refusal(roles, here(name), machines.cpu(lambda _: LAPTOP), CATALOG, "cuda") is None


def test_what_fits_alone_and_not_together_is_refused_with_every_part_and_what_would_fit(
    tmp_path: Path,
) -> None:
    card, cpu = here("rtx4090-535"), machines.cpu(lambda _: LAPTOP)
    large = wanted(tmp_path, 8192, llm="qwen3-14b-fp8")
    assert together.refusal(large, card, cpu, CATALOG, "cuda") is None
    error = together.refusal([*large, *wanted(tmp_path, **SPEECH)], card, cpu, CATALOG, "cuda")
    assert error is not None
    assert (error.code, error.exit_code) == ("plan-does-not-fit", 3)
    assert "llm, stt and tts do not fit this machine together" in error.message
    assert "llm 20" in error.message
    assert "[profiles.cuda.llm]" in error.hint
    assert "--force" in error.hint


def test_on_unified_memory_what_runs_on_the_cpu_counts_too(tmp_path: Path) -> None:
    given = recorded("gb10-busy")
    busy, cpu = here("gb10-busy"), machines.cpu(lambda _: given["files"]["proc/meminfo"])
    small = wanted(tmp_path, 2048, llm="qwen3-8b-fp8")
    speech = [Wanted("stt", CATALOG.get("whisper-large-v3"), tmp_path, cuda=False, demand=Demand())]
    assert together.refusal(small, busy, cpu, CATALOG, "spark") is None
    assert together.refusal(speech, busy, cpu, CATALOG, "spark") is None
    error = together.refusal([*small, *speech], busy, cpu, CATALOG, "spark")
    assert error is not None
    assert "shares it with the system" in error.message


def test_where_no_gpu_answers_the_engine_says_it_better(tmp_path: Path) -> None:
    roles = wanted(tmp_path, llm=THINKING)
    assert together.refusal(roles, None, machines.cpu(lambda _: LAPTOP), CATALOG, "cuda") is None
