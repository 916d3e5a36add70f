"""`june model download` and `verify`: what reaches the network for models is the job behind them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from june_cli.bar import MISSED_EXIT
from june_cli.errors import UsageProblem
from june_cli.output import Table
from june_cli.store import fetch, repair, where
from june_cli.store.catalog import Model
from june_model import shelf
from june_model.library import size

if TYPE_CHECKING:
    from june_cli.invocation import Invocation


@dataclass(frozen=True)
class Fetched:
    """One model of a download: `fetched` is False when it was here already."""

    model: str
    revision: str
    folder: str
    bytes: int
    fetched: bool


@dataclass(frozen=True)
class Download:
    """What is here now; with `--dry-run` the lines of the jobs that would fetch it."""

    models: Sequence[Fetched]
    lines: Sequence[str] = ()

    def blocks(self) -> list[str]:
        """A line a model."""
        return [
            *self.lines,
            *(
                f"{m.model}: {'fetched' if m.fetched else 'here already'}, {size(m.bytes)}, {m.folder}"
                for m in self.models
            ),
        ]


@dataclass(frozen=True)
class Verified:
    """One model: `damaged` names its bad files, `mended` says that they were fetched anew."""

    model: str
    revision: str
    bytes: int
    damaged: Sequence[str]
    mended: bool = False


@dataclass(frozen=True)
class Verification:
    """All models that were looked at."""

    models: Sequence[Verified]

    @property
    def exit_code(self) -> int:
        """5 when one is damaged still."""
        return MISSED_EXIT if any(m.damaged and not m.mended for m in self.models) else 0

    def blocks(self) -> list[str | Table]:
        """A row a model."""
        rows = [(m.model, size(m.bytes), _verdict(m)) for m in self.models]
        return [Table(("model", "size", "verdict"), rows)] if rows else ["no model is here"]


def _verdict(one: Verified) -> str:
    if not one.damaged:
        return "whole"
    return ("mended: " if one.mended else "damaged: ") + "; ".join(one.damaged)


def download(june: Invocation, names: Sequence[str], *, accept: bool, token_file: Path | None) -> Download:
    """Have models in the store. Everything is checked before the first byte is fetched."""
    wanted = [june.roles.catalog.get(name) for name in dict.fromkeys(names)]
    models = june.paths.models
    for model in wanted:
        require_terms(model, models, accept=accept)
    if june.words.dry_run:
        from june_cli.engine.process import ProcessEngine

        missing = [m for m in wanted if shelf.held(m, models).state != "here"]
        engine = ProcessEngine(june.paths.state / "services")
        return Download((), [engine.describe(fetch.job(m, models, token_file), keep=False) for m in missing])
    done = []
    for model in wanted:
        here = not where.damage(model.folder(models))
        folder = fetch.ensure(model, models, june.out, token_file=token_file)
        done.append(Fetched(model.name, folder.name, str(folder), shelf.recorded_bytes(folder), not here))
        june.out.event("model-fetched", model=model.name, folder=str(folder), fetched=not here)
    return Download(done)


def chosen(june: Invocation, names: Sequence[str], *, everything: bool) -> list[str]:
    """The models that a download was asked for: by name, those of a named profile, or all without terms."""
    profile = june.words.profile
    if everything and names:
        raise UsageProblem("model-twice", "name models, or say --all.")
    if everything:
        return [name for name, model in june.roles.catalog.models.items() if not model.terms]
    if names:
        return list(names)
    if profile:
        return list(june.roles.everyone[june.roles.profile])
    raise UsageProblem(
        "model-not-named", "name models, or --profile PROFILE, or --all.", hint="june model list"
    )


def require_terms(model: Model, models: Path, *, accept: bool) -> None:
    """UsageProblem for a model whose terms nobody has accepted."""
    if model.terms and not accept and where.damage(model.folder(models), rehash=False):
        raise UsageProblem(
            "licence-not-accepted",
            f"{model.name}: {model.terms} ({model.licence}).",
            hint=f"june model download {model.name} --accept-licence, if you accept that",
        )


def verify(june: Invocation, names: Sequence[str], *, mend: bool, token_file: Path | None) -> Verification:
    """Hash the files of models, of all that are here without names; fetch what is damaged if asked."""
    catalog, models = june.roles.catalog, june.paths.models
    held = [m for m in catalog.models.values() if (m.folder(models) / where.MANIFEST).exists()]
    wanted = [catalog.get(name) for name in dict.fromkeys(names)] if names else held
    lacking = [m.name for m in wanted if m not in held]
    if lacking:
        raise UsageProblem(
            "model-not-here",
            f"{', '.join(lacking)}: not in the store.",
            hint=f"june model download {lacking[0]}",
        )
    found = [_verified(june, model) for model in wanted]
    if not mend:
        return Verification(found)
    return Verification([_mended(june, m, v, token_file) for m, v in zip(wanted, found, strict=True)])


def _verified(june: Invocation, model: Model) -> Verified:
    folder = model.folder(june.paths.models)
    total, done = shelf.recorded_bytes(folder), 0
    with june.out.progress(f"Verifying {model.name}", total, "bytes") as bar:

        def count(more: int) -> None:
            nonlocal done
            done += more
            bar.update(done)

        bad = repair.damaged(folder, count)
    if not bad:
        with suppress(OSError):  # a store that may only be read is no less whole
            repair.remembered(folder)  # files that were touched and are whole are hashed at no more starts
    damaged = [f"{one.name} ({one.why}, {size(one.bytes) or '0 MB'} to fetch)" for one in bad]
    return Verified(model.name, model.revision, total, damaged)


def _mended(june: Invocation, model: Model, found: Verified, token_file: Path | None) -> Verified:
    if not found.damaged:
        return found
    models = june.paths.models
    fetch.run(fetch.job(model, models, token_file, repair=True), model, models, june.out)
    return replace(found, mended=True)
