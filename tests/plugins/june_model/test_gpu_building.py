"""Builds for a GPU as far as none is needed: stages, what they leave, and what a load holds against it.

NVIDIA's images are not here: the engine at the seam does in files what their programs would.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from june_model import adding, building, current, gpu_building, identity, loading, repo
from june_model.adding import Asked
from june_model.recipe import Wanted

from june_cli.assistant import trtllm
from june_cli.errors import BadInput, JuneError, MachineLacks, UsageProblem
from june_cli.invocation import Invocation
from june_cli.output import Output
from june_cli.planning import machine as machines
from june_cli.spec import Job
from june_cli.testing import FakeEngine
from june_cli.words import GlobalWords

CONFIG = """
[june]
profile = "mine"
[profiles.mine]
engine = "docker"
[profiles.mine.llm]
service = "{service}"
model = "own"
device = "cuda"
"""
H200, B200, SPARK = (machines.of(name) for name in ("h200", "b200", "gb10"))


@dataclass
class Images(FakeEngine):
    """Does in files what the programs in NVIDIA's images would, and counts them. `dies` is one to die in."""

    name: str = "docker"
    ran: list[str] = field(default_factory=list)
    dies: str = ""

    def run_job(self, job: Job, on_event: Callable[[dict[str, Any]], None]) -> Any:
        self.ran.append(job.name)
        if job.name == self.dies:
            raise KeyboardInterrupt
        env = {**dict(job.env), **{mount.env: str(mount.source) for mount in job.mounts}}
        out = Path(env["JUNE_OUT"])
        out.mkdir(parents=True, exist_ok=True)
        on_event({"event": "progress", "done": 1, "total": 2, "text": "half"})
        if job.name == "model-quantize":
            checkpoint(out / "checkpoint", dtype="F8_E4M3", quant=env["JUNE_QUANT"])
        elif job.name == "model-engine":
            (out / trtllm.ENGINE).mkdir()
            (out / trtllm.ENGINE / "config.json").write_text("{}")
        else:
            shipped = out / "shipped"
            (shipped / "1").mkdir(parents=True, exist_ok=True)
            (shipped / "config.pbtxt").write_text(
                'name: "tensorrt_llm"\nbackend: "python"\ninput [{ name: "text_input" '
                "data_type: TYPE_STRING dims: [ -1 ] }]\n"
            )
            (shipped / "1" / "model.py").write_text("# the image's own\n")
            told = trtllm.settings(env)
            trtllm.write_entry(out / "entry", env["JUNE_MODEL_NAME"], env["JUNE_WEIGHTS"], told, shipped)
        return {}


def checkpoint(folder: Path, dtype: str = "BF16", quant: str = "") -> Path:
    folder.mkdir(parents=True)
    size = 64 * (2 if dtype == "BF16" else 1)
    header = json.dumps({"w": {"dtype": dtype, "shape": [8, 8], "data_offsets": [0, size]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    (folder / "config.json").write_text('{"model_type": "qwen3"}')
    if quant:
        (folder / "hf_quant_config.json").write_text(json.dumps({"quantization": {"quant_algo": quant}}))
    return folder


@pytest.fixture
def engine() -> Images:
    return Images()


@pytest.fixture
def june(tmp_path: Path, engine: Images, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Invocation]:
    """A run on a machine with a GPU and a checkpoint of one's own in the catalog."""
    monkeypatch.setattr(machines, "here", lambda: H200)

    def make(service: str = "llm-triton", **words: Any) -> Invocation:
        config = tmp_path / "config"
        config.mkdir(exist_ok=True)
        (config / "config.toml").write_text(CONFIG.format(service=service))
        out = Output(stdout=io.StringIO(), stderr=io.StringIO())
        return Invocation(GlobalWords(**words), {"JUNE_HOME": str(tmp_path)}, out, given_engine=engine)

    adding.add(make(), Asked(str(checkpoint(tmp_path / "own")), "own", "llm", "hf", "MIT", "", 0))
    return make


def test_what_is_quantized_is_a_model_of_its_own_with_an_entry_for_triton(
    june: Callable[..., Invocation], engine: Images, tmp_path: Path
) -> None:
    built = building.build(june(), Wanted("own", quant="fp8", context=4096))
    assert engine.ran == ["model-quantize", "model-layout"]
    entry = tmp_path / "repository" / "own-june-fp8"
    assert built.entry == str(entry)
    settings = json.loads((entry / "1" / "model.yaml").read_text())
    assert settings["model"] == "/repository/own-june-fp8/1/weights"
    assert (settings["max_seq_len"], settings["triton_config"]["decoupled"]) == (4096, True)
    product = june().roles.catalog.get("own-june-fp8")
    assert (product.quant, product.pinned) == ("FP8-TENSOR", True)
    weights = entry / "1" / "weights" / "model.safetensors"
    assert weights.samefile(product.folder(tmp_path / "models") / "model.safetensors")
    made = identity.read(entry)
    assert made is not None
    assert (made.model, made.capability, made.server) == ("own-june-fp8", "9.0", "triton")
    assert "tritonserver:26.07-trtllm" in made.image
    assert [e.name for e in repo.entries(june()).entries] == ["own-june-fp8"]
    again = building.build(june(), Wanted("own", quant="fp8", context=4096)).stages
    assert again["quantize"] == again["lay out"] == "done before"
    assert len(engine.ran) == 2


def test_a_build_that_was_killed_goes_on_after_what_it_had_finished(
    june: Callable[..., Invocation], engine: Images
) -> None:
    engine.dies = "model-layout"
    with pytest.raises(KeyboardInterrupt):
        building.build(june(), Wanted("own", quant="fp8"))
    engine.dies = ""
    stages = building.build(june(), Wanted("own", quant="fp8")).stages
    assert stages["quantize"] == "done before"
    assert engine.ran == ["model-quantize", "model-layout", "model-layout"]


def test_a_checkpoint_killed_on_its_way_into_the_store_is_not_made_again(
    june: Callable[..., Invocation], engine: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(adding, "enter", dies)
        building.build(june(), Wanted("own", quant="fp8"))
    building.build(june(), Wanted("own", quant="fp8"))
    assert engine.ran == ["model-quantize", "model-layout"]


def test_other_inputs_are_quantized_anew_and_the_product_may_then_be_another(
    june: Callable[..., Invocation], engine: Images, tmp_path: Path
) -> None:
    building.build(june(), Wanted("own", quant="fp8"))
    texts = tmp_path / "texts"
    texts.write_text("hello\n")
    building.build(june(), Wanted("own", quant="fp8", calibration=str(texts)))
    assert engine.ran.count("model-quantize") == 2


def test_for_trtllm_serve_settings_are_prepared(
    june: Callable[..., Invocation], engine: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "here", lambda: SPARK)
    building.build(june(), Wanted("own"))
    assert engine.ran == []
    told = json.loads((tmp_path / "prepared" / "own" / trtllm.SETTINGS).read_text())
    assert told["max_seq_len"] == trtllm.DEFAULT_CONTEXT
    made = identity.read(tmp_path / "prepared" / "own")
    assert made is not None
    assert (made.capability, "release:1.3.0rc13" in made.image) == ("12.1", True)
    assert repo.validate(june(), []).problems == []
    repo.remove(june(), ["own"])
    assert not (tmp_path / "prepared" / "own").exists()


def test_an_engine_is_kept_beside_its_settings(
    june: Callable[..., Invocation], engine: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(gpu_building.building.recipe.ENGINES, "own", ("", "fp8"))  # type: ignore[attr-defined]
    building.build(june(), Wanted("own", quant="fp8", trt_engine=True))
    assert engine.ran == ["model-engine"]
    prepared = tmp_path / "prepared" / "own"
    assert set(json.loads((prepared / trtllm.SETTINGS).read_text())) == {"kv_cache_config"}
    (prepared / trtllm.ENGINE / "config.json").unlink()
    assert "not whole" in str(repo.validate(june(), ["own"]).problems[0])


def test_what_was_built_for_something_else_is_not_loaded_and_the_rebuild_is_named(
    june: Callable[..., Invocation], tmp_path: Path
) -> None:
    building.build(june(), Wanted("own"))
    made = identity.read(tmp_path / "repository" / "own")
    assert made is not None
    known = june().roles.catalog.get("own")
    current.require(june(), made, known, H200)
    digest = replace(made, image=f"{made.image}@sha256:1")
    current.require(june(), digest, known, H200)  # which one is here is not known
    for other, here, why in (
        (made, B200, "compute capability 9.0; this is compute capability 10.0"),
        (replace(made, image="nvcr.io/nvidia/tritonserver:25.01-py3"), H200, "25.01"),
        (replace(made, revision="0" * 12), H200, "000000000000"),
    ):
        with pytest.raises(JuneError, match=why) as caught:
            current.require(june(), other, known, here)
        assert (caught.value.code, caught.value.hint) == ("entry-outdated", "june model build own")


def test_what_does_not_fit_or_cannot_be_quantized_here_is_not_begun(
    june: Callable[..., Invocation], engine: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "here", lambda: replace(H200, have=1000))
    with pytest.raises(MachineLacks) as caught:
        building.build(june(), Wanted("own"))
    assert caught.value.code == "plan-does-not-fit"
    monkeypatch.setattr(machines, "cpu", lambda *_: replace(H200, have=0))
    monkeypatch.setattr(machines, "here", lambda: replace(H200, have=100))
    with pytest.raises(MachineLacks, match="to quantize own takes"):
        building.build(june(), Wanted("own", quant="fp8"))
    with pytest.raises(BadInput, match="cannot be read"):
        building.build(june(), Wanted("own", quant="fp8", calibration="/no/such/file"))
    with pytest.raises(UsageProblem, match="not this one"):
        building.build(june(), Wanted("own", gpu="h200"))
    assert engine.ran == []


def test_load_and_unload_are_start_and_stop_where_a_server_has_one_model(
    june: Callable[..., Invocation], engine: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import contextmanager

    from june_model import starting

    @contextmanager
    def using(invocation: Invocation, roles: list[str], **_: object) -> Any:
        yield {role: engine.launch(invocation.roles.service(role, "docker"), keep=True) for role in roles}

    monkeypatch.setattr(starting, "using", using)
    run = june("llm-trtllm")
    loaded = loading.load(run, "own", url=None, swap=False, repair=False)
    assert (loaded.loaded, "one model when it starts" in loaded.by) == (True, True)
    assert "by a start" in loaded.blocks()[0]
    with pytest.raises(UsageProblem) as caught:
        loading.load(run, "qwen3-8b", url=None, swap=False, repair=False)
    assert (caught.value.code, 'model = "qwen3-8b"' in caught.value.hint) == ("no-model-control", True)
    assert loading.unload(run, "own", url=None).models == ["own"]
    assert engine.stopped == ["llm"]
    assert loading.unload(run, None, url=None).models == []
