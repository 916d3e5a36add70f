"""`june model` as people type it: a real hub client, real kills, one file to carry away."""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
import signal
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub", reason="needs pip install 'june-cli[hub]'")

from tests.e2e.conftest import RealJune
from tests.hub import COMMIT, Hub, Repository

WEIGHTS = [random.Random(number).randbytes(6_000_000) for number in range(4)]  # noqa: S311
FILES = {f"model-{number}.safetensors": data for number, data in enumerate(WEIGHTS)}
TOTAL = sum(map(len, FILES.values()))


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub({"me/big": Repository(FILES)}) as running:
        yield running


@pytest.fixture
def store(real: RealJune, hub: Hub) -> RealJune:
    """A june with an empty store, and a model of the hub in its catalog."""
    june = replace(real, environ={**real.environ, "HF_ENDPOINT": hub.url})
    june.environ["MODEL_CACHE_DIR"] = str(real.home / "models")
    june("model", "add", f"me/big@{COMMIT}")
    return june


def state(june: RealJune, name: str = "big") -> str:
    listed = june("model", "list", "--json").json["models"]
    return str(next(model["state"] for model in listed if model["name"] == name))


def test_a_model_is_added_downloaded_verified_removed_and_restored(store: RealJune, hub: Hub) -> None:
    assert state(store) == "missing"
    ran = store("model", "download", "big", "--json").json["models"][0]
    assert (ran["fetched"], ran["bytes"], ran["revision"]) == (True, TOTAL, COMMIT)
    assert hub.sent == TOTAL
    assert not store("model", "download", "big", "--json").json["models"][0]["fetched"]
    assert store("model", "verify", "--json").json["models"][0]["damaged"] == []
    store("model", "remove", "big")
    assert state(store) == "missing"
    assert store("model", "restore", "big", "--json").json["folder"].endswith(COMMIT)
    assert state(store) == "here"
    assert hub.sent == TOTAL


def test_killed_three_times_it_fetches_hardly_a_byte_twice(store: RealJune, hub: Hub) -> None:
    hub.faults.slow_s = 0.04
    for _ in range(3):
        child = store.start("model", "download", "big", "--events")
        store.wait_for(child, '"done"')
        time.sleep(0.4)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.communicate()
        deadline = time.monotonic() + 10
        while (
            state(store) == "fetching" and time.monotonic() < deadline
        ):  # the job notices that nobody listens
            time.sleep(0.1)
        assert state(store) == "partial"
    hub.faults.slow_s = 0.0
    store("model", "download", "big")
    assert state(store) == "here"
    assert hub.sent <= 1.05 * TOTAL + 3 * 4 * 1_000_000, "what was on its way into each connection is lost"


def test_two_at_once_meet_on_a_lock(store: RealJune, hub: Hub) -> None:
    hub.faults.slow_s = 0.005
    children = [store.start("model", "download", "big", "--json") for _ in range(2)]
    assert [store.finish(child).code for child in children] == [0, 0]
    assert hub.sent == TOTAL


def test_an_interrupted_download_says_130_and_is_partial(store: RealJune, hub: Hub) -> None:
    hub.faults.slow_s = 0.01
    child = store.start("model", "download", "big", "--events")
    store.wait_for(child, '"done"')
    child.send_signal(signal.SIGINT)
    assert store.finish(child).code == 130
    assert state(store) == "partial"
    assert store("model", "df", "--json").json["items"][0]["kind"] == "partial"
    store("model", "gc", "--all")
    assert state(store) == "missing"


def test_damage_is_found_and_only_that_is_fetched_anew(store: RealJune, hub: Hub) -> None:
    store("model", "download", "big")
    file = store.home / "models" / "big" / COMMIT / "model-2.safetensors"
    data = bytearray(file.read_bytes())
    data[3_000_000] ^= 1
    file.write_bytes(data)
    assert state(store) == "corrupt"
    found = store("model", "verify", "big", "--json", code=5).json["models"][0]
    assert "model-2.safetensors" in found["damaged"][0]
    hub.sent = 0
    assert store("model", "verify", "big", "--repair", "--json").json["models"][0]["mended"]
    assert file.read_bytes() == FILES["model-2.safetensors"]
    assert hub.sent == len(WEIGHTS[2])  # smaller than a block


def forged(source: Path, target: Path) -> None:
    """A bundle with other weights, and a list of contents that agrees with them."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            stream = old.extractfile(member)
            data = stream.read() if stream else b""
            if member.name == "june-bundle.json":
                content = json.loads(data)
                evil = content["models"][0]["files"][0]
                evil["sha256"] = hashlib.sha256(b"evil" * (evil["bytes"] // 4)).hexdigest()
                data = json.dumps(content).encode()
            elif member.name.endswith(evil["name"]):
                data = b"evil" * (evil["bytes"] // 4)
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))


def test_a_bundle_carries_a_model_to_a_machine_without_a_network(store: RealJune, tmp_path: Path) -> None:
    store("model", "download", "big")
    file = tmp_path / "big.june"
    store("model", "export", "big", "-o", str(file))
    shutil.rmtree(store.home / "models" / "big")
    store.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
    assert store("model", "import", str(file), "--json").json["models"] == ["big"]
    assert store("model", "verify", "big", "--json").json["models"][0]["damaged"] == []
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    shutil.rmtree(store.home / "models" / "big")
    assert store("model", "import", str(file), "--json", code=1).json["error"]["code"] == "bundle-altered"
    assert state(store) == "missing"
    forged(file, tmp_path / "forged.june")
    ran = store("model", "import", str(tmp_path / "forged.june"), "--json", code=1)
    assert ran.json["error"]["code"] == "bundle-untrusted"
    assert state(store) == "missing"
    (tmp_path / "none.june").write_bytes(b"no tar")
    ran = store("model", "import", str(tmp_path / "none.june"), "--json", code=1)
    assert ran.json["error"]["code"] == "bundle-unreadable"


def test_where_a_model_stands_is_said_also_of_a_server_that_has_only_one(real: RealJune) -> None:
    small = "smollm2-135m-instruct"

    def standing(name: str) -> list[str]:
        one = real("model", "status", name, "--json").json["models"][0]
        return [one["stored"], one["state"]]

    real("model", "download", small)
    assert standing(small) == ["here", "not served"]
    assert real("model", "ready", small, "--json", code=4).json["error"]["code"] == "llm-not-running"
    real("serve", "start", "llm")
    assert standing(small) == ["here", "ready"]
    assert standing("qwen3-8b") == ["missing", "not served"]
    assert real("model", "ready", small, "--json").json["ready"] is True
    assert [one["model"] for one in real("model", "status", "--json").json["models"]] == [small]
    assert "stopped" in real("model", "unload", small).out
    assert standing(small) == ["here", "not served"]


@pytest.mark.parametrize(
    ("words", "code", "name"),
    [
        (("model", "download", "bigg"), 2, "model-unknown"),
        (("model", "download"), 2, "model-not-named"),
        (("model", "download", "coqui-xtts-v2"), 2, "licence-not-accepted"),
        (("model", "add", "me/big@main"), 2, "commit-missing"),
        (("model", "add", "/nowhere"), 2, "source-unknown"),
        (("model", "remove", "big"), 2, "model-not-here"),
        (("model", "restore", "big"), 2, "not-in-trash"),
        (("model", "export", "big", "-o", "x.june"), 2, "model-not-whole"),
        (("model", "import", "nowhere.june"), 2, "bundle-missing"),
        (("model", "plan", "big", "--gpu", "rtx9999"), 2, "gpu-unknown"),
        (("model", "status"), 4, "llm-not-running"),
        (("model", "ready", "big"), 2, "no-model-control"),
        (("model", "status", "bigg"), 2, "model-unknown"),
        (("model", "load", "big", "--url", "http://127.0.0.1:9"), 4, "service-lost"),
        (("model", "load", "big"), 2, "no-model-control"),
        (("model", "build", "qwen3-8b"), 3, "gpu-needed"),
        (("model", "build", "qwen3-8b", "--trt-engine", "--gpu", "gb10", "--dry-run"), 3, "engine-refused"),
        (("model", "build", "hibari-heart"), 2, "build-not-needed"),
        (("model", "repo", "validate", "nothing"), 2, "entry-unknown"),
    ],
)
def test_what_cannot_be_is_said_with_its_code(
    store: RealJune, words: tuple[str, ...], code: int, name: str
) -> None:
    assert store(*words, "--json", code=code).json["error"]["code"] == name


def test_a_store_that_cannot_be_written_is_something_the_machine_lacks(store: RealJune) -> None:
    store.environ["MODEL_CACHE_DIR"] = "/proc/models"
    assert store("model", "download", "big", "--json", code=3).json["error"]["code"] in (
        "folder-not-writable",
        "store-not-writable",
    )


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("model.pt", b"pickle", "model-unsafe"),
        ("config.json", b"{", "model-inconsistent"),
    ],
)
def test_a_folder_that_cannot_be_trusted_is_not_added(
    store: RealJune, tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    (folder / name).write_bytes(content)
    assert store("model", "add", str(folder), "--json", code=1).json["error"]["code"] == code


def test_a_plan_is_json_and_exits_3_where_it_does_not_fit(store: RealJune) -> None:
    words = ("model", "plan", "qwen3-30b-a3b-thinking-2507", "--json", "--gpu")
    assert store(*words, "h200").json["fits"]
    small = store(*words, "rtx4090", code=3).json
    assert set(small) >= {"model", "gpu", "fits", "need_gib", "have_gib", "parts", "reason", "alternatives"}
    assert small["alternatives"]
    assert "never run on a CPU" in store(*words, "cpu", code=3).json["reason"]
