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


def planned(profile: str, home: Path) -> str:
    """The dry run of a profile, with what differs between machines and checkouts replaced."""
    done = subprocess.run(
        [sys.executable, "-m", "june_cli", "--profile", profile, "serve", "--dry-run"],
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
    text = re.sub(r"(june/[a-z-]+:)((?:deps-)?)[0-9a-f]{12}", r"\1\2HASH", done.stdout)
    text = re.sub(r"127\.0\.0\.1:\d+:", "127.0.0.1:PORT:", text)
    text = re.sub(r"(june-[a-z]+-)[0-9a-f]{8}", r"\1HOME", text)
    text = re.sub(r"june\.spec=[0-9a-f]{16}", "june.spec=SPEC", text)
    return re.sub(r"--user \d+:\d+|june\.owner=\d+", lambda m: re.sub(r"\d+", "UID", m.group()), text)


@pytest.mark.parametrize("profile", ["cuda", "spark"])
def test_the_lines_of_a_gpu_profile_are_the_reviewed_ones(profile: str, tmp_path: Path) -> None:
    lines = planned(profile, tmp_path)
    golden = GOLDEN / f"{profile}.txt"
    if os.environ.get("JUNE_GOLDEN") == "write":
        golden.write_text(lines, "utf-8")
    assert lines == golden.read_text("utf-8"), (
        "review the change, then: JUNE_GOLDEN=write pytest tests/test_golden.py"
    )


@pytest.mark.parametrize("profile", ["cuda", "spark"])
def test_every_flag_of_the_lines_has_its_source_in_the_docs(profile: str) -> None:
    text, page = (GOLDEN / f"{profile}.txt").read_text("utf-8"), DOCS.read_text("utf-8")
    options = set(re.findall(r"^  (--[a-z-]+)", text, flags=re.MULTILINE))
    variables = set(re.findall(r"--env ([A-Z_]+)=", text))
    images = set(re.findall(r"BASE=(\S+)", text))
    assert options
    assert {name for name in options | variables | images if f"`{name}`" not in page} == set()
