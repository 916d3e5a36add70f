"""What of June goes into an image: what the program imports when it runs, found without running it."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from june_cli.engine.code import needed
from june_cli.errors import JuneError

Package = Callable[..., str]
NUMBERS = itertools.count()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Write a plugin of a name nobody else has; `x_dir_y` is y in folder x. Returns its name."""

    def write(**modules: str) -> str:
        name = f"june_probe{next(NUMBERS)}"
        for path, source in {"__init__": "", **modules}.items():
            file = tmp_path / name / Path(*path.split("_dir_")).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source.replace("OWN", name), "utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        return name

    return write


def own(name: str, *entries: str) -> list[str]:
    """The plugin's modules that are needed, below the plugin."""
    found = needed([f"{name}.{entry}" for entry in entries])
    return [path.removeprefix(f"{name}/") for path in found if path.startswith(f"{name}/")]


@pytest.mark.parametrize(
    "source",
    [
        "import OWN.a",
        "from OWN import a",
        "from OWN.a import thing",
        "def later():\n    from OWN.a import thing",
        "try:\n    import OWN.a\nexcept ImportError:\n    pass",
        "class A:\n    async def f(self):\n        with x:\n            import OWN.a",
        "if somewhere:\n    import OWN.a",
        "if TYPE_CHECKING:\n    import OWN.b\nelse:\n    import OWN.a",
        "if not TYPE_CHECKING:\n    import OWN.a",
        "import os, OWN.a as other",
    ],
)
def test_every_import_that_may_run_is_followed(package: Package, source: str) -> None:
    name = package(server=source, a="", b="", commands="")
    assert own(name, "server") == ["__init__.py", "a.py", "server.py"]


@pytest.mark.parametrize("test", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_what_only_a_type_checker_imports_stays_out(package: Package, test: str) -> None:
    name = package(server=f"import typing\nif {test}:\n    from OWN.a import A", a="class A: pass")
    assert own(name, "server") == ["__init__.py", "server.py"]


def test_imports_are_followed_to_their_end_also_in_circles(package: Package) -> None:
    name = package(server="from OWN import a", a="from OWN.b import x", b="import OWN.server", c="")
    assert own(name, "server") == ["__init__.py", "a.py", "b.py", "server.py"]


def test_a_package_imported_as_a_whole_brings_all_its_modules(package: Package) -> None:
    """It may load them by a name that only comes at run time."""
    modules = {"engines_dir___init__": "", "engines_dir_one": "from OWN import helper", "engines_dir_two": ""}
    name = package(server="from OWN import engines", helper="", other="", **modules)
    found = own(name, "server")
    assert found == [
        "__init__.py",
        "engines/__init__.py",
        "engines/one.py",
        "engines/two.py",
        "helper.py",
        "server.py",
    ]


def test_a_module_imported_out_of_a_package_brings_only_itself_and_the_packages_above(
    package: Package,
) -> None:
    modules = {"engines_dir___init__": "", "engines_dir_one": "", "engines_dir_two": ""}
    name = package(server="from OWN.engines.one import run", **modules)
    assert own(name, "server") == ["__init__.py", "engines/__init__.py", "engines/one.py", "server.py"]


def test_the_plugins_own_name_does_not_bring_the_whole_plugin(package: Package) -> None:
    name = package(server="import OWN\nfrom OWN import VERSION", commands="", services="")
    assert own(name, "server") == ["__init__.py", "server.py"]


def test_several_programs_of_one_image_are_put_together(package: Package) -> None:
    name = package(server="import OWN.a", job_check="import OWN.b", a="", b="")
    assert own(name, "server", "job_check") == ["__init__.py", "a.py", "b.py", "job_check.py", "server.py"]


def test_junes_core_comes_along_and_nobody_elses_package_does(package: Package) -> None:
    name = package(
        server="import json, numpy, pytest\nfrom june_cli.errors import JuneError\nimport june_stt"
    )
    found = needed([f"{name}.server"])
    core = ["june_cli/__init__.py", "june_cli/errors.py"]
    assert list(found) == [*core, f"{name}/__init__.py", f"{name}/server.py"]


def test_files_are_named_as_below_a_folder_of_pythons_path_and_are_the_ones_python_imports(
    package: Package, tmp_path: Path
) -> None:
    name = package(server="from june_cli.errors import JuneError")
    found = needed([f"{name}.server"])
    assert found[f"{name}/server.py"] == tmp_path / name / "server.py"
    assert found["june_cli/errors.py"] == Path(sys.modules["june_cli.errors"].__file__ or "").resolve()
    assert list(found) == sorted(found)


def test_nothing_is_run_to_find_out(package: Package) -> None:
    name = package(__init__="raise SystemExit('imported')", server="raise SystemExit('imported')")
    assert own(name, "server") == ["__init__.py", "server.py"]
    assert name not in sys.modules


@pytest.mark.parametrize("source", ["def broken(:", "x = '\0'", "# coding: no-such-codec\nx = 1", "  x\n y"])
def test_a_module_that_python_cannot_read_is_named(package: Package, source: str) -> None:
    name = package(server="import OWN.a", a=source)
    with pytest.raises(JuneError, match=r"cannot read its module .*a\.py") as caught:
        needed([f"{name}.server"])
    assert caught.value.code == "image-incomplete"


def test_bytes_that_are_no_text_are_named_too(package: Package, tmp_path: Path) -> None:
    name = package(server="")
    (tmp_path / name / "server.py").write_bytes(b"x = '\xff'\n")
    with pytest.raises(JuneError, match="cannot read its module"):
        needed([f"{name}.server"])


def test_a_program_that_is_not_there_is_named(package: Package) -> None:
    name = package()
    with pytest.raises(JuneError, match=rf"{name}\.server is not where Python imports it from") as caught:
        needed([f"{name}.server"])
    assert caught.value.code == "image-incomplete"


def test_a_plugin_that_is_not_installed_is_named() -> None:
    with pytest.raises(JuneError, match="package june_absent cannot be found") as caught:
        needed(["june_absent.server"])
    assert caught.value.code == "image-incomplete"


@pytest.mark.parametrize("entry", ["june_stt.server", "june_tts.server"])
def test_the_programs_of_june_bring_nothing_of_the_host(entry: str) -> None:
    """Neither what a person runs on the host nor what starts containers belongs into one."""
    found = needed([entry])
    plugin = entry.partition(".")[0]
    assert f"{plugin}/server.py" in found
    hosts = ("commands.py", "services.py", "checks.py", "fetch.py", "output.py", "main.py")
    assert [path for path in found if path.endswith(hosts) or "/engine/" in path] == []
