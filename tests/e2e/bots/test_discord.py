"""What people and Discord see of the bot: the real discord.py on an in-memory Discord."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("simcord", reason="needs pip install simcord")
pytest.importorskip("telegram", reason="needs pip install 'june-cli[bot]'")

import discord
import simcord
from june_bot.access import Door
from june_bot.answering import Answering
from june_bot.chat_commands import Commands
from june_bot.delivery import Delivery
from june_bot.desk import Desk
from june_bot.discord_adapter import Discord
from june_bot.ledger import Ledger
from june_bot.pacing import Pacer
from june_bot.persona import personas
from june_bot.seen import Seen
from june_bot.settings import Settings
from june_bot.used import Addresses, Used
from june_bot.words import Body, Incoming, Target

from june_cli.assistant.audio import Clip
from june_cli.assistant.speech import Spoken, Transcript
from june_cli.errors import JuneError
from tests.echo import Echo

DEAD = "127.0.0.1:1"


@dataclass
class Voices:
    """In place of the two speech services: hears what it is told to, and speaks a tone."""

    heard: str = "what is this"

    async def recognise(self, clip: Clip) -> Transcript:
        return Transcript(self.heard, 0.95, clip.seconds, "told", clip.seconds)

    async def speak(self, text: str, *, voice: str = "", speed: float = 1.0) -> AsyncIterator[Spoken]:
        del voice, speed
        tone = np.sin(np.arange(16_000) / 10) * 8_000
        yield Spoken(text, Clip(tone.astype(np.int16), 16_000))


@dataclass
class Running:
    """A bot on a Discord of its own: a guild with a channel, and somebody who is allowed."""

    env: Any
    desk: Desk
    adapter: Discord
    channel: Any
    ann: Any
    voices: Voices
    used: Used
    settings: Settings

    async def until(self, met: Callable[[], Any], timeout_s: float = 10.0) -> Any:
        deadline = time.monotonic() + timeout_s
        while not (found := met()):
            assert time.monotonic() < deadline, self.env.transcript()
            await asyncio.sleep(0.02)
        return found

    def sent(self, channel: Any = None) -> list[Any]:
        """The bot's messages, the oldest first."""
        where = channel or self.channel
        return [m for m in where.history() if m.author.id == self.env.bot.user.id]


def put_together(folder: Path, used: Used, settings: Settings, allowed: str) -> tuple[Discord, Desk]:
    """A bot as `june_bot.bot` makes it, with a client that has not logged in."""
    ledger, seen = Ledger(folder), Seen()
    ledger.bot = "discord:bot"
    adapter = Discord("token", ledger.reached, ledger.reach, ledger.accounted, seen.contact)
    desk = Desk(ledger, Door(frozenset({allowed}), ledger.introduced), settings, seen)
    commands = Commands(ledger, settings, personas(settings, None), desk.cancel, used.status)
    delivery = Delivery(adapter, ledger, Pacer(adapter.limits), seen)
    desk.answering = Answering(delivery, used, settings, commands, lambda _: None)
    return adapter, desk


@asynccontextmanager
async def running(folder: Path, echo: Echo, **settings: Any) -> AsyncIterator[Running]:
    voices = Voices()
    made = Settings(**{"stale_s": 1e9, **settings})  # that Discord's clock begins where it likes
    async with Used(Addresses(DEAD, echo.address, DEAD, "openai", "echo", None)) as used:
        used._stt = used._tts = voices  # type: ignore[assignment]
        ann = "1"
        adapter, desk = put_together(folder, used, made, ann)
        async with simcord.run(adapter.client) as env:
            guild = env.create_guild()
            channel = guild.create_text_channel("general")
            member = guild.add_member(env.create_user("ann"))
            desk.door = Door(frozenset({str(member.id)}), desk.ledger.introduced)
            adapter.begin(desk.accept)
            bot = Running(env, desk, adapter, channel, member, voices, used, made)
            yield bot
            await bot.desk.close()
            bot.desk.ledger.close()


def play(folder: Path, act: Callable[[Running], Awaitable[None]], **settings: Any) -> Echo:
    """Run one scene."""

    async def scene(echo: Echo) -> None:
        async with running(folder, echo, **settings) as made:
            await act(made)

    with Echo() as echo:
        echo.answers["long"] = "A sentence that goes on. " * 200
        asyncio.run(scene(echo))
        return echo


def test_a_mention_is_answered_as_a_reply_and_other_talk_is_not(tmp_path: Path) -> None:
    async def act(bot: Running) -> None:
        await bot.ann.send(bot.channel, "hello everybody")
        asked = await bot.ann.send(bot.channel, f"<@{bot.env.bot.user.id}> hello you")
        (sent,) = await bot.until(lambda: bot.sent())
        assert sent.content == "echo: hello you"
        assert sent.reference.message_id == asked.id
        await bot.ann.send(bot.channel, "and again", reply_to=sent)
        await bot.until(lambda: len(bot.sent()) == 2)

    play(tmp_path, act)


def test_a_private_message_a_long_answer_and_a_stranger(tmp_path: Path) -> None:
    async def act(bot: Running) -> None:
        await bot.ann.send_dm("long")
        channel = bot.ann.user.dm_channel
        sent = await bot.until(lambda: len(bot.sent(channel)) == 3 and bot.sent(channel))
        assert all(len(one.content) <= 2000 for one in sent)
        assert "".join(one.content for one in sent).count("goes on.") == 200
        bob = bot.env.create_user("bob")
        await bob.send_dm("let me in")
        (told,) = await bot.until(lambda: bot.sent(bob.dm_channel))
        assert f"Your id is {bob.id}" in told.content

    play(tmp_path, act)


def test_slash_commands_are_registered_deferred_and_answered(tmp_path: Path) -> None:
    async def act(bot: Running) -> None:
        assert set(bot.ann.available_commands(bot.channel)) >= {"help", "voice", "cancel", "persona"}
        result = await bot.ann.slash(bot.channel, "voice", when="always")
        await bot.until(lambda: any("Voice: always" in one.content for one in bot.sent()))
        assert result is not None
        bob = bot.channel.guild.add_member(bot.env.create_user("bob"))
        refused = await bob.slash(bot.channel, "status")
        assert "private assistant" in str(refused.response.content)

    play(tmp_path, act)


def test_a_slash_command_that_is_answered_before_it_is_acknowledged_is_answered_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defer = discord.InteractionResponse.defer

    async def slow(self: Any) -> None:
        await asyncio.to_thread(time.sleep, 0.3)
        await defer(self)

    monkeypatch.setattr(discord.InteractionResponse, "defer", slow)

    async def act(bot: Running) -> None:
        await bot.ann.slash(bot.channel, "id")
        (sent,) = await bot.until(lambda: [one for one in bot.sent() if "Your id" in one.content])
        assert sent.interaction_metadata is not None
        assert len(bot.sent()) == 1

    play(tmp_path, act)


def test_an_answered_slash_command_is_recognised_after_a_restart(tmp_path: Path) -> None:
    async def act(bot: Running) -> None:
        came: list[Incoming] = []

        def accept(messages: Sequence[Incoming]) -> int:
            came.extend(messages)
            return 1

        bot.adapter.begin(accept)
        await bot.ann.slash(bot.channel, "id")
        (one,) = came
        body = Body("answered", "answered")
        to = Target(one.chat, nonce="1-1", token=one.token)
        after = bot.adapter.place(to)
        assert await bot.adapter.find(to, body, after) == ""  # the place that is kept for it
        sent = await bot.adapter.send(to, body)
        assert await bot.adapter.find(to, body, after) == sent
        assert await bot.adapter.send(to, body) == sent
        late = replace(to, token=f"{one.token}x")
        assert await bot.adapter.send(late, body) != sent  # a token that is no good any more

    play(tmp_path, act)


def test_a_voice_message_comes_in_and_one_goes_out(tmp_path: Path) -> None:
    from june_cli.assistant.audio import decode, encode

    async def act(bot: Running) -> None:
        noise = np.random.default_rng(1).normal(size=32_000) * 5_000
        ogg = encode(Clip(noise.astype(np.int16), 16_000), ".ogg")
        await bot.ann.send_dm("/start")  # makes the channel
        channel = bot.ann.user.dm_channel
        await bot.until(lambda: len(bot.sent(channel)) == 1)
        stored = bot.env.backend.store_attachments(channel.id, [("voice-message.ogg", ogg)])
        stored[0].update(duration_secs=2.0, waveform="AAAA")
        bot.env.backend.create_message(channel.id, bot.ann.id, "", attachments=stored, flags=8192)
        sent = await bot.until(lambda: len(bot.sent(channel)) == 4 and bot.sent(channel))
        assert [one.content for one in sent[1:3]] == ["🎤 what is this", "echo: what is this"]
        assert sent[3].flags.voice
        assert decode(await sent[3].attachments[0].read()).seconds == pytest.approx(1.0, abs=0.1)
        await bot.ann.send_dm("/retry")
        sent = await bot.until(lambda: len(bot.sent(channel)) == 6 and bot.sent(channel))
        assert sent[5].flags.voice  # it was asked by voice

    play(tmp_path, act)


def test_what_was_written_while_it_was_away_is_answered_once(tmp_path: Path) -> None:
    async def act(bot: Running) -> None:
        me = f"<@{bot.env.bot.user.id}>"
        await bot.ann.send(bot.channel, f"{me} one")
        await bot.until(lambda: len(bot.sent()) == 1)
        accept, bot.adapter._accept = bot.adapter._accept, None
        await bot.ann.send(bot.channel, f"{me} two")
        await bot.ann.send(bot.channel, f"{me} three")
        other = bot.channel.guild.create_text_channel("other")
        await bot.ann.send(other, f"{me} elsewhere")
        bot.adapter._accept = accept
        await bot.adapter._back()
        await bot.until(lambda: len(bot.sent(other)) == 1)
        await bot.until(lambda: len(bot.sent()) == 3)
        await bot.adapter._back()
        await asyncio.sleep(0.3)
        assert [one.content for one in bot.sent()] == ["echo: one", "echo: two", "echo: three"]

    play(tmp_path, act)


def test_a_question_behind_pages_of_talk_is_found_and_the_talk_left_alone(tmp_path: Path) -> None:
    async def act(bot: Running) -> None:
        me = f"<@{bot.env.bot.user.id}>"
        await bot.ann.send(bot.channel, f"{me} one")
        await bot.until(lambda: len(bot.sent()) == 1)
        accept, bot.adapter._accept = bot.adapter._accept, None
        for number in range(120):
            await bot.ann.send(bot.channel, f"talk {number}")
        await bot.ann.send(bot.channel, f"{me} two")
        bot.adapter._accept = accept
        await bot.adapter._back()
        await bot.until(lambda: len(bot.sent()) == 2)
        await asyncio.sleep(0.3)
        assert [one.content for one in bot.sent()] == ["echo: one", "echo: two"]

    play(tmp_path, act)


def test_what_could_not_be_written_down_is_fetched_once_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("june_bot.discord_adapter.AGAIN_S", 0.2)

    async def act(bot: Running) -> None:
        me = f"<@{bot.env.bot.user.id}>"
        await bot.ann.send(bot.channel, f"{me} one")
        await bot.until(lambda: len(bot.sent()) == 1)
        accept = bot.adapter._accept

        def full(_: Sequence[Incoming]) -> int:
            raise JuneError("ledger-failed", "the ledger cannot be written.")

        bot.adapter.begin(full)
        await bot.ann.send(bot.channel, f"{me} two")
        assert accept
        bot.adapter.begin(accept)
        await bot.ann.send(bot.channel, f"{me} three")
        await bot.until(lambda: len(bot.sent()) == 3)
        assert {one.content for one in bot.sent()} == {"echo: one", "echo: two", "echo: three"}

    play(tmp_path, act)


def test_a_message_that_was_sent_and_not_noted_is_found(tmp_path: Path) -> None:
    from june_bot.words import Body, Target

    async def act(bot: Running) -> None:
        asked = await bot.ann.send(bot.channel, f"<@{bot.env.bot.user.id}> one")
        (sent,) = await bot.until(lambda: bot.sent())
        to = Target(str(bot.channel.id), str(asked.id), "n", group=True)
        bot.adapter.known = lambda _: set()
        assert await bot.adapter.find(to, Body("x", "x"), str(asked.id)) == str(sent.id)
        bot.adapter.known = lambda _: {str(sent.id)}
        assert await bot.adapter.find(to, Body("x", "x"), str(asked.id)) == ""

    play(tmp_path, act)


def test_a_restart_answers_what_was_missed_and_registers_nothing_anew(
    tmp_path: Path,
) -> None:
    async def act(bot: Running) -> None:
        me = f"<@{bot.env.bot.user.id}>"
        await bot.ann.send(bot.channel, f"{me} one")
        await bot.until(lambda: len(bot.sent()) == 1)
        await bot.desk.close()
        bot.adapter._accept = None
        await bot.ann.send(bot.channel, f"{me} two")
        bot.desk.ledger.close()
        synced = bot.env.transcript().count("PUT /applications")
        bot.adapter, bot.desk = put_together(tmp_path, bot.used, bot.settings, str(bot.ann.id))
        bot.adapter.begin(bot.desk.accept)
        await bot.env.restart_bot(bot.adapter.client)
        await bot.until(lambda: len(bot.sent()) == 2)
        assert [one.content for one in bot.sent()] == ["echo: one", "echo: two"]
        assert bot.env.transcript().count("PUT /applications") == synced

    play(tmp_path, act)
