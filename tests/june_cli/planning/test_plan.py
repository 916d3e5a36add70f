"""The account of memory agrees with what is known, and every kind of machine gets its verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from june_cli.errors import MachineLacks, UsageProblem
from june_cli.gpu import Accelerator
from june_cli.planning import machine as machines
from june_cli.planning.machine import GIB, Machine
from june_cli.planning.plan import Demand, Plan, plan
from june_cli.store.catalog import Catalog

CATALOG = Catalog.load()
LAPTOP = "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:   12000000 kB\n"


def planned(name: str, gpu: str, tmp_path: Path, **demand: int) -> Plan:
    return plan(
        CATALOG.get(name), tmp_path, machines.of(gpu, lambda _: LAPTOP), Demand(**demand), catalog=CATALOG
    )


@pytest.mark.parametrize(
    ("name", "weights", "context", "kv"),
    [  # published sizes: 61.1 GB in BF16, 31.2 in FP8, 18.1 in NVFP4; 96 KiB of cache for a token
        ("qwen3-30b-a3b-thinking-2507", 56.87, 32_768, 3.0),
        ("qwen3-30b-a3b-thinking-2507-fp8", 29.03, 262_144, 24.0),
        ("qwen3-30b-a3b-nvfp4", 16.84, 8192, 0.75),
        ("qwen3-8b-fp8", 8.79, 8192, 1.12),
        ("qwen3-14b-fp8", 15.20, 8192, 1.25),
    ],
)
def test_sizes_are_those_that_are_published(
    tmp_path: Path, name: str, weights: float, context: int, kv: float
) -> None:
    parts = planned(name, "h200", tmp_path, context=context).parts
    assert parts["weights"] == pytest.approx(weights, abs=0.05)
    assert parts["kv_cache"] == pytest.approx(kv, abs=0.01)


@pytest.mark.parametrize(
    ("name", "gpu", "fits", "why"),
    [
        ("qwen3-30b-a3b-thinking-2507-fp8", "h200", True, ""),
        ("qwen3-30b-a3b-thinking-2507", "h200", True, ""),
        ("qwen3-30b-a3b-thinking-2507", "a100-40", False, "needs"),
        ("qwen3-30b-a3b-nvfp4", "gb10", True, ""),
        ("qwen3-30b-a3b-thinking-2507-fp8", "gb10", False, "sm_121"),
        ("qwen3-30b-a3b-thinking-2507-fp8", "rtx4090", False, "compute capability 9.0"),
        ("qwen3-14b-fp8", "rtx4090", True, ""),
        ("qwen3-14b-fp8", "rtx3090", False, "compute capability 8.9"),
        ("qwen3-14b-awq", "rtx3090", True, ""),
        ("qwen3-8b", "a100-40:20", False, "needs"),
        ("qwen3-8b", "a100-40", True, ""),
        ("qwen3-30b-a3b-thinking-2507", "cpu", False, "never run on a CPU"),
        ("qwen3-8b", "cpu-512", False, "needs a GPU"),
        ("smollm2-135m-instruct", "cpu", True, ""),
        ("whisper-large-v3", "t4", True, ""),
    ],
)
def test_every_machine_has_its_verdict(tmp_path: Path, name: str, gpu: str, fits: bool, why: str) -> None:
    found = planned(name, gpu, tmp_path)
    assert (found.fits, why in found.reason) == (fits, True), found
    assert found.need_gib == pytest.approx(sum(found.parts.values()), abs=0.05)


def test_what_does_not_fit_names_the_nearest_that_does(tmp_path: Path) -> None:
    found = planned("qwen3-14b-fp8", "rtx4090", tmp_path, context=40_960, concurrency=4)
    assert not found.fits
    assert found.alternatives[:1] == ["--context 4096"]
    for words in found.alternatives:
        assert "qwen3-30b" not in words


def test_a_30b_model_has_no_way_onto_a_cpu_however_much_memory_there_is(tmp_path: Path) -> None:
    found = planned("qwen3-30b-a3b-nvfp4", "cpu-2048", tmp_path)
    assert not found.fits
    assert "never run on a CPU" in found.reason
    assert not any(words.startswith("--") for words in found.alternatives)


def test_files_that_are_here_are_measured(tmp_path: Path) -> None:
    model = CATALOG.get("qwen3-8b")
    folder = model.folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"\0" * 1024)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    found = planned("qwen3-8b", "h200", tmp_path, context=1000)
    assert (found.exact, found.parts["weights"]) == (True, 0.0)
    assert found.parts["kv_cache"] == pytest.approx(2 * 2 * 1 * 64 * 2 * 1024 / GIB, abs=0.01)
    (folder / "config.json").write_text("{")
    assert planned("qwen3-8b", "h200", tmp_path).parts["kv_cache"] == pytest.approx(1.12, abs=0.01)


CONFIG: dict[str, Any] = {
    "hidden_size": 128,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "num_hidden_layers": 2,
    "vocab_size": 100,
}


def gpu(**changes: Any) -> Accelerator:
    known: dict[str, Any] = {
        "index": 0,
        "uuid": "GPU-0",
        "name": "NVIDIA H200",
        "compute_capability": (9, 0),
        "memory_bytes": 140 * GIB,
        "free_bytes": 100 * GIB,
        "driver": "590",
        "mig": False,
        "unified": False,
    }
    return Accelerator(**{**known, **changes})


def test_a_gpu_of_this_machine_offers_what_is_free() -> None:
    found = machines.from_accelerator(gpu())
    assert (found.name, found.have, found.unified) == ("h200", int(95 * GIB), False)
    unified = machines.from_accelerator(gpu(name="NVIDIA GB10", unified=True, compute_capability=(12, 1)))
    assert unified.have == 84 * GIB
    assert "MIG" in machines.from_accelerator(gpu(mig=True)).note
    with pytest.raises(MachineLacks, match="does not tell how much memory"):
        machines.from_accelerator(gpu(memory_bytes=None))


def test_a_misspelt_gpu_is_corrected() -> None:
    with pytest.raises(UsageProblem) as caught:
        machines.of("h20")
    assert "h200" in caught.value.hint


def test_a_cpu_keeps_something_for_the_rest() -> None:
    assert machines.of("cpu", lambda _: LAPTOP) == Machine(
        "cpu", 16_000_000 * 1024, 12_000_000 * 1024 - GIB, (0, 0)
    )
    assert machines.of("cpu", lambda _: "").have == 0
