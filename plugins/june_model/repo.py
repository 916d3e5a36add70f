"""`june model repo`: the entries of Triton's model repository."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from june_cli import nearest
from june_cli.bar import MISSED_EXIT
from june_cli.errors import UsageProblem
from june_cli.files import tree_bytes
from june_cli.output import Table
from june_cli.paths import writable
from june_model import building, identity, validation
from june_model.library import size
from june_model.validation import Problem

if TYPE_CHECKING:
    from june_cli.invocation import Invocation


@dataclass(frozen=True)
class Entry:
    """One entry. `model` and `revision` are those it was built of; empty for one that June did not build."""

    name: str
    model: str
    revision: str
    server: str
    context_tokens: int
    bytes: int
    problems: Sequence[str]


@dataclass(frozen=True)
class Entries:
    """All entries: Triton's, and what is prepared for trtllm-serve; and where Triton's are."""

    repository: str
    entries: Sequence[Entry]

    def blocks(self) -> list[str | Table]:
        """A row an entry."""
        rows = [(e.name, e.server, e.revision[:12], size(e.bytes), _state(e.problems)) for e in self.entries]
        table = [Table(("entry", "for", "revision", "size", "state"), rows)] if rows else ["no entry"]
        return [*table, self.repository]


@dataclass(frozen=True)
class Validation:
    """What was looked at, and everything wrong with it."""

    entries: Sequence[str]
    problems: Sequence[Problem]

    @property
    def exit_code(self) -> int:
        """5 when something is wrong."""
        return MISSED_EXIT if self.problems else 0

    def blocks(self) -> list[str]:
        """A line a problem."""
        valid = f"valid: {', '.join(self.entries) or 'nothing'}"
        return [str(problem) for problem in self.problems] or [valid]


@dataclass(frozen=True)
class Gone:
    """What was removed."""

    entries: Sequence[str]

    def blocks(self) -> list[str]:
        """One line."""
        return [f"removed: {', '.join(self.entries)}"]


def entries(june: Invocation) -> Entries:
    """Every entry, with what it was made of."""
    found = []
    for repository, name in _all(june):
        made = identity.read(repository / name)
        found.append(
            Entry(
                name=name,
                model=made.model if made else "",
                revision=made.revision if made else "",
                server=made.server if made else "",
                context_tokens=made.context_tokens if made else 0,
                bytes=tree_bytes(repository / name),
                problems=[str(problem) for problem in validation.problems(repository, name)],
            )
        )
    return Entries(str(june.paths.repository), found)


def _state(problems: Sequence[str]) -> str:
    return f"{len(problems)} problems" if problems else "valid"


def _all(june: Invocation) -> list[tuple[Path, str]]:
    """Where each entry is, and its name."""
    folders = (june.paths.repository, june.paths.prepared)
    return [(folder, name) for folder in folders for name in validation.names(folder)]


def validate(june: Invocation, names: Sequence[str]) -> Validation:
    """Say what keeps Triton from loading entries, of all without names."""
    there = _all(june)
    wanted = list(dict.fromkeys(names or [name for _, name in there]))
    for name in wanted:
        _require(name, [known for _, known in there])
    found = [p for folder, name in there if name in wanted for p in validation.problems(folder, name)]
    return Validation(wanted, found)


def remove(june: Invocation, names: Sequence[str]) -> Gone:
    """Take entries away; the models they were built of stay."""
    there = _all(june)
    for name in names:
        _require(name, [known for _, known in there])
    if not june.words.dry_run:
        for folder, name in there:
            if name not in names:
                continue
            with writable(folder):
                shutil.rmtree(folder / name)
            shutil.rmtree(building.workshop(june.paths.repository) / name, ignore_errors=True)
    return Gone(list(names))


def _require(name: str, known: Sequence[str]) -> None:
    if name not in known:
        hint = nearest.hint(name, known) if known else f"june model build {name}"
        raise UsageProblem("entry-unknown", f"the repository has no entry {name!r}.", hint=hint)
