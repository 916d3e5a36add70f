"""The catalog that June ships: pinned, complete, and helpful about names."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest

from june_cli.errors import UsageProblem
from june_cli.store.catalog import Catalog, Model

MODELS = list(Catalog.load().models.values())
SHA256 = re.compile(r"[0-9a-f]{64}")


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_every_model_is_pinned(model: Model) -> None:
    assert SHA256.fullmatch(model.source.sha256)
    assert re.fullmatch(r"[0-9][0-9a-zA-Z.]*", model.source.version)
    assert model.revision
    assert model.licence
    assert model.summary
    assert model.files
    for file in model.files:
        assert SHA256.fullmatch(file.sha256)
        assert file.bytes > 0


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_no_file_leaves_its_folder(model: Model) -> None:
    names = [file.name for file in model.files]
    assert len(set(names)) == len(names)
    for file in model.files:
        assert PurePosixPath(file.name).parts == (file.name,)
        assert ".." not in PurePosixPath(file.member).parts
        assert not PurePosixPath(file.member).is_absolute()
    for part in (model.name, model.revision):
        assert PurePosixPath(part).parts == (part,)


def test_no_big_model_is_in_the_catalog_for_the_processor() -> None:
    assert all(model.parameters < 30_000_000_000 for model in MODELS)


def test_each_role_of_a_voice_turn_has_a_model() -> None:
    assert {model.role for model in MODELS} >= {"stt", "llm", "tts"}


def test_a_model_has_a_folder_for_each_revision() -> None:
    model = Catalog.load().get("hibari-heart")
    assert model.folder(Path("/store")) == Path("/store/hibari-heart") / model.revision


def test_a_misspelt_name_is_corrected() -> None:
    with pytest.raises(UsageProblem, match="'hibari-hart'") as caught:
        Catalog.load().get("hibari-hart")
    assert caught.value.code == "model-unknown"
    assert "hibari-heart" in caught.value.hint


def test_a_name_like_no_other_lists_them_all() -> None:
    with pytest.raises(UsageProblem) as caught:
        Catalog.load().get("zzz")
    assert all(model.name in caught.value.hint for model in MODELS)
