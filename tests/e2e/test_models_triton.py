"""From a model of the catalog to one that answers in a real Triton in Docker, and back."""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from june_cli.assistant.repository import Repository
from tests.e2e.test_docker_services import STUB, inside

if TYPE_CHECKING:
    from tests.e2e.conftest import DockerJune

pytestmark = pytest.mark.docker
MODEL = "smollm2-135m-instruct"


def served(june: DockerJune) -> dict[str, str]:
    return {one["model"]: one["state"] for one in june("model", "status", "--json").json["models"]}


def seen(june: DockerJune) -> dict[str, str]:
    """What NVIDIA's own client sees: the index, which must be that of HTTP, and what it calls ready."""
    grpc = pytest.importorskip("tritonclient.grpc", reason="needs pip install 'tritonclient[grpc]'")
    with grpc.InferenceServerClient(address(june, "grpc")) as client:
        index = {one.name: one.state for one in client.get_model_repository_index().models}
        for name, state in index.items():
            assert client.is_model_ready(name) == (state == "READY")
    assert index == {one.name: one.state for one in Repository(address(june, "http")).index()}
    return index


def written(june: DockerJune, question: str) -> str:
    """An answer by NVIDIA's own client, over a decoupled stream."""
    grpc = pytest.importorskip("tritonclient.grpc", reason="needs pip install 'tritonclient[grpc]'")
    answers: queue.Queue[Any] = queue.Queue()
    tensors = {
        "text_input": (np.array([question], np.object_), "BYTES"),
        "streaming": (np.array([True]), "BOOL"),
        "sampling_param_max_tokens": (np.array([16], np.int32), "INT32"),
    }
    inputs = []
    for name, (value, kind) in tensors.items():
        inputs.append(grpc.InferInput(name, list(value.shape), kind))
        inputs[-1].set_data_from_numpy(value)
    with grpc.InferenceServerClient(address(june, "grpc")) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        client.async_stream_infer(MODEL, inputs, enable_empty_final_response=True)
        pieces = []
        while True:
            result, error = answers.get(timeout=60)
            assert error is None
            if (piece := result.as_numpy("text_output")) is not None:
                pieces.append(piece.reshape(-1)[0].decode())
            if result.get_response().parameters["triton_final_response"].bool_param:
                return "".join(pieces)


def address(june: DockerJune, port: str) -> str:
    ports: dict[str, Any] = june("serve", "status", "--json").json["services"][1]["ports"]
    return f"127.0.0.1:{ports[port]}"


def test_build_load_swap_break_repair_and_unload(docked: DockerJune) -> None:
    june = docked
    built = june("model", "build", MODEL, "--context", "2048", "--json").json
    assert list(built["stages"]) == ["plan", "fetch", "quantize", "lay out", "validate"]
    again = june("model", "build", MODEL, "--context", "2048", "--json").json["stages"]
    assert again["lay out"] == again["quantize"] == "done before"
    assert june("model", "repo", "validate", "--json").json["problems"] == []
    assert june("model", "status", "--json", code=4).json["error"]["code"] == "triton-not-running"
    here = {"model": MODEL, "state": "not served", "reason": f"june model load {MODEL}", "stored": "here"}
    assert june("model", "status", MODEL, "--json").json == {"address": "", "models": [here]}
    june("serve", "start", "llm")
    assert served(june) == {MODEL: "ready"}

    unloaded = june("model", "unload", MODEL, "--json").json
    assert unloaded["models"] == [MODEL]
    assert unloaded["freed_bytes"] > 50_000_000
    assert (served(june), seen(june)) == ({MODEL: "unloaded"}, {MODEL: "UNAVAILABLE"})
    assert june("model", "ready", MODEL, "--json", code=4).json["ready"] is False
    began = time.monotonic()
    assert june("chat", "Hello", "--json", code=4).json["error"]["code"] == "model-not-loaded"
    assert time.monotonic() - began < 20, "nobody loads it: that is known at once"
    loaded = june("model", "load", MODEL, "--json").json
    assert loaded["loaded"]
    assert seen(june) == {MODEL: "READY"}
    assert "Paris" in june("chat", "What is the capital of France?", "--temperature", "0").out
    assert "Paris" in written(june, "The capital of France is")
    assert not june("model", "load", MODEL, "--json").json["loaded"]

    entry = june.home / "repository" / MODEL / "config.pbtxt"
    good = entry.read_text()
    entry.write_text(good.replace("backend:", "backend"))
    june("model", "unload", "--all")
    broken = june("model", "load", MODEL, "--json", code=1).json["error"]
    assert broken["code"] == "entry-invalid"
    assert "config.pbtxt:2" in broken["message"]
    entry.write_text(good)
    june("model", "load", MODEL)

    inside(june, "llm", STUB)
    time.sleep(1)
    assert seen(june) == {MODEL: "READY"}, "Triton does not notice"
    assert served(june) == {MODEL: "degraded"}
    assert june("model", "load", MODEL, "--json", code=4).json["error"]["code"] == "model-degraded"
    assert june("model", "load", MODEL, "--repair", "--json").json["loaded"]
    assert served(june) == {MODEL: "ready"}
    unknown = june("model", "load", "nothing", "--json", code=2).json["error"]
    assert (unknown["code"], MODEL in unknown["hint"]) == ("model-unknown", True)
    june("serve", "stop")
