"""The catalog that June ships: pinned, complete, and helpful about names."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath

import pytest

from june_cli.errors import JuneError, UsageProblem
from june_cli.paths import Paths
from june_cli.store import catalog, pins
from june_cli.store.catalog import UNPINNED, Catalog, HubSource, Model, PackageSource, UrlSource

MODELS = list(Catalog.load().models.values())
PACKAGED = [model for model in MODELS if isinstance(model.source, PackageSource)]
WEB = [model for model in MODELS if isinstance(model.source, UrlSource)]
HUB = [model for model in MODELS if isinstance(model.source, HubSource)]
SHA256 = re.compile(r"[0-9a-f]{64}")


@pytest.mark.parametrize("model", PACKAGED, ids=lambda m: m.name)
def test_every_model_that_comes_as_a_package_is_pinned(model: Model) -> None:
    assert isinstance(model.source, PackageSource)
    assert SHA256.fullmatch(model.source.sha256)
    assert re.fullmatch(r"[0-9][0-9a-zA-Z.]*", model.source.version)
    assert model.pinned
    assert model.files
    for file in model.files:
        assert SHA256.fullmatch(file.sha256)
        assert file.bytes > 0


@pytest.mark.parametrize("model", WEB, ids=lambda m: m.name)
def test_a_file_on_the_web_is_pinned_by_its_checksum_or_says_that_it_is_not(model: Model) -> None:
    assert isinstance(model.source, UrlSource)
    assert model.source.url.startswith("https://")
    assert model.revision == (model.source.sha256[:12] or UNPINNED)
    assert not model.source.sha256 or SHA256.fullmatch(model.source.sha256)


@pytest.mark.parametrize("model", HUB, ids=lambda m: m.name)
def test_a_repository_is_pinned_by_a_commit_or_says_that_it_is_not(model: Model) -> None:
    assert isinstance(model.source, HubSource)
    assert model.source.revision == model.revision
    assert model.revision == UNPINNED or re.fullmatch("[0-9a-f]{40}", model.revision)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_each_says_what_it_is_and_under_which_licence(model: Model) -> None:
    assert model.summary
    assert model.licence
    assert model.parameters > 0
    assert model.commercial or model.terms, "what may not be used commercially has terms to accept"
    assert catalog.from_data(json.loads(json.dumps(catalog.as_data(model)))) == model


def test_what_the_user_adds_lies_over_it_and_pins_over_that(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path / "models", tmp_path, tmp_path)
    paths.models.mkdir()
    (tmp_path / "models.toml").write_text(OWN)
    assert Catalog.load(paths).get("mine").revision == UNPINNED
    assert Catalog.load(paths).get("whisper-tiny").summary == "another"
    pins.record(paths.models, "mine", pins.Pin("c0ffee", (pins.PinnedFile("w.bin", 3, "a" * 64),)))
    model = Catalog.load(paths).get("mine")
    assert (model.revision, model.size, model.files[0].sha256) == ("c0ffee", 3, "a" * 64)


OWN = """
[mine]
role = "llm"
loader = "hf"
licence = "MIT"
parameters = 1
source = { kind = "hub", repository = "me/mine" }
[whisper-tiny]
summary = "another"
role = "stt"
loader = "whisper"
licence = "MIT"
parameters = 1
source = { kind = "url", url = "http://localhost/x" }
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[x", "cannot be read"),
        ("[x]\nrole = 'llm'", "'source' is missing"),
        ("[x]\nrole = 'chef'\nloader=''\nlicence=''\nparameters=1\nsource={kind='local',path='/'}", "'chef'"),
        ("[x]\nsource = { kind = 'magnet' }", "a source of kind 'magnet'"),
        ("[x]\nsource = { kind = 'hub' }", "repository"),
        (
            "['../x']\nrole='llm'\nloader=''\nlicence=''\nparameters=1\nsource={kind='local',path='/'}",
            "folder",
        ),
    ],
)
def test_an_entry_that_cannot_be_used_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "models.toml").write_text(text)
    with pytest.raises(UsageProblem, match=r"models\.toml") as caught:
        Catalog.load(Paths(tmp_path, tmp_path, tmp_path, tmp_path))
    assert caught.value.code == "catalog-invalid"
    assert said in caught.value.message


def test_pins_that_cannot_be_read_are_not_forgotten_in_silence(tmp_path: Path) -> None:
    (tmp_path / "pins.json").write_text("{")
    with pytest.raises(JuneError, match="which bytes June trusts"):
        Catalog.load(Paths(tmp_path, tmp_path, tmp_path, tmp_path))


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
