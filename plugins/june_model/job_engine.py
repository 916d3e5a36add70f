"""The job that builds a TensorRT engine: `python3 -m june_model.job_engine`, inside TensorRT-LLM 1.2.

The old way, gone from 1.3 on. Command lines: examples/models/core/qwen, examples/quantization and
tensorrt_llm/commands/build.py of 1.2. Not run on a GPU yet.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from june_cli.assistant import gpu, job, trtllm
from june_cli.errors import JuneError, MachineLacks
from june_cli.store import where
from june_model import calibration

EXAMPLES = (Path("/app/tensorrt_llm/examples"), Path("/app/examples"))


def main() -> int:
    """Convert or quantize what JUNE_MODEL_DIR holds, and build JUNE_OUT/engine of it."""
    try:
        gpu.require("the engine's build")
        job.result({"engine": str(built(os.environ, EXAMPLES))})
    except JuneError as error:
        job.failed(error)
        return error.exit_code
    return 0


def built(environ: Mapping[str, str], places: Sequence[Path]) -> Path:
    """The engine's folder, whole or not at all."""
    source, out = where.checked(Path(environ["JUNE_MODEL_DIR"])), Path(environ["JUNE_OUT"])
    examples = next((place for place in places if (place / "quantization").is_dir()), None)
    if examples is None or shutil.which("trtllm-build") is None:
        raise MachineLacks("image-unfit", "this image builds no TensorRT engines: it has no trtllm-build.")
    checkpoint, partial, engine = out / "converted", out / "engine.partial", out / trtllm.ENGINE
    for left in (checkpoint, partial):
        shutil.rmtree(left, ignore_errors=True)
    if environ["JUNE_QUANT"]:
        shown = out / "calibration"
        file = environ.get("JUNE_CALIBRATION")
        calibration.write(shown, calibration.texts(Path(file)) if file else calibration.prompts())
    job.event("progress", done=0, total=2, text="converting the checkpoint")
    job.call(conversion(environ["JUNE_QUANT"], source, checkpoint, out / "calibration", examples))
    job.event("progress", done=1, total=2, text="building the engine")
    job.call(build(checkpoint, partial, int(environ["JUNE_CONTEXT_TOKENS"])))
    shutil.rmtree(engine, ignore_errors=True)
    partial.rename(engine)
    for left in (checkpoint, out / "calibration"):
        shutil.rmtree(left, ignore_errors=True)
    return engine


def conversion(quant: str, source: Path, checkpoint: Path, shown: Path, examples: Path) -> list[str]:
    """From Hugging Face's layout to TensorRT-LLM's: as it is, or quantized by what it is shown."""
    places = ["--model_dir", str(source), "--output_dir", str(checkpoint)]
    if not quant:
        program = str(examples / "models/core/qwen/convert_checkpoint.py")
        return ["python3", program, *places, "--dtype", "bfloat16", "--tp_size", "1"]
    return [
        *("python3", str(examples / "quantization/quantize.py"), *places),
        *("--dtype", "auto", "--qformat", quant, "--kv_cache_dtype", "fp8"),
        # left out, it would fetch a data set
        *("--calib_dataset", str(shown), "--calib_size", str(calibration.LONGEST), "--tp_size", "1"),
    ]


def build(checkpoint: Path, engine: Path, context: int) -> list[str]:
    """trtllm-build's line: how many at once and how long they may be is fixed by it."""
    return [
        *("trtllm-build", "--checkpoint_dir", str(checkpoint), "--output_dir", str(engine)),
        *("--gemm_plugin", "auto", "--max_batch_size", str(trtllm.SEQUENCES), "--max_seq_len", str(context)),
        *(
            "--max_input_len",
            str(context),
            "--max_num_tokens",
            str(trtllm.MAX_TOKENS),
            "--kv_cache_type",
            "paged",
        ),
        *("--workers", "1"),
    ]


if __name__ == "__main__":
    sys.exit(main())
