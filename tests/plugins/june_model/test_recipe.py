"""Which way a model is prepared on which GPU, and what is refused before anything starts, with its reason."""

from __future__ import annotations

import pytest
from june_model import recipe
from june_model.recipe import Recipe, Wanted

from june_cli.errors import JuneError, MachineLacks, UsageProblem
from june_cli.planning import machine as machines
from june_cli.store.catalog import Catalog

CATALOG = Catalog.load()
THINKING, BLOCK, DENSE = "qwen3-30b-a3b-thinking-2507", "qwen3-30b-a3b-thinking-2507-fp8", "qwen3-8b"
LAPTOP = "MemTotal: 16000000 kB\nMemAvailable: 12000000 kB\n"


def made(name: str, gpu: str, **wanted: object) -> Recipe:
    model = CATALOG.get(name)
    return recipe.of(model, Wanted(name, **wanted), machines.of(gpu, lambda _: LAPTOP))  # type: ignore[arg-type]


ALLOWED = [
    (BLOCK, "h200", {}, Recipe("triton", "", "FP8", "triton-trtllm", "trtllm")),
    (BLOCK, "h200", {"quant": "none"}, Recipe("triton", "", "FP8", "triton-trtllm", "trtllm")),
    (BLOCK, "h200", {"server": "trtllm-serve"}, Recipe("trtllm-serve", "", "FP8", "trtllm", "trtllm")),
    (THINKING, "b200", {"quant": "nvfp4"}, Recipe("triton", "nvfp4", "NVFP4", "triton-trtllm", "trtllm")),
    (THINKING, "h200", {"quant": "FP8"}, Recipe("triton", "fp8", "FP8-TENSOR", "triton-trtllm", "trtllm")),
    # on GB10 the release candidate whose kernels are mended, and its own server
    (
        *(THINKING, "gb10", {"quant": "nvfp4"}),
        Recipe("trtllm-serve", "nvfp4", "NVFP4", "trtllm-spark", "trtllm-spark"),
    ),
    (THINKING, "gb10", {}, Recipe("trtllm-serve", "", "BF16", "trtllm-spark", "trtllm-spark")),
    (
        *(DENSE, "rtx4090", {"trt_engine": True, "quant": "fp8"}),
        Recipe("trtllm-serve", "fp8", "FP8-TENSOR", "trtllm", "trtllm", engine=True),
    ),
    ("smollm2-135m-instruct", "cpu", {}, Recipe("triton", "", "Q4_1")),
]


@pytest.mark.parametrize(("name", "gpu", "wanted", "expected"), ALLOWED)
def test_the_way_follows_from_model_and_gpu(
    name: str, gpu: str, wanted: dict[str, object], expected: Recipe
) -> None:
    assert made(name, gpu, **wanted) == expected


REFUSED = [
    (THINKING, "h200", {"quant": "nvfp4"}, MachineLacks, "format-unfit", "sm_90"),
    (THINKING, "rtx3090", {"quant": "fp8"}, MachineLacks, "format-unfit", "sm_86"),
    (BLOCK, "gb10", {}, MachineLacks, "format-unfit", "sm_121"),
    (BLOCK, "h200", {"quant": "nvfp4"}, UsageProblem, "quant-fixed", "quantized already"),
    (THINKING, "h200", {"quant": "int4_awq"}, UsageProblem, "quant-unknown", "ModelOpt makes no int4_awq"),
    (THINKING, "gb10", {"server": "triton"}, MachineLacks, "server-unfit", "mended later"),
    (THINKING, "h200", {"server": "vllm"}, UsageProblem, "server-unknown", "vllm"),
    (THINKING, "cpu", {}, MachineLacks, "model-too-large-for-cpu", "need a GPU"),
    (DENSE, "cpu", {}, MachineLacks, "gpu-needed", "none is here"),
    (DENSE, "gb10", {"trt_engine": True}, MachineLacks, "engine-refused", "GB10"),
    (DENSE, "h200", {"trt_engine": True, "server": "triton"}, MachineLacks, "engine-refused", "tensors"),
    (THINKING, "b200", {"trt_engine": True, "quant": "nvfp4"}, MachineLacks, "engine-refused", "NVFP4"),
    ("qwen3-14b-awq", "rtx3090", {"trt_engine": True}, MachineLacks, "engine-refused", "not among"),
    ("smollm2-135m-instruct", "cpu", {"trt_engine": True}, UsageProblem, "engine-unfit", "llama.cpp"),
    ("smollm2-135m-instruct", "cpu", {"quant": "fp8"}, UsageProblem, "quant-fixed", "Q4_1"),
    ("whisper-base", "cpu", {}, UsageProblem, "build-not-needed", "as it is downloaded"),
]


@pytest.mark.parametrize(("name", "gpu", "wanted", "kind", "code", "why"), REFUSED)
def test_what_cannot_be_is_refused_with_its_reason(
    name: str, gpu: str, wanted: dict[str, object], kind: type[JuneError], code: str, why: str
) -> None:
    with pytest.raises(kind) as caught:
        made(name, gpu, **wanted)
    assert caught.value.code == code
    assert why in caught.value.message


def test_no_engine_of_an_image_that_has_no_engine_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = "nvcr.io/nvidia/tensorrt-llm/release:1.4.0"
    monkeypatch.setattr(recipe.Images, "upstream", lambda *_: newer)
    with pytest.raises(MachineLacks, match=r"removed its engine backend .*release:1\.4\.0"):
        made(DENSE, "h200", trt_engine=True)
