"""The job that quantizes a checkpoint: `python3 -m june_model.job_quantize`, inside NVIDIA's image.

It calls ModelOpt as its own example does (examples/llm_ptq/hf_ptq.py): a preset, a loop of forward passes
that measures activations, and a checkpoint in Hugging Face's layout that TensorRT-LLM loads. TensorRT-LLM 1.2
brings ModelOpt 0.37. Tried with ModelOpt 0.45 on small models on a CPU; not run on a GPU yet.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from june_cli.assistant import gpu, job, weights
from june_cli.errors import JuneError, MachineLacks
from june_cli.store import where
from june_model import calibration

PRESETS: Mapping[str, str] = {"fp8": "FP8_DEFAULT_CFG", "nvfp4": "NVFP4_DEFAULT_CFG"}
ANSWER_TOKENS = 128
BATCH = 8
CHECKPOINT = "checkpoint"


def main() -> int:
    """Quantize what JUNE_MODEL_DIR holds into JUNE_OUT/checkpoint, whole or not at all."""
    try:
        job.result(quantized(os.environ))
    except JuneError as error:
        job.failed(error)
        return error.exit_code
    return 0


def quantized(environ: Mapping[str, str]) -> dict[str, Any]:
    """Load, measure, export; what was made, and by which versions."""
    source, out = where.checked(Path(environ["JUNE_MODEL_DIR"])), Path(environ["JUNE_OUT"])
    preset = PRESETS[environ["JUNE_QUANT"]]
    device = environ.get("JUNE_DEVICE", "cuda")
    if device == "cuda":
        gpu.require("the quantization")
    else:
        weights.refuse_large_on_cpu(weights.parameters(source), source.name)
    job.event("progress", done=0, total=0, text="loading the weights")
    model, tokenizer = loaded(source, device)
    batches = list(_batches(environ, tokenizer, model.device))
    _measured(model, preset, batches)
    job.event("progress", done=len(batches), total=len(batches), text="writing the checkpoint")
    partial = out / f"{CHECKPOINT}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    _exported(model, tokenizer, partial)
    shutil.rmtree(out / CHECKPOINT, ignore_errors=True)
    partial.rename(out / CHECKPOINT)
    return {
        "quant": environ["JUNE_QUANT"],
        "calibrated": sum(len(batch["input_ids"]) for batch, _ in batches),
        "modelopt": version("nvidia-modelopt"),
        "torch": version("torch"),
    }


def loaded(source: Path, device: str) -> tuple[Any, Any]:
    """The model in its own number format, and its tokenizer; no code of the checkpoint's is run."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    placed = {"device_map": "auto"} if device == "cuda" else {}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            source, torch_dtype="auto", local_files_only=True, trust_remote_code=False, **placed
        )
        tokenizer = AutoTokenizer.from_pretrained(
            source, local_files_only=True, trust_remote_code=False, padding_side="left"
        )
    except (OSError, ValueError, ImportError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise JuneError("model-unloadable", f"{source} does not load: {said}") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.eval(), tokenizer


def _batches(
    environ: Mapping[str, str], tokenizer: Any, device: Any
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Texts as token ids, and whether the model is to write an answer to them."""
    file = environ.get("JUNE_CALIBRATION")
    shown = calibration.texts(Path(file)) if file else [_asked(tokenizer, p) for p in calibration.prompts()]
    for start in range(0, len(shown), BATCH):
        ids = tokenizer(
            shown[start : start + BATCH],
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=calibration.LONGEST,
            add_special_tokens=bool(file),
        )
        yield {key: ids[key].to(device) for key in ("input_ids", "attention_mask")}, not file


def _asked(tokenizer: Any, prompt: str) -> str:
    if not tokenizer.chat_template:
        return prompt
    said = [{"role": "user", "content": prompt}]
    return str(tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True))


def _measured(model: Any, preset: str, batches: list[tuple[dict[str, Any], bool]]) -> None:
    import modelopt.torch.quantization as mtq
    import torch

    def shown(measured: Any) -> None:
        for done, (batch, answers) in enumerate(batches):
            job.event("progress", done=done, total=len(batches), text="measuring activations")
            with torch.no_grad():
                if answers:
                    measured.generate(**batch, max_new_tokens=ANSWER_TOKENS, do_sample=False)
                else:
                    measured(**batch)

    with _in_memory():
        mtq.quantize(model, getattr(mtq, preset), forward_loop=shown)


def _exported(model: Any, tokenizer: Any, folder: Path) -> None:
    import torch
    from modelopt.torch.export import export_hf_checkpoint

    with _in_memory(), torch.inference_mode():
        export_hf_checkpoint(model, export_dir=folder)
    tokenizer.save_pretrained(folder)


@contextmanager
def _in_memory() -> Iterator[None]:
    """Say in words that the GPU's memory did not suffice."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise MachineLacks(
            "gpu-memory-full",
            "the GPU's memory did not suffice to quantize.",
            hint="stop what else uses it: june serve stop",
        ) from error


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # CUDA's own threads must not hold the end up
