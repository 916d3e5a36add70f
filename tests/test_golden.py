"""The exact lines that start GPU containers: no GPU is here to run them, so a change of one must be seen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
DOCS = Path(__file__).parent.parent / "docs" / "gpu.md"


THINKING = "qwen3-30b-a3b-thinking-2507"
LINES = {
    "cuda": ("--profile", "cuda", "serve"),
    "spark": ("--profile", "spark", "serve"),
    "build-h200": ("model", "build", f"{THINKING}-fp8", "--gpu", "h200"),
    "build-b200-nvfp4": ("model", "build", THINKING, "--quant", "nvfp4", "--gpu", "b200"),
    "build-gb10-nvfp4": ("model", "build", THINKING, "--quant", "nvfp4", "--gpu", "gb10"),
    "build-h200-engine": ("model", "build", THINKING, "--quant", "fp8", "--trt-engine", "--gpu", "h200"),
}


def planned(name: str, home: Path) -> str:
    """A dry run, with what differs between machines and checkouts replaced."""
    done = subprocess.run(
        [sys.executable, "-m", "june_cli", *LINES[name], "--dry-run"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "JUNE_HOME": "/june",
            "DOCKER_HOST": "unix:///nonexistent/docker.sock",
        },
    )
    text = re.sub(r"^JUNE_HOST=127.*job_download$", "PROCESS", done.stdout, flags=re.MULTILINE)
    text = re.sub(r"(june/[a-z-]+:)((?:deps-)?)[0-9a-f]{12}", r"\1\2HASH", text)
    text = re.sub(r"127\.0\.0\.1:\d+:", "127.0.0.1:PORT:", text)
    text = re.sub(r"(june-[a-z-]+-)[0-9a-f]{8}", r"\1HOME", text)
    text = re.sub(r"june\.spec=[0-9a-f]{16}", "june.spec=SPEC", text)
    text = re.sub(r"install -d -m 0755( -o \d+ -g \d+)? ", "install -d -m 0755 ", text)
    return re.sub(r"--user \d+:\d+|june\.owner=\d+", lambda m: re.sub(r"\d+", "UID", m.group()), text)


@pytest.mark.parametrize("name", LINES)
def test_the_lines_for_a_gpu_are_the_reviewed_ones(name: str, tmp_path: Path) -> None:
    lines = planned(name, tmp_path)
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("JUNE_GOLDEN") == "write":
        golden.write_text(lines, "utf-8")
    assert lines == golden.read_text("utf-8"), (
        "review the change, then: JUNE_GOLDEN=write pytest tests/test_golden.py"
    )


@pytest.mark.parametrize("name", LINES)
def test_every_flag_of_the_lines_has_its_source_in_the_docs(name: str) -> None:
    text, page = (GOLDEN / f"{name}.txt").read_text("utf-8"), DOCS.read_text("utf-8")
    options = set(re.findall(r"^  (--[a-z-]+)", text, flags=re.MULTILINE))
    variables = set(re.findall(r"--env ([A-Z_]+)=", text))
    images = set(re.findall(r"BASE=(\S+)", text))
    assert options
    assert {name for name in options | variables | images if f"`{name}`" not in page} == set()
