"""One bot, put together: its platform, its ledger, its desk, its port; and how it starts and ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from june_bot import app, tracing
from june_bot.access import Door
from june_bot.answering import Answering
from june_bot.chat_commands import Commands
from june_bot.delivery import Delivery
from june_bot.desk import Desk
from june_bot.ledger import Ledger
from june_bot.pacing import Pacer, until_there
from june_bot.persona import Named
from june_bot.seen import Seen
from june_bot.used import Used
from june_bot.words import Elsewhere, Malformed, Platform, Refusal, Unauthorised
from june_cli.errors import JuneError, UsageProblem

if TYPE_CHECKING:
    from june_bot.server import Place
    from june_bot.telegram_adapter import Telegram

log = logging.getLogger("june.bot")
TIDY_S = 3600.0
LISTEN_S = 600.0
LEAVE_S = 2.0  # for what is being sent at the end
DAY_S = 86_400.0


@dataclass
class Bot:
    """A bot that has not started."""

    place: Place
    platform: Platform
    ledger: Ledger
    seen: Seen
    personas: Mapping[str, Named]
    secret: str

    @classmethod
    def made(cls, place: Place, personas: Mapping[str, Named]) -> Bot:
        """Open the ledger and make the adapter. UsageProblem for a token that is none."""
        token = place.secret("JUNE_TOKEN_FILE")
        place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        ledger, seen = Ledger(place.folder), Seen()
        platform = _platform(place, token, ledger, seen)
        return cls(place, platform, ledger, seen, personas, place.secret("JUNE_WEBHOOK_SECRET_FILE"))


def _platform(place: Place, token: str, ledger: Ledger, seen: Seen) -> Platform:
    def trouble(why: str) -> None:
        if seen.trouble != why:
            log.warning("the platform is out of reach", extra={"why": why})
        seen.trouble = why

    if place.platform == "telegram":
        from june_bot.telegram_adapter import Telegram

        settings = place.settings
        return Telegram(
            token,
            settings.telegram_api_url,
            settings.telegram_file_url,
            known=ledger.accounted,
            contact=seen.contact,
            trouble=trouble,
        )
    if place.platform == "discord":
        from june_bot.discord_adapter import Discord

        return Discord(
            token,
            reached=ledger.reached,
            reach=ledger.reach,
            known=ledger.accounted,
            contact=seen.contact,
            trouble=trouble,
        )
    raise UsageProblem("platform-unknown", f"June has no bot for {place.platform!r}.")


async def run(bot: Bot) -> None:
    """Log in, go on with what was left, receive until cancelled.

    JuneError when the token is wrong or another program receives the bot's messages.
    """
    place = bot.place
    webhook = app.Webhook(bot.secret) if place.settings.webhook_url and bot.secret else None
    runner = await app.serve(place.host, place.port, bot.seen, webhook)
    try:
        async with Used(place.addresses) as used:
            await _open(bot)
            bot.ledger.bot = f"{bot.platform.name}:{bot.platform.bot}"
            bot.platform.remember(bot.ledger.newest())
            desk = _desk(bot, used)
            left = desk.resume()
            log.info("ready", extra={"why": f"{left} messages were left from before"} if left else {})
            tidying = asyncio.create_task(_tidy(bot))
            try:
                await _receive(bot, desk, webhook)
            finally:
                tidying.cancel()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LEAVE_S):
                        await desk.close()
    finally:
        await bot.platform.close()
        await runner.cleanup()
        bot.ledger.close()


def _desk(bot: Bot, used: Used) -> Desk:
    settings = bot.place.settings
    allowed = settings.telegram_allow if bot.platform.name == "telegram" else settings.discord_allow
    door = Door(frozenset(str(user) for user in allowed), bot.ledger.introduced)
    desk = Desk(bot.ledger, door, settings, bot.seen)
    commands = Commands(bot.ledger, settings, bot.personas, desk.cancel, used.status)
    delivery = Delivery(bot.platform, bot.ledger, Pacer(bot.platform.limits), bot.seen)
    traced = tracing.to(settings.trace_url, bot.platform.name)
    desk.answering = Answering(delivery, used, settings, commands, traced)
    return desk


async def _open(bot: Bot) -> None:
    """Log in, however long the network is away."""

    def away(why: Refusal) -> None:
        bot.seen.trouble = f"{bot.platform.name} cannot be reached: {why}"
        _away(why)

    try:
        await until_there(bot.platform.open, away)
    except Unauthorised as why:
        raise UsageProblem(
            "token-wrong",
            f"{bot.platform.name} does not accept the token.",
            hint="make a new one with @BotFather, or in Discord's developer portal",
        ) from why


def _away(why: Refusal) -> None:
    log.warning("the platform is out of reach", extra={"why": str(why)})


async def _receive(bot: Bot, desk: Desk, webhook: app.Webhook | None) -> None:
    try:
        if webhook:
            from june_bot.telegram_adapter import Telegram

            if not isinstance(bot.platform, Telegram):
                raise UsageProblem("webhook-unsupported", "only Telegram sends messages to a webhook.")
            webhook.taken = bot.platform.hook(desk.accept)
            while True:  # said again now and then, also to hear whether the token still is good
                await _listen(bot, bot.platform, webhook)
                await asyncio.sleep(LISTEN_S)
        await bot.platform.receive(desk.accept)
    except Elsewhere as why:
        raise JuneError(
            "bot-elsewhere",
            f"another program receives this bot's messages ({why}).",
            hint="stop the other one: a token serves one program at a time",
        ) from why
    except Unauthorised as why:
        raise UsageProblem("token-wrong", f"{bot.platform.name} does not accept the token any more.") from why


async def _listen(bot: Bot, platform: Telegram, webhook: app.Webhook) -> None:
    """Have the platform push, however long it is away. UsageProblem for an address it does not take."""
    url = bot.place.settings.webhook_url
    try:
        await until_there(lambda: platform.listen(url, webhook.secret), _away)
    except Malformed as why:
        raise UsageProblem("webhook-refused", f"Telegram does not take the webhook: {why}.") from why


async def _tidy(bot: Bot) -> None:
    """Forget what is older than the settings say."""
    while True:
        try:
            gone = bot.ledger.forget_before(bot.place.settings.keep_days * DAY_S)
            if gone:
                log.info("forgotten", extra={"number": gone})
        except JuneError as why:  # a full disk: the next time
            log.error("not noted", extra={"why": why.message})
        await asyncio.sleep(TIDY_S)
