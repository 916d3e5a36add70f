"""Help is fast because it loads little. Modules are counted, not milliseconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "rich",
    "docker",
    "grpc",
    "numpy",
    "pydantic",
    "httpx",
    "asyncio",
    "torch",
    "av",
    "onnxruntime",
    "psutil",
)
PLUGINS = ("chat", "config", "doctor", "image", "llm", "plugin", "serve", "stt", "talk", "tts")


def loaded_by(words: list[str], tmp_path: Path) -> set[str]:
    program = (
        "import sys, os\nfrom june_cli.main import run\n"
        f"code = run({words!r}, os.environ)\n"
        "print('|'.join(sys.modules), code, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, cwd=tmp_path
    )
    names, code = done.stderr.rsplit(maxsplit=1)
    assert code == "0", done
    return set(names.split("|"))


@pytest.mark.parametrize(
    "words", [["--help"], *[[plugin, "--help"] for plugin in PLUGINS], ["stt", "check", "--help"]]
)
def test_piped_help_loads_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    assert loaded_by(words, tmp_path) & set(HEAVY) == set()


def test_listing_commands_imports_no_plugin(tmp_path: Path) -> None:
    loaded = loaded_by(["--help"], tmp_path)
    assert [m for m in loaded if m.startswith("june_") and not m.startswith("june_cli")] == []


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugins_help_imports_no_other_plugin(plugin: str, tmp_path: Path) -> None:
    loaded = loaded_by([plugin, "--help"], tmp_path)
    packages = {m.split(".")[0] for m in loaded if m.startswith("june_")}
    assert packages <= {"june_cli", f"june_{plugin}"}
