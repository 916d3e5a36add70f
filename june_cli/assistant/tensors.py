"""The tensors of the model inside Triton: TensorRT-LLM's `llmapi`, as far as llama.cpp can honour it.

Declared is only what has an effect. Two outputs are not llmapi's: the counts of tokens, under the names that
Triton's models of other frameworks use. The numbers of a request are checked here, so that a mistake is told
in words instead of being answered with something else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# What Triton runs: the program is the one in the server's own image.
MODEL = '''"""Made by June."""

from june_llm.triton_model import TritonPythonModel

__all__ = ["TritonPythonModel"]
'''
ONE, ANY = 1, -1
OPTIONAL, REQUIRED = " optional: true", ("text_input",)
INPUTS: dict[str, tuple[str, int]] = {
    "text_input": ("STRING", ANY),
    "streaming": ("BOOL", ONE),
    "sampling_param_max_tokens": ("INT32", ONE),
    "sampling_param_temperature": ("FP32", ONE),
    "sampling_param_top_k": ("INT32", ONE),
    "sampling_param_top_p": ("FP32", ONE),
    "sampling_param_frequency_penalty": ("FP32", ONE),
    "sampling_param_presence_penalty": ("FP32", ONE),
    "sampling_param_stop": ("STRING", ANY),
    "sampling_param_seed": ("UINT64", ONE),
    "sampling_param_exclude_input_from_output": ("BOOL", ONE),
    "return_finish_reason": ("BOOL", ONE),
    "return_num_input_tokens": ("BOOL", ONE),
    "return_num_output_tokens": ("BOOL", ONE),
}
OUTPUTS: dict[str, tuple[str, int]] = {
    "text_output": ("STRING", ANY),
    "finish_reason": ("STRING", ANY),
    "num_input_tokens": ("UINT32", ONE),
    "num_output_tokens": ("UINT32", ONE),
}
MAX_TOKENS = 32  # llmapi's own where a request does not say
MAX_STOPS = 64
CONTEXT = "context_tokens"  # a parameter of the model's configuration
# llama.cpp sorts every token there is to find the likeliest that make up `top_p`, which took a sixth of a
# small model's time; they are looked for among so many, and only where there is something to choose.
CANDIDATES = 1000
SEEDS = 2**32 - 1  # llama.cpp's are shorter than llmapi's, and its last one means "any"

Tensor = Callable[[str], Any]


def config(name: str, *, context_tokens: int = 0) -> str:
    """The model's config.pbtxt. A context of 0 is the server's own."""
    inputs = [
        f"  {{ name: {key!r} data_type: TYPE_{kind} dims: [ {size} ]{'' if key in REQUIRED else OPTIONAL} }}"
        for key, (kind, size) in INPUTS.items()
    ]
    outputs = [
        f"  {{ name: {key!r} data_type: TYPE_{kind} dims: [ {size} ] }}"
        for key, (kind, size) in OUTPUTS.items()
    ]
    lines = [
        f"name: {name!r}",
        'backend: "python"',
        "max_batch_size: 0",
        "model_transaction_policy { decoupled: true }",
        "instance_group [ { kind: KIND_CPU count: 1 } ]",
        *([_parameter(CONTEXT, context_tokens)] if context_tokens else []),
        "input [",
        ",\n".join(inputs),
        "]",
        "output [",
        ",\n".join(outputs),
        "]",
        "",
    ]
    return "\n".join(lines).replace("'", '"')


def _parameter(key: str, value: int) -> str:
    return f"parameters [ {{ key: {key!r} value {{ string_value: '{value}' }} }} ]"


@dataclass(frozen=True)
class Asked:
    """A request, read and checked."""

    prompt: str
    streaming: bool
    echo: bool  # llmapi's default: the text begins with the prompt
    max_tokens: int
    sampling: dict[str, Any]
    finish_reason: bool
    num_input_tokens: bool
    num_output_tokens: bool


def asked(tensor: Tensor) -> Asked:
    """Read a request; ValueError says what is wrong. `tensor` gives an input by name as an array, or None."""
    prompt = _text(_one(tensor, "text_input"), "text_input")
    if not prompt:
        raise ValueError("text_input is empty")
    max_tokens = _one(tensor, "sampling_param_max_tokens")
    max_tokens = MAX_TOKENS if max_tokens is None else int(max_tokens)
    if max_tokens < 1:
        raise ValueError("sampling_param_max_tokens must be at least 1")
    return Asked(
        prompt=prompt,
        streaming=bool(_one(tensor, "streaming")),
        echo=not _one(tensor, "sampling_param_exclude_input_from_output"),
        max_tokens=max_tokens,
        sampling=_sampling(tensor),
        finish_reason=bool(_one(tensor, "return_finish_reason")),
        num_input_tokens=bool(_one(tensor, "return_num_input_tokens")),
        num_output_tokens=bool(_one(tensor, "return_num_output_tokens")),
    )


def _sampling(tensor: Tensor) -> dict[str, Any]:
    """llama.cpp's words for how to sample; as in llmapi, the likeliest token where a request says nothing."""
    temperature = _number(tensor, "sampling_param_temperature", low=0.0)
    top_k = _number(tensor, "sampling_param_top_k", low=0)
    top_p = _number(tensor, "sampling_param_top_p", low=0.0, high=1.0)
    silent = all(value is None for value in (temperature, top_k, top_p))
    wanted: dict[str, Any] = {
        "temperature": (0.0 if silent else 1.0) if temperature is None else temperature,
        "top_k": int(top_k or 0),
        "top_p": 1.0 if top_p is None else top_p,
        "min_p": 0.0,
    }
    if wanted["temperature"] == 0:
        wanted |= {"top_k": 1, "top_p": 1.0}
    elif wanted["top_p"] < 1 and not wanted["top_k"]:
        wanted["top_k"] = CANDIDATES
    for name in ("frequency_penalty", "presence_penalty"):
        penalty = _number(tensor, f"sampling_param_{name}")
        if penalty:
            wanted |= {name: penalty, "repeat_last_n": -1}
    seed = _one(tensor, "sampling_param_seed")
    if seed is not None:
        wanted["seed"] = int(seed) % SEEDS
    stops = tensor("sampling_param_stop")
    if stops is not None:
        wanted["stop"] = [_text(stop, "sampling_param_stop") for stop in stops.reshape(-1)]
        if len(wanted["stop"]) > MAX_STOPS or not all(wanted["stop"]):
            raise ValueError(f"sampling_param_stop takes up to {MAX_STOPS} texts, none of them empty")
    return wanted


def _one(tensor: Tensor, name: str) -> Any:
    values = tensor(name)
    if values is None:
        return None
    if values.size != 1:
        raise ValueError(f"{name} takes one value, not {values.size}")
    return values.reshape(-1)[0]


def _number(tensor: Tensor, name: str, low: float = -math.inf, high: float = math.inf) -> float | None:
    value = _one(tensor, name)
    if value is None:
        return None
    number = float(value)
    if not math.isfinite(number) or not low <= number <= high:
        bounds = f"from {low:g} to {high:g}" if high < math.inf else f"at least {low:g}"
        raise ValueError(f"{name} must be a number{'' if low == -math.inf else ' ' + bounds}")
    return number


def _text(value: Any, name: str) -> str:
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else str(value or "")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is no UTF-8 text") from error
