"""Load and unload for a server that loads one model when it starts: they start and stop it, and say so."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from june_cli.engine.up import using
from june_cli.errors import UsageProblem
from june_model import current, entries, identity
from june_model.loading import Loaded, Unloaded

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

WHY = "its server loads one model when it starts"


def applies(june: Invocation) -> bool:
    """Whether the profile's language model is served without model control."""
    return june.roles.service("llm", june.engine_of("llm").name).api != "triton"


def load(june: Invocation, name: str, *, force: bool) -> Loaded:
    """Start the service, which is ready once its model answers; one that runs already is left alone."""
    require_own(june, name)
    made = identity.read(entries.prepared(june, name))
    if made:
        known = june.roles.catalog.models.get(made.model)
        if known:
            current.require(june, made, known, current.machine(june))
    before = june.engine_of("llm").find("llm")
    began = time.monotonic()
    with using(june, ["llm"], keep=True, force=force) as running:
        address = running["llm"].address("http")
    seconds = time.monotonic() - began
    return Loaded(name, address, before is None, seconds, 0.0, by=f"the service llm was started: {WHY}")


def unload(june: Invocation, name: str | None) -> Unloaded:
    """Stop the service."""
    if name:
        require_own(june, name)
    engine = june.engine_of("llm")
    running = engine.find("llm")
    if running is None:
        return Unloaded([], "", 0.0, 0)
    began, before = time.monotonic(), engine.memory_bytes(running)
    engine.stop("llm")
    seconds, by = time.monotonic() - began, f"the service llm was stopped: {WHY}"
    return Unloaded([running.model], running.address("http"), seconds, before, by=by)


def require_own(june: Invocation, name: str) -> None:
    """UsageProblem for a model that is not the one this profile serves."""
    own = june.roles.model_name("llm")
    if name == own:
        return
    june.roles.catalog.get(name)
    raise UsageProblem(
        "no-model-control",
        f"profile {june.roles.profile!r} serves {own}, and {WHY}: it cannot load {name} beside it.",
        hint=f'model = "{name}" under [profiles.{june.roles.profile}.llm], then june serve restart llm',
    )
