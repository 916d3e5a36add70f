"""Keeps docs/commands.md what `june --help` says, and the links between pages alive.

python docs/check.py            fail when something has drifted
python docs/check.py --write    renew docs/commands.md
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import typer
from typer.core import TyperGroup

from june_cli import plugins
from june_cli.main import run
from june_cli.output import Output

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "commands.md"
HEAD = """\
# Commands

What `june --help` and the help of every command say. Made by `nox -s docs -- --write`; do not edit.
"""
GLOBAL = re.compile(
    r"^  (--json|--events|--dry-run|--engine|--profile|-h, --help).*(?:\n {20,}.*)*\n", re.MULTILINE
)


def words() -> Iterator[tuple[str, ...]]:
    """Every command of June's own plugins."""
    yield ()
    for name, plugin in plugins.found().items():
        if not plugin.own:
            continue
        yield (name,)
        for below in _below(typer.main.get_group(plugin.part("commands", "app"))):
            if below != (name,):
                yield (name, *below)


def _below(group: TyperGroup) -> Iterator[tuple[str, ...]]:
    """Every word below a word, and the words below those."""
    for name, command in group.commands.items():
        yield (name,)
        if isinstance(command, TyperGroup):
            for more in _below(command):
                yield (name, *more)


def help_of(command: tuple[str, ...]) -> str:
    """The piped help, without the global options that every command shares."""
    stdout = io.StringIO()
    with contextlib.redirect_stdout(stdout):
        run([*command, "--help"], {"HOME": os.devnull}, Output(stdout=stdout))
    text = stdout.getvalue()
    return GLOBAL.sub("", text) if command else text


def page() -> str:
    """The whole page."""
    parts = [
        f"## june {' '.join(c)}".rstrip() + f"\n\n```text\n{help_of(c).rstrip()}\n```\n" for c in words()
    ]
    return "\n".join([HEAD, *parts])


def dead_links() -> Iterator[str]:
    """Relative links in Markdown pages that lead nowhere."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").rglob("*.md")]
    for path in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
            if not (path.parent / target).exists():
                yield f"{path.relative_to(ROOT)}: {target}"


def main() -> int:
    """0 when all is well."""
    os.environ["COLUMNS"] = "80"
    wanted = page()
    if "--write" in sys.argv:
        TARGET.write_text(wanted, "utf-8")
    problems = [f"dead link in {link}" for link in dead_links()]
    if not TARGET.exists() or TARGET.read_text("utf-8") != wanted:
        problems.append("docs/commands.md is not what june --help says: nox -s docs -- --write")
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
