"""Which quantization runs on which GPU, and which image serves it: by source, not by trying.

Source: TensorRT-LLM's MOE_DEVELOPER_GUIDE.md and docs/source/features/quantization.md, as far as its releases
1.2 and 1.3 go. `sm` is the compute capability as two digits, 121 for GB10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# The quantization: on which SMs the layers of experts run in it, and dense models.
MOE: Mapping[str, frozenset[int]] = {
    "BF16": frozenset({80, 86, 89, 90, 100, 103, 120, 121}),
    "FP8": frozenset({90, 100, 103, 120}),  # in blocks of 128, as Qwen publishes it
    "FP8-TENSOR": frozenset({89, 90, 100, 103, 120, 121}),
    "NVFP4": frozenset({100, 103, 120, 121}),
    "AWQ": frozenset(),
    "GPTQ": frozenset(),
}
DENSE: Mapping[str, frozenset[int]] = {
    "BF16": MOE["BF16"],
    "FP8": frozenset({89, 90, 100, 103, 120, 121}),
    "FP8-TENSOR": frozenset({89, 90, 100, 103, 120, 121}),
    "NVFP4": frozenset({100, 103, 120, 121}),
    "AWQ": frozenset({80, 86, 89, 90}),
    "GPTQ": frozenset({80, 86, 89, 90}),
}
BYTES: Mapping[str, float] = {  # of one weight
    "BF16": 2.0,
    "FP16": 2.0,
    "FP8": 1.0,
    "FP8-TENSOR": 1.0,
    "INT8": 1.0,
    "NVFP4": 0.5625,  # four bits, and a scale of one byte for sixteen of them
    "AWQ": 0.52,
    "GPTQ": 0.52,
}


@dataclass(frozen=True)
class Verdict:
    """Whether a format runs on a GPU, and why not."""

    ok: bool
    why: str = ""


def runs(quant: str, capability: tuple[int, int], *, experts: bool) -> Verdict:
    """Whether TensorRT-LLM has kernels for a quantization on a GPU; one it does not list is not judged."""
    table = MOE if experts else DENSE
    wanted = quant.upper() or "BF16"
    if wanted not in table:
        return Verdict(True)
    sm = capability[0] * 10 + capability[1]
    if sm in table[wanted]:
        return Verdict(True)
    layers = "layers of experts" if experts else "models"
    known = ", ".join(f"sm_{number}" for number in sorted(table[wanted])) or "no GPU"
    return Verdict(False, f"TensorRT-LLM runs {layers} in {wanted} on {known}, this is sm_{sm}")
