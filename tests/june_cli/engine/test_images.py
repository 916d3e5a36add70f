"""Tags follow from content: what is in an image renames it, and nothing else does."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from june_cli.engine.images import Build, Images, Recipe, Upstream
from june_cli.errors import JuneError, UsageProblem

ROOT = Path(__file__).parents[3]
PARTS = ("june_cli", "plugins/june_stt", "plugins/june_tts", "containers")
SAY = """
import json, sys
sys.path[:0] = sys.argv[1:]
from june_cli.engine.images import Images
images = Images.load()
print(json.dumps({name: [build.tag for build in images.builds(name)] for name in ("base", "stt", "tts")}))
"""
Tags = dict[str, list[str]]


def tags(*folders: Path) -> Tags:
    """What a June says that is imported from these folders, with nothing installed beside it."""
    words = [sys.executable, "-I", "-S", "-B", "-c", SAY, *map(str, folders)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: Tags = json.loads(done.stdout)
    return found


def of(tree: Path) -> Tags:
    return tags(tree, tree / "plugins")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout that nobody changes."""
    folder = tmp_path_factory.mktemp("original")
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def before(original: Path) -> Tags:
    return of(original)


@pytest.fixture
def tree(original: Path, tmp_path: Path) -> Path:
    """A copy of this checkout to make changes in."""
    return Path(shutil.copytree(original, tmp_path / "tree"))


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text("utf-8") + text, "utf-8")


def test_a_checkout_and_a_copy_of_it_name_their_images_alike(before: Tags) -> None:
    assert before == of(ROOT)


def test_an_installed_june_finds_its_dockerfiles_and_names_its_images_as_the_checkout_does(
    tree: Path, before: Tags, tmp_path: Path
) -> None:
    prefix, site = tmp_path / "venv", tmp_path / "venv/lib/python3/site-packages"
    shutil.copytree(tree / "june_cli", site / "june_cli")
    shutil.copytree(tree / "plugins", site, dirs_exist_ok=True)
    shutil.copytree(tree / "containers", prefix / "share/june/containers")
    about = site / "june_cli-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: june-cli\nVersion: 0.1.0\n")
    shared = [path.relative_to(prefix) for path in prefix.rglob("share/**/*") if path.is_file()]
    (about / "RECORD").write_text("".join(f"../../../{path},,\n" for path in shared))
    assert tags(site) == before


def test_a_june_without_its_dockerfiles_says_so_and_how_to_mend_it(tree: Path) -> None:
    shutil.rmtree(tree / "containers")
    code = SAY.replace("images = Images.load()", "from june_cli.errors import JuneError\ntry: Images.load()")
    code = code.partition("print(")[0] + "except JuneError as error: print(error.code, error.hint)"
    words = [sys.executable, "-I", "-S", "-c", code, str(tree)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.stdout == "containers-missing pip install --force-reinstall june-cli\n", done.stderr


def changed(before: Tags, after: Tags) -> set[str]:
    """Which images are renamed: `stt` for one with June's code, `stt deps` for what is below the code."""
    kinds = {"base": ["base"], "stt": ["base", "stt deps", "stt"], "tts": ["base", "tts deps", "tts"]}
    renamed = set()
    for name, layers in kinds.items():
        both = zip(layers, before[name], after[name], strict=True)
        renamed |= {layer for layer, one, other in both if one != other}
    return renamed


@pytest.mark.parametrize(
    ("file", "renamed"),
    [
        ("containers/stt/Dockerfile", {"stt deps", "stt"}),
        ("containers/stt/requirements.txt", {"stt deps", "stt"}),
        ("containers/base/Dockerfile", {"base", "stt deps", "stt", "tts deps", "tts"}),
        ("containers/code/Dockerfile", {"stt", "tts"}),
        ("plugins/june_stt/server.py", {"stt"}),
        ("june_cli/assistant/serving_grpc.py", {"stt", "tts"}),
        ("june_cli/errors.py", {"stt", "tts"}),
        ("june_cli/store/where.py", {"stt", "tts"}),
    ],
)
def test_a_change_renames_what_it_is_in_and_what_rests_on_that(
    tree: Path, before: Tags, file: str, renamed: set[str]
) -> None:
    append(tree / file, "# changed\n")
    assert changed(before, of(tree)) == renamed


def test_a_change_of_what_only_the_host_runs_renames_nothing(tree: Path, before: Tags) -> None:
    for file in (
        "plugins/june_stt/commands.py",
        "plugins/june_stt/__init__.py",  # its docstring is what `june --help` shows
        "plugins/june_stt/services.py",
        "plugins/june_tts/commands.py",
        "june_cli/engine/docker.py",
        "june_cli/engine/images.py",
        "june_cli/output.py",
        "june_cli/store/fetch.py",
        "june_cli/store/models.toml",
    ):
        append(tree / file, "\n# changed\n")
    (tree / "plugins/june_stt/commands.py.orig").write_text("left by an editor")
    assert changed(before, of(tree)) == set()


def test_modes_and_times_and_the_order_on_the_disk_rename_nothing(
    original: Path, before: Tags, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    for file in sorted((path for path in original.rglob("*") if path.is_file()), reverse=True):
        target = other / file.relative_to(original)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
        target.chmod(0o777 if len(file.name) % 2 else 0o600)
        os.utime(target, (1, 1))
    assert of(other) == before


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """Three images of nobody's: `low` on an upstream, `high` on `low`, and one without wheels."""
    for folder in ("low", "high", "bare"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "Dockerfile").write_text(f"ARG BASE\nFROM ${{BASE}}\nLABEL of={folder}\n")
    (tmp_path / "high/requirements.txt").write_text("numpy==2.0.0\n")
    (tmp_path / "high/requirements-other.txt").write_text("numpy==1.0.0\n")
    recipes = {
        "low": Recipe("low", "low", "python"),
        "high": Recipe("high", "high", "low"),
        "other": Recipe("other", "high", "low", requirements="requirements-other.txt"),
        "bare": Recipe("bare", "bare", "python"),
    }
    return Images(recipes, {"python": Upstream("python", "python:3.11-slim")}, tmp_path)


def unpacked(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]


def test_an_image_is_built_from_the_bottom_up_each_on_the_one_before(images: Images) -> None:
    low, high = images.builds("high")
    assert (low.name, low.argument, low.base) == ("low", "BASE", "python:3.11-slim")
    assert (high.name, high.argument, high.base) == ("high", "BASE", low.tag)
    assert high.tag == images.reference("high")
    assert high.tag.startswith("june/high:")
    assert images.upstream("high") == "python:3.11-slim"


def test_a_context_holds_the_dockerfile_the_wanted_requirements_and_the_authority(images: Images) -> None:
    (high, other) = images.builds("high")[-1], images.builds("other")[-1]
    assert unpacked(high.context())["requirements.txt"] == b"numpy==2.0.0\n"
    assert unpacked(other.context(b"PEM")) == {
        "Dockerfile": b"ARG BASE\nFROM ${BASE}\nLABEL of=high\n",
        "requirements.txt": b"numpy==1.0.0\n",
        "ca.crt": b"PEM",
    }
    assert set(unpacked(images.builds("bare")[0].context())) == {"Dockerfile", "ca.crt"}


def test_an_authority_is_in_the_context_and_not_in_the_tag_and_never_beside_junes_code() -> None:
    build = Build("b", "june/b:1", "base", "BASE", {"Dockerfile": b"FROM x"})
    assert build.context(b"one") != build.context(b"two")
    assert "one" not in build.tag
    code = Build("b", "june/b:2", "june/b:1", "DEPS", {"Dockerfile": b"FROM x", "code/a.py": b""})
    assert set(unpacked(code.context(b"one"))) == {"Dockerfile", "code/a.py"}


def test_a_context_says_nothing_of_the_machine_it_was_packed_on(images: Images) -> None:
    build = images.builds("high")[-1]
    with tarfile.open(fileobj=io.BytesIO(build.context(b"ca"))) as tar:
        entries = tar.getmembers()
    assert {(e.uid, e.gid, e.uname, e.gname, e.mode, e.mtime) for e in entries} == {(0, 0, "", "", 0o644, 0)}
    assert [e.name for e in entries] == sorted(e.name for e in entries)


def test_another_base_renames_everything_that_rests_on_it(images: Images, tmp_path: Path) -> None:
    moved = Images(images.recipes, {"python": Upstream("python", "mirror.example/python:3.11")}, tmp_path)
    assert not {b.tag for b in images.builds("high")} & {b.tag for b in moved.builds("high")}
    assert moved.builds("high")[0].base == "mirror.example/python:3.11"


@pytest.mark.parametrize("name", ["ollama/ollama", "localhost:5000/it", "postgres:16", "a/b@sha256:0123"])
def test_a_reference_stands_for_itself_and_needs_no_build(images: Images, name: str) -> None:
    assert images.reference(name) == images.upstream(name) == name
    assert list(images.builds(name)) == []


def test_an_upstream_image_is_what_it_is_pinned_to(images: Images) -> None:
    assert images.reference("python") == "python:3.11-slim"
    assert list(images.builds("python")) == []


def test_an_unknown_image_offers_the_nearest_and_is_a_mistake_in_what_was_said(images: Images) -> None:
    with pytest.raises(UsageProblem, match="there is no image 'hihg'") as caught:
        images.reference("hihg")
    assert (caught.value.code, caught.value.hint) == ("image-unknown", "did you mean 'high'?")


def test_a_dockerfile_that_is_gone_is_named(images: Images, tmp_path: Path) -> None:
    (tmp_path / "low/Dockerfile").unlink()
    with pytest.raises(JuneError, match="low/Dockerfile: No such file") as caught:
        images.reference("high")
    assert caught.value.code == "containers-missing"
