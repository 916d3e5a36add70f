"""The catalog that June ships: pinned, complete, and helpful about names."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest

from june_cli.errors import MachineLacks, UsageProblem
from june_cli.output import Output
from june_cli.store import fetch
from june_cli.store.catalog import Catalog, Model, PackageSource

MODELS = list(Catalog.load().models.values())
PINNED = [model for model in MODELS if isinstance(model.source, PackageSource)]
UNPINNED = [model for model in MODELS if model not in PINNED]
SHA256 = re.compile(r"[0-9a-f]{64}")


@pytest.mark.parametrize("model", PINNED, ids=lambda m: m.name)
def test_every_model_that_is_fetched_is_pinned(model: Model) -> None:
    assert isinstance(model.source, PackageSource)
    assert SHA256.fullmatch(model.source.sha256)
    assert re.fullmatch(r"[0-9][0-9a-zA-Z.]*", model.source.version)
    assert model.revision
    assert model.licence
    assert model.summary
    assert model.files
    for file in model.files:
        assert SHA256.fullmatch(file.sha256)
        assert file.bytes > 0


@pytest.mark.parametrize("model", UNPINNED, ids=lambda m: m.name)
def test_what_is_not_pinned_says_so_and_is_not_fetched(model: Model, tmp_path: Path) -> None:
    assert (model.revision, model.files) == ("unpinned", ())
    with pytest.raises(MachineLacks, match="not pinned") as caught:
        fetch.ensure(model, tmp_path, Output())
    assert caught.value.code == "model-unpinned"
    assert "path" in caught.value.hint


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


def test_no_large_model_of_the_catalog_is_for_the_processor() -> None:
    assert {model.loader for model in MODELS if model.parameters >= 30_000_000_000} <= {"hf"}


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
