"""`june model repo`: the entries of Triton's model repository."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from june_cli import nearest
from june_cli.bar import MISSED_EXIT
from june_cli.errors import UsageProblem
from june_cli.files import tree_bytes
from june_cli.output import Table
from june_cli.paths import writable
from june_model import building, validation
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
    """All entries, and where they are."""

    repository: str
    entries: Sequence[Entry]

    def blocks(self) -> list[str | Table]:
        """A row an entry."""
        rows = [
            (e.name, e.revision[:12], size(e.bytes), f"{len(e.problems)} problems" if e.problems else "valid")
            for e in self.entries
        ]
        table = [Table(("entry", "revision", "size", "state"), rows)] if rows else ["no entry"]
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
    repository = june.paths.repository
    found = []
    for name in validation.names(repository):
        made = building.identity(repository, name)
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
    return Entries(str(repository), found)


def validate(june: Invocation, names: Sequence[str]) -> Validation:
    """Say what keeps Triton from loading entries, of all without names."""
    repository = june.paths.repository
    known = validation.names(repository)
    wanted = list(dict.fromkeys(names)) or list(known)
    for name in wanted:
        _require(name, known)
    found = [problem for name in wanted for problem in validation.problems(repository, name)]
    return Validation(wanted, found)


def remove(june: Invocation, names: Sequence[str]) -> Gone:
    """Take entries away; the models they were built of stay."""
    known = validation.names(june.paths.repository)
    for name in names:
        _require(name, known)
    if not june.words.dry_run:
        for name in names:
            with writable(june.paths.repository):
                shutil.rmtree(june.paths.repository / name)
            shutil.rmtree(building.workshop(june.paths.repository) / name, ignore_errors=True)
    return Gone(list(names))


def _require(name: str, known: Sequence[str]) -> None:
    if name not in known:
        hint = nearest.hint(name, known) if known else f"june model build {name}"
        raise UsageProblem("entry-unknown", f"the repository has no entry {name!r}.", hint=hint)
