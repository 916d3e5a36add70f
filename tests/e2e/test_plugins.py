"""A third party's plugin: written by June, installed by pip, tested by its own test."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import RealJune


def test_a_new_plugin_installs_runs_and_passes_its_own_test(real: RealJune) -> None:
    real("plugin", "new", "wave-back")
    folder, site = real.work / "june-wave-back", real.work / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site), str(folder)]
    subprocess.run(install, check=True, timeout=120)
    real.environ["PYTHONPATH"] = str(site)
    assert real("wave-back", "hello", "Ada").out == "Hello, Ada!\n"
    assert "wave-back  Says hello" in real("--help").out
    listed = {p["name"]: p for p in real("plugin", "list", "--json").json}
    assert listed["wave-back"]["state"] == "ok"
    assert listed["wave-back"]["origin"] == "june-wave-back"
    shown = real("config", "show", "wave-back", "--json").json["sections"][0]["settings"]
    assert shown == [{"key": "greeting", "value": "Hello", "origin": "default"}]
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env=real.env,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "3 passed" in tested.stdout


def test_a_plugin_that_cannot_be_imported_explains_itself(real: RealJune) -> None:
    real("plugin", "new", "broken")
    (real.work / "june-broken" / "src" / "june_broken" / "settings.py").write_text("import no_such_thing\n")
    site = real.work / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--target",
        str(site),
        "./june-broken",
    ]
    subprocess.run(install, check=True, timeout=120, cwd=real.work)
    real.environ["PYTHONPATH"] = str(site)
    assert "broken" in real("--help").out
    failed = real("broken", "hello", "--json", code=1)
    assert failed.json["error"]["code"] == "plugin-broken"
    assert "no_such_thing" in failed.json["error"]["message"]
    assert real("config", "show").code == 0
