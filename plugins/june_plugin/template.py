"""A third-party plugin that works, written out."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from june_cli.errors import MachineLacks, UsageProblem

LONGEST_NAME = 40
PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "june-@name@"
version = "0.1.0"
description = "A june plugin"
requires-python = ">=3.11"
dependencies = ["june-cli"]

[project.entry-points."june.plugins"]
@name@ = "@package@"

[dependency-groups]
dev = ["pytest>=8"]

[tool.hatch.build.targets.wheel]
packages = ["src/@package@"]
"""
INIT = '''\
"""Says hello: replace this line, it is what june --help shows."""
'''
SETTINGS = '''\
"""What can be configured under [@name@], or by JUNE_@NAME@_GREETING."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Defaults; june config show @name@ says where each value comes from."""

    greeting: str = "Hello"
'''
COMMANDS = '''\
"""`june @name@`: the commands. Import nothing heavy at the top; june --help must stay fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from @package@.settings import Settings

app = typer.Typer(help="Says hello.", no_args_is_help=True)


@dataclass(frozen=True)
class Greeting:
    """What the command returns: june prints `str()` of it, or its fields with --json."""

    text: str
    to: str

    def __str__(self) -> str:
        return self.text


@app.command()
def hello(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Whom to greet.")] = "world",
    greeting: Annotated[str | None, typer.Option(help="How to greet.")] = None,
) -> object:
    """Greet somebody."""
    settings = ctx.obj.config.section("@name@", Settings, {"greeting": greeting})
    return Greeting(f"{settings.greeting}, {name}!", to=name)
'''
TEST = '''\
"""The plugin as its users meet it: through june itself."""

from __future__ import annotations

import json

from june_cli.testing import June


def test_it_greets(june: June) -> None:
    done = june("@name@", "hello", "Ada")
    assert done.exit_code == 0
    assert done.stdout == "Hello, Ada!\\n"


def test_its_result_is_json(june: June) -> None:
    done = june("@name@", "hello", "Ada", "--json")
    assert json.loads(done.stdout) == {"text": "Hello, Ada!", "to": "Ada"}


def test_it_can_be_configured(june: June) -> None:
    june.environ["JUNE_@NAME@_GREETING"] = "Salut"
    assert june("@name@", "hello", "Ada").stdout == "Salut, Ada!\\n"
'''
CONFTEST = '''\
"""`june`, a fixture that runs a command line in a home of its own, comes with June."""

pytest_plugins = ["june_cli.testing"]
'''
README = """\
# june-@name@

A plugin for June that adds `june @name@`.

    python3 -m venv .venv && .venv/bin/pip install -e . pytest
    .venv/bin/june @name@ hello
    .venv/bin/pytest
"""
FILES = {
    "pyproject.toml": PYPROJECT,
    "README.md": README,
    "src/@package@/__init__.py": INIT,
    "src/@package@/settings.py": SETTINGS,
    "src/@package@/commands.py": COMMANDS,
    "tests/conftest.py": CONFTEST,
    "tests/test_@package@.py": TEST,
}


@dataclass(frozen=True)
class Written:
    """The new plugin's folder and files."""

    folder: str
    files: Sequence[str]

    def __str__(self) -> str:
        listed = "\n".join(f"  {file}" for file in self.files)
        return f"{self.folder}\n{listed}\n\nNext: pip install -e {self.folder} && june --help"


def write(name: str, folder: Path | None, taken: Sequence[str], *, dry_run: bool) -> Written:
    """Write the plugin. UsageProblem for a word that is taken or malformed, or a folder that is not empty."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageProblem(
            "name-invalid",
            f"{name!r} is no plugin name.",
            hint="small letters, digits and single dashes, e.g. my-tool",
        )
    if name in taken:
        raise UsageProblem("name-taken", f"june already has a word {name!r}.", hint="june plugin list")
    package = f"june_{name.replace('-', '_')}"
    if len(name) > LONGEST_NAME or find_spec(package):
        raise UsageProblem(
            "name-taken", f"a Python package {package!r} is there already, or the name is too long."
        )
    target = folder or Path(f"june-{name}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageProblem(
            "folder-not-empty", f"{target} is there already and not empty.", hint="-o another folder"
        )

    def filled(text: str) -> str:
        upper = name.replace("-", "_").upper()
        return text.replace("@package@", package).replace("@name@", name).replace("@NAME@", upper)

    contents = {filled(path): filled(text) for path, text in FILES.items()}
    if not dry_run:
        _write_all(target, contents)
    return Written(str(target), sorted(contents))


def _write_all(target: Path, contents: dict[str, str]) -> None:
    new = not target.exists()
    try:
        for path, text in contents.items():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_text(text, "utf-8")
    except OSError as error:
        if new:
            shutil.rmtree(target, ignore_errors=True)
        raise MachineLacks("output-not-writable", f"{target} cannot be written: {error.strerror}.") from error
