"""The programs of a build, on stand-ins for what NVIDIA's images bring; with ModelOpt itself where it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from june_model import calibration, job_engine, job_layout, job_quantize, validation

from june_cli.assistant import job, trtllm
from june_cli.errors import BadInput, JuneError, MachineLacks

# The layout of triton_backend/all_models/llmapi in TensorRT-LLM 1.2: two settings are left to model.yaml.
CONFIG = """# a licence
name: "tensorrt_llm"
backend: "python"

#######
# max_batch_size: 64
#######

instance_group [
  {
    count: 1
    kind : KIND_CPU
  }
]
input [
  {
    name: "text_input"
    data_type: TYPE_STRING
    dims: [ -1 ]
  },
  ## a comment
  {
    name: "streaming"
    data_type: TYPE_BOOL
    dims: [ 1 ]
    optional: true
  }
]
output [
  {
    name: "text_output"
    data_type: TYPE_STRING
    dims: [-1]
  }
]
"""


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """What NVIDIA's Triton image has of the `llmapi` model."""
    folder = tmp_path / "shipped"
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(CONFIG)
    (folder / "1" / "model.py").write_text("# the image's own\n")
    return folder


def test_an_entry_is_the_images_model_with_this_ones_settings_and_is_valid(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {
        "JUNE_OUT": str(tmp_path / "out"),
        "JUNE_MODEL_NAME": "m",
        "JUNE_WEIGHTS": "/repository/m/1/weights",
        "JUNE_CONTEXT_TOKENS": "4096",
        "JUNE_SHIPPED": str(shipped),
    }
    (tmp_path / "out").mkdir()
    for key, value in told.items():
        monkeypatch.setenv(key, value)
    assert job_layout.main() == 0
    said = json.loads(capsys.readouterr().out)["result"]
    assert said["files"] == ["1/model.py", "1/model.yaml", "config.pbtxt"]
    entry = (tmp_path / "out" / "entry").rename(tmp_path / "out" / "m")
    settings = json.loads((entry / "1" / "model.yaml").read_text())
    assert (settings["model"], settings["max_seq_len"]) == ("/repository/m/1/weights", 4096)
    assert validation.problems(entry.parent, "m") == []


def test_an_image_without_the_model_ends_the_job_with_what_the_machine_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for key in ("JUNE_OUT", "JUNE_SHIPPED"):
        monkeypatch.setenv(key, str(tmp_path))
    for key in ("JUNE_MODEL_NAME", "JUNE_WEIGHTS"):
        monkeypatch.setenv(key, "m")
    assert job_layout.main() == MachineLacks.exit_code
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "image-unfit"


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs of TensorRT-LLM 1.2 by name: they write down their words and make the folder they are told."""
    examples, bin_ = tmp_path / "examples", tmp_path / "bin"
    bin_.mkdir()
    record = f'echo "$(basename $0) $*" >> {tmp_path}/lines; while [ $# -gt 0 ]; do '
    record += 'if [ "$1" = --output_dir ]; then mkdir -p "$2" && echo "{}" > "$2/config.json"; fi; '
    record += "shift; done\n"
    for name in ("trtllm-build", "python3"):
        (bin_ / name).write_text(f"#!/bin/sh\n{record}")
        (bin_ / name).chmod(0o755)
    (examples / "quantization").mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{bin_}:/usr/bin:/bin")
    return examples


@pytest.mark.parametrize("quant", ["", "fp8"])
def test_an_engine_is_converted_built_and_appears_whole(tools: Path, tmp_path: Path, quant: str) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    environ = {
        "JUNE_MODEL_DIR": str(source),
        "JUNE_OUT": str(out),
        "JUNE_QUANT": quant,
        "JUNE_CONTEXT_TOKENS": "8192",
    }
    engine = job_engine.built(environ, [tmp_path / "not there", tools])
    assert engine == out / trtllm.ENGINE
    assert [path.name for path in out.iterdir()] == [trtllm.ENGINE]
    first, second = (tmp_path / "lines").read_text().splitlines()
    program = "quantization/quantize.py" if quant else "models/core/qwen/convert_checkpoint.py"
    assert program in first
    assert ("--qformat fp8 --kv_cache_dtype fp8 --calib_dataset" in first) == bool(quant)
    assert second.startswith("trtllm-build --checkpoint_dir")
    assert "--max_seq_len 8192" in second


def test_an_image_that_builds_no_engines_is_named(tmp_path: Path) -> None:
    environ = {"JUNE_MODEL_DIR": str(tmp_path), "JUNE_OUT": str(tmp_path), "JUNE_QUANT": ""}
    with pytest.raises(MachineLacks, match="no trtllm-build"):
        job_engine.built(environ, [tmp_path / "not there"])


def test_a_program_that_fails_is_named() -> None:
    with pytest.raises(JuneError, match="false ended with exit code 1"):
        job.call(["false"])
    with pytest.raises(JuneError, match="cannot be run"):
        job.call(["/no/such/program"])


def test_calibration_is_junes_own_or_a_file_of_texts(tmp_path: Path) -> None:
    assert len(calibration.prompts()) == len(set(calibration.prompts())) == 128
    file = tmp_path / "texts.jsonl"
    file.write_text('{"text": "one"}\n\nplain words\n')
    assert calibration.texts(file) == ["one", "plain words"]
    calibration.write(tmp_path / "set", ["ä"])
    assert json.loads((tmp_path / "set" / "train.jsonl").read_text("utf-8")) == {"text": "ä"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "calibration-empty"),
        (b'{"other": 1}\n', "calibration-unreadable"),
        (b"\xff\xfe", "calibration-unreadable"),
    ],
)
def test_a_file_without_texts_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    file = tmp_path / "texts"
    file.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        calibration.texts(file)
    assert caught.value.code == code


@pytest.mark.slow
@pytest.mark.parametrize("quant", ["fp8", "nvfp4"])
@pytest.mark.parametrize("experts", [0, 8])
def test_modelopt_makes_a_checkpoint_that_says_what_it_is(tmp_path: Path, quant: str, experts: int) -> None:
    """The real library on a Qwen3 of a few thousand weights, dense and with experts."""
    pytest.importorskip("modelopt", reason="needs pip install nvidia-modelopt transformers, and torch")
    source = tiny(tmp_path / "source", experts)
    shown = tmp_path / "texts"
    shown.write_text("hello world\nthe tides\n")
    environ = {
        "JUNE_MODEL_DIR": str(source),
        "JUNE_OUT": str(tmp_path),
        "JUNE_QUANT": quant,
        "JUNE_DEVICE": "cpu",
        "JUNE_CALIBRATION": str(shown),
    }
    said = job_quantize.quantized(environ)
    assert (said["quant"], said["calibrated"]) == (quant, 2)
    checkpoint = tmp_path / job_quantize.CHECKPOINT
    algorithm = json.loads((checkpoint / "hf_quant_config.json").read_text())["quantization"]
    assert algorithm["quant_algo"] == quant.upper()
    assert (checkpoint / "tokenizer.json").is_file()
    before, after = (sum(f.stat().st_size for f in at.glob("*.safetensors")) for at in (source, checkpoint))
    assert after < before
    if experts:
        assert [name for name in algorithm["exclude_modules"] if "gate" in name], "routers stay as they were"


def tiny(folder: Path, experts: int) -> Path:
    import tokenizers
    import torch
    import transformers

    sizes: dict[str, Any] = {
        "hidden_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "vocab_size": 300,
        "intermediate_size": 128,
    }
    if experts:
        sizes |= {"num_experts": experts, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
    kind = transformers.Qwen3MoeConfig if experts else transformers.Qwen3Config
    model = transformers.AutoModelForCausalLM.from_config(kind(**sizes)).to(torch.bfloat16)
    model.save_pretrained(folder)
    words = tokenizers.Tokenizer(tokenizers.models.BPE())
    words.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    words.train_from_iterator(
        ["hello world"], tokenizers.trainers.BpeTrainer(special_tokens=["<end>"], initial_alphabet=alphabet)
    )
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>").save_pretrained(folder)
    return folder
