"""`june bot telegram` and `discord`: the service, and what it says, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from june_bot.persona import personas
from june_bot.services import token_file
from june_bot.settings import Settings
from june_bot.token import open_to_others
from june_cli.engine.up import Planned, planned, using
from june_cli.errors import NotReady

if TYPE_CHECKING:
    from june_cli.invocation import Invocation


def run(june: Invocation, platform: str, given: Mapping[str, Any]) -> Planned:
    """Start the bot and the services it needs, show its log, end what was started for it."""
    june.config = replace(june.config, flags={**june.config.flags, "bot": given})
    settings = june.config.section("bot", Settings)
    token = token_file(june, platform, settings)
    personas(settings, settings.persona_file)
    if june.words.dry_run:
        return planned(june, [platform])
    if open_to_others(token):
        june.out.note(f"Others on this machine can read the token: chmod 600 {token}")
    with using(june, [platform]) as running:
        june.out.note(f"{platform}: ready. Ctrl-C ends; june serve start {platform} keeps it running.")
        if not getattr(settings, f"{platform}_allow"):
            june.out.note("Nobody is allowed yet: write to the bot, and give the id it tells you to --allow.")
        engine = june.engine_of(platform)
        for line in engine.follow(platform):
            june.out.record({"service": platform, "line": line})
            june.out.write(f"{line}\n")
        why = engine.alive(running[platform])
        last = next((line for line in reversed(engine.log_tail(platform, 5)) if "error" in line), "")
        raise NotReady(
            "service-lost", f"{platform} has ended: {why or 'it was stopped'}. {last}".strip(),
            hint=f"june serve logs {platform}",
        )  # fmt: skip
