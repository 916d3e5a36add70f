"""Requests to the model inside Triton: what is understood, what is refused, and what is declared."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from june_cli.assistant import tensors

KINDS = {"STRING": np.object_, "BOOL": np.bool_, "INT32": np.int32, "FP32": np.float32, "UINT64": np.uint64}


def asked(**inputs: Any) -> tensors.Asked:
    """A request as Triton hands it over: each input an array of its declared kind."""
    arrays = {}
    for name, value in {"text_input": b"Hello", **inputs}.items():
        values = value if isinstance(value, list) else [value]
        arrays[name] = np.array(values, dtype=KINDS[tensors.INPUTS[name][0]])
    return tensors.asked(arrays.get)


def sampled(**inputs: Any) -> dict[str, Any]:
    return asked(**{f"sampling_param_{name}": value for name, value in inputs.items()}).sampling


def test_a_bare_prompt_is_answered_as_llmapi_would() -> None:
    found = asked()
    assert (found.prompt, found.streaming, found.echo, found.max_tokens) == ("Hello", False, True, 32)
    assert found.sampling["temperature"] == 0.0
    assert not found.finish_reason


def test_everything_that_is_declared_has_an_effect() -> None:
    values = {"STRING": b"x", "BOOL": True, "INT32": 5, "FP32": 0.5, "UINT64": 5}
    bare = asked(sampling_param_temperature=0.25)
    for name, (kind, _) in tensors.INPUTS.items():
        assert asked(**{"sampling_param_temperature": 0.25, name: values[kind]}) != bare, name


def test_sampling_is_spelled_as_llama_cpp_does() -> None:
    found = sampled(temperature=0.5, top_k=40, top_p=0.75, seed=7, stop=[b"\n", "ü".encode()])
    assert found == {
        "temperature": 0.5,
        "top_k": 40,
        "top_p": 0.75,
        "min_p": 0.0,
        "seed": 7,
        "stop": ["\n", "ü"],
    }
    assert sampled(top_p=0.5)["temperature"] == 1.0
    assert sampled(top_p=0.5)["top_k"] == tensors.CANDIDATES
    assert sampled(top_p=1.0)["top_k"] == 0
    assert sampled(temperature=0.0, top_k=9, top_p=0.5) == sampled()
    assert sampled(frequency_penalty=0.5)["frequency_penalty"] == 0.5


@pytest.mark.parametrize("seed", [0, 2**32 - 1, 2**64 - 1])
def test_any_seed_is_one_that_llama_cpp_keeps(seed: int) -> None:
    assert 0 <= sampled(seed=seed)["seed"] < 2**32 - 1


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"text_input": b""}, "empty"),
        ({"text_input": b"\xff\xfe"}, "UTF-8"),
        ({"text_input": [b"two", b"prompts"]}, "one value"),
        ({"sampling_param_max_tokens": 0}, "at least 1"),
        ({"sampling_param_max_tokens": -5}, "at least 1"),
        ({"sampling_param_temperature": -0.5}, "at least 0"),
        ({"sampling_param_temperature": math.nan}, "number"),
        ({"sampling_param_top_p": 1.5}, "from 0 to 1"),
        ({"sampling_param_top_k": -1}, "at least 0"),
        ({"sampling_param_presence_penalty": math.inf}, "number"),
        ({"sampling_param_stop": [b"a", b""]}, "none of them empty"),
        ({"sampling_param_stop": [b"a"] * 65}, "up to 64"),
        ({"sampling_param_stop": [b"\xff"]}, "UTF-8"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(inputs: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        asked(**inputs)


def test_a_request_without_a_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        tensors.asked({}.get)


def test_the_configuration_declares_every_tensor_once() -> None:
    config = tensors.config("tiny")
    for name in (*tensors.INPUTS, *tensors.OUTPUTS):
        assert config.count(f'"{name}"') == 1
    assert config.startswith('name: "tiny"\n')
    assert "'" not in config
    assert 'name: "text_input" data_type: TYPE_STRING dims: [ -1 ] }' in config
