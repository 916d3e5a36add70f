"""What the programs inside NVIDIA's images write and become: checked by their text, run on no GPU yet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from june_llm import llmapi
from june_llm import trtllm as program

from june_cli.assistant import trtllm
from june_cli.assistant.serving import Place
from june_cli.errors import MachineLacks

CONFIG = """name: "tensorrt_llm"
backend: "python"
max_batch_size: 0
instance_group [{ kind: KIND_CPU count: 1 }]
"""


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """The folder that NVIDIA's image brings, in its layout."""
    folder = tmp_path / "shipped"
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(CONFIG)
    (folder / "1" / "model.py").write_text("# the image's own\n")
    (folder / "1" / "helpers.py").write_text("# the image's own\n")
    return folder


def test_the_repository_is_the_images_own_files_under_the_models_name(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUNE_CONTEXT_TOKENS", "16384")
    weights = tmp_path / "weights"
    weights.mkdir()
    own = tmp_path / "models"
    assert llmapi.repositories(own, None, "qwen3", weights, shipped) == [own]
    folder = tmp_path / "models" / "qwen3"
    config = (folder / "config.pbtxt").read_text().splitlines()
    assert config[0] == 'name: "qwen3"'
    assert [line for line in config if line.startswith("name:")] == ['name: "qwen3"']
    assert 'backend: "python"' in config
    assert (folder / "1" / "model.py").read_text() == "# the image's own\n"
    told = json.loads((folder / "1" / "model.yaml").read_text())
    assert told["model"] == str(weights)
    assert told["max_seq_len"] == 16384
    assert told["kv_cache_config"]["max_tokens"] == trtllm.SEQUENCES * 16384
    assert told["triton_config"] == {
        "max_batch_size": 0,
        "decoupled": True,
    }  # both are read without a default


def test_an_image_without_the_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(MachineLacks, match="no llmapi model"):
        trtllm.write_entry(tmp_path / "m", "m", "/models/llm", {}, tmp_path / "nothing")


def test_what_was_built_is_served_in_place_of_the_same_model_and_beside_another(
    shipped: Path, tmp_path: Path
) -> None:
    own, built, weights = tmp_path / "models", tmp_path / "repository", tmp_path / "weights"
    weights.mkdir()
    trtllm.write_entry(built / "qwen3", "qwen3", "/repository/qwen3/1/weights", {}, shipped)
    assert llmapi.repositories(own, built, "qwen3", weights, shipped) == [built]
    assert not own.exists()
    assert llmapi.repositories(own, built, "other", weights, shipped) == [own, built]


def test_tritonserver_may_ask_the_model_for_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUNE_GRPC_PORT", "8001")
    monkeypatch.setenv("JUNE_METRICS_PORT", "8002")
    line = llmapi.server(Place("llm", "0.0.0.0", 8000, Path("/models/llm")), [Path("/tmp/models")], "qwen3")
    assert line[0] == "tritonserver"
    assert "--model-control-mode=explicit" in line
    assert "--load-model=qwen3" in line
    assert not [word for word in line if "disable-auto-complete-config" in word]  # it would not stream


def test_only_keys_that_every_version_knows_are_set() -> None:
    assert set(trtllm.settings({})) == {"max_batch_size", "max_num_tokens", "max_seq_len", "kv_cache_config"}
    assert trtllm.settings({})["max_seq_len"] == 32_768
    assert trtllm.settings({"JUNE_MOE_BACKEND": "CUTLASS"})["moe_config"] == {"backend": "CUTLASS"}


def test_trtllm_serve_listens_beyond_its_own_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUNE_REASONING_PARSER", "deepseek-r1")
    line = program.server(Place("llm", "0.0.0.0", 8000, Path("/m")), Path("/m"), Path("/tmp/llm.yaml"))
    assert line[:2] == ["trtllm-serve", "/m"]
    assert line[line.index("--host") + 1] == "0.0.0.0"
    assert line[line.index("--extra_llm_api_options") + 1] == "/tmp/llm.yaml"
    assert line[line.index("--reasoning_parser") + 1] == "deepseek-r1"


def test_an_engine_is_served_by_the_backend_that_knows_it_with_the_models_tokenizer() -> None:
    place = Place("llm", "0.0.0.0", 8000, Path("/m"))
    line = program.server(place, Path("/m"), Path("/p/llm.yaml"), Path("/p/engine"))
    assert line[:6] == ["trtllm-serve", "/p/engine", "--backend", "tensorrt", "--tokenizer", "/m"]


def test_trtllm_serve_takes_what_was_built_for_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[list[str]] = []

    def become(line: list[str]) -> None:
        became.append(line)
        raise SystemExit

    monkeypatch.setattr(program.serving, "become", become)
    monkeypatch.setenv("JUNE_MODEL_NAME", "qwen3")
    monkeypatch.setenv("JUNE_PREPARED", str(tmp_path / "prepared"))
    weights, settings = tmp_path / "weights", tmp_path / "prepared" / "qwen3" / trtllm.SETTINGS
    weights.mkdir()
    settings.parent.mkdir(parents=True)
    settings.write_text("{}")
    with pytest.raises(SystemExit):
        program.main(Place("llm", "0.0.0.0", 8000, weights))
    assert str(settings) in became[0]
