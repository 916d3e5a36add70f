"""Plugins are found without being imported, and a broken one harms only itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest

from june_cli import plugins
from june_cli.testing import June

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a distribution with one plugin on sys.path, as pip would."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def write(word: str, init: str, commands: str = "", dist: str = "other") -> None:
        package = f"june_{word}_by_{dist}"
        (site / package).mkdir()
        (site / package / "__init__.py").write_text(init)
        if commands:
            (site / package / "commands.py").write_text(commands)
        info = site / f"{dist}-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        with (info / "entry_points.txt").open("a") as file:
            file.write(
                f"[june.plugins]\n{word} = {package}\n" if file.tell() == 0 else f"{word} = {package}\n"
            )

    yield write
    for name in [name for name in sys.modules if "_by_" in name]:
        del sys.modules[name]


WORKING = "import typer\napp = typer.Typer()\n@app.command()\ndef go() -> None:\n    print('gone')\n"


def test_a_third_partys_word_is_listed_and_runs(june: June, install: Install) -> None:
    install("wave", '"""Waves a hand.\n\nAt length."""', WORKING)
    assert "Waves a hand." in june("--help").stdout
    assert june("wave", "go").stdout == "gone\n"


def test_listing_imports_no_plugin(june: June, install: Install) -> None:
    install("wave", '"""Waves."""', WORKING)
    june("--help")
    assert not [name for name in sys.modules if name.startswith("june_wave")]


BROKEN_INIT = '"""Still has a summary."""\nraise RuntimeError("no luck")\n'


@pytest.mark.parametrize(
    ("init", "commands"),
    [
        (BROKEN_INIT, WORKING),
        ('"""Still has a summary."""', "import nothing_like_it\n"),
        ('"""Still has a summary."""', "import sys\nsys.exit(3)\n"),
        ('"""Still has a summary."""', "def broken(:\n"),
        ('"""Still has a summary."""', "app = 3\n"),
        ('"""Still has a summary."""', "other = 3\n"),
    ],
)
def test_a_broken_plugin_breaks_only_its_own_word(
    june: June, install: Install, init: str, commands: str
) -> None:
    install("wave", init, commands)
    shown = june("--help")
    assert shown.exit_code == 0
    assert "Still has a summary." in shown.stdout
    assert june("config", "show").exit_code == 0
    broken = june("wave", "go", "--json")
    assert broken.exit_code == 1
    assert broken.json["error"]["code"] == "plugin-broken"
    state = {p["name"]: p["state"] for p in june("plugin", "list", "--json").json}
    assert state["wave"] == "broken"
    assert {state[name] for name in state if name != "wave"} == {"ok"}


def test_a_plugin_that_is_not_even_python_is_still_listed(june: June, install: Install) -> None:
    install("wave", "def broken(:\n", WORKING)
    assert "wave" in june("--help").stdout
    assert june("wave", "go").exit_code == 1


def test_junes_own_word_wins_and_the_other_is_listed_as_shadowed(june: June, install: Install) -> None:
    install("talk", '"""Another talk."""', WORKING, dist="aaa")
    listed = [(p["name"], p["state"]) for p in june("plugin", "list", "--json").json if p["name"] == "talk"]
    assert listed == [("talk", "ok"), ("talk", "shadowed")]
    assert "Another talk" not in june("--help").stdout


def test_a_lone_command_keeps_its_name_unless_it_is_the_word(june: June, install: Install) -> None:
    install("wave", '"""Waves."""', WORKING)
    install("nod", '"""Nods."""', WORKING.replace("go()", "nod()"), dist="more")
    assert june("wave", "go").stdout == "gone\n"
    assert june("nod").stdout == "gone\n"


def test_distributions_without_the_group_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    real = Distribution.entry_points.fget  # type: ignore[attr-defined]

    def watched(self: Distribution) -> object:
        parsed.append(self.name)
        return real(self)

    monkeypatch.setattr(Distribution, "entry_points", property(watched))
    plugins.found(distributions())
    assert set(parsed) == {"june-cli"}


def test_two_plugins_with_one_service_name_are_an_error_that_names_both(june: June, install: Install) -> None:
    install("wave", '"""Waves."""', WORKING)
    site = Path(next(p for p in sys.path if p.endswith("/site")))
    (site / "june_wave_by_other" / "services.py").write_text("SERVICES = {'stt': None}\n")
    failed = june("stt", "transcribe", "x.wav", "--dry-run")
    assert failed.exit_code == 1
    assert "'stt'" in failed.stderr
    assert "'wave'" in failed.stderr
