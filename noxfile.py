"""Every check of the project: `nox` runs them all, `nox -s tests` one of them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.stop_on_first_error = True
nox.options.sessions = ["lint", "types", "tests", "docs", "package", "e2e"]

DEV = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "dev")
OWN = ["june_cli", *sorted(str(p) for p in Path("plugins").iterdir() if (p / "__init__.py").exists())]


def pinned(*names: str) -> list[str]:
    """Requirements of the dev group, by name."""
    return [r for r in DEV if r.replace("=", " ").replace(">", " ").split()[0] in names]


def install(session: nox.Session) -> None:
    """June as a developer has it: editable, with everything that runs on this machine."""
    session.install("-q", "-e", ".[local,docker,bot]", *DEV)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, simplicity, security and small functions."""
    session.install("-q", *pinned("ruff"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict."""
    install(session)
    session.install("-q", "nox", "hatchling")
    session.run("mypy", *OWN, "hatch_build.py", "noxfile.py")


@nox.session
def tests(session: nox.Session) -> None:
    """Unit tests and the guards of the architecture: no network, no Docker."""
    install(session)
    session.run("pytest", "tests", "--ignore=tests/e2e", "--ignore=tests/bench", *session.posargs)


@nox.session
def e2e(session: nox.Session) -> None:
    """The real june with real services and real models."""
    install(session)
    session.run("pytest", "tests/e2e", "--durations=5", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """docs/commands.md is what --help says; links lead somewhere. `-- --write` renews the page."""
    install(session)
    session.run("python", "docs/check.py", *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """The wheel, made from the sdist, holds what it must and no more, and works in a bare environment."""
    session.install("-q", "build")
    with tempfile.TemporaryDirectory() as folder:
        session.run("python", "-m", "build", "--outdir", folder, silent=True)
        (wheel,) = Path(folder).glob("*.whl")
        session.install("-q", str(wheel))
        script = Path("tests/check_wheel.py").absolute()
        session.chdir(folder)  # the checkout must not stand in for the wheel
        session.run("python", "-P", str(script), str(wheel), env={"JUNE_HOME": str(Path(folder, "home"))})
