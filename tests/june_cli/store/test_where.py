"""Reading the model store: what is whole, what is damaged, what is a folder of one's own."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from june_cli.errors import JuneError, MachineLacks
from june_cli.store.where import MANIFEST, checked, damage, sha256

CONTENT = b"weights" * 1_000


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny" / "1.0"
    folder.mkdir(parents=True)
    (folder / "a.bin").write_bytes(CONTENT)
    entry = {
        "name": "a.bin",
        "bytes": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "mtime_ns": (folder / "a.bin").stat().st_mtime_ns,
    }
    (folder / MANIFEST).write_text(json.dumps({"model": "tiny", "files": [entry]}))
    return folder


def touched(path: Path, *, by_s: int = 10) -> None:
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + by_s * 10**9))


def test_the_checksum_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_whole_model_has_no_damage(model: Path) -> None:
    assert damage(model) == ""
    assert checked(model) == model


def test_a_touched_file_with_the_same_content_is_whole(model: Path) -> None:
    touched(model / "a.bin")
    assert damage(model) == ""


def test_a_changed_bit_is_found(model: Path) -> None:
    (model / "a.bin").write_bytes(b"W" + CONTENT[1:])
    touched(model / "a.bin")
    assert "checksum" in damage(model)


def test_a_truncated_file_is_found_even_with_its_old_time(model: Path) -> None:
    stat = (model / "a.bin").stat()
    (model / "a.bin").write_bytes(CONTENT[:-1])
    os.utime(model / "a.bin", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert "6999 bytes instead of 7000" in damage(model)


def test_a_missing_file_is_found(model: Path) -> None:
    (model / "a.bin").unlink()
    assert damage(model) == "a.bin is missing"


def test_a_dangling_link_is_a_missing_file(model: Path) -> None:
    (model / "a.bin").unlink()
    (model / "a.bin").symlink_to("/nowhere")
    assert damage(model) == "a.bin is missing"


def test_a_folder_in_place_of_a_file_is_damage(model: Path) -> None:
    (model / "a.bin").unlink()
    (model / "a.bin").mkdir()
    assert damage(model)


def test_a_folder_that_is_not_there_is_not_in_the_store(tmp_path: Path) -> None:
    assert damage(tmp_path / "none") == "it is not in the store"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        "{}",
        '{"files": 7}',
        '{"files": [7]}',
        '{"files": [{"name": "a.bin"}]}',
        "\x00\xff",
    ],
)
def test_a_broken_manifest_is_damage(model: Path, text: str) -> None:
    (model / MANIFEST).write_bytes(text.encode("latin-1"))
    assert "manifest" in damage(model)


def test_a_manifest_cut_short_is_damage(model: Path) -> None:
    whole = (model / MANIFEST).read_text()
    (model / MANIFEST).write_text(whole[: len(whole) // 2])
    assert "manifest" in damage(model)


@pytest.mark.parametrize("entry", [{"name": 5}, {"name": None}, {"name": ["a"]}])
def test_a_manifest_with_odd_names_is_damage(model: Path, entry: dict[str, Any]) -> None:
    manifest = json.loads((model / MANIFEST).read_text())
    manifest["files"][0] |= entry
    (model / MANIFEST).write_text(json.dumps(manifest))
    assert "manifest" in damage(model)


def test_a_service_does_not_load_a_damaged_model(model: Path) -> None:
    (model / "a.bin").unlink()
    with pytest.raises(JuneError, match=r"a\.bin is missing") as caught:
        checked(model)
    assert caught.value.code == "model-damaged"


def test_a_service_says_that_there_is_no_such_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(MachineLacks) as caught:
            checked(path)
        assert caught.value.code == "model-missing"


def test_a_folder_of_ones_own_needs_no_manifest(tmp_path: Path) -> None:
    assert checked(tmp_path) == tmp_path
