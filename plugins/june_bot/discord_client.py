"""The client that discord.py runs: what it listens to, and the slash commands it offers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import discord
from discord import app_commands

from june_bot.chat_commands import COMMANDS, VOICE
from june_bot.discord_messages import command, pressed
from june_bot.words import Incoming

log = logging.getLogger("june.bot")
PRIVATE = "This is a private assistant."


class Client(discord.Client):
    """Hands on what people do. `took` writes a message down and says whether it will be answered.

    Messages that name it, replies to it and private ones come with their text without the privileged intent.
    """

    def __init__(
        self,
        took: Callable[[Incoming], bool],
        said: Callable[[discord.Message], None],
        back: Callable[[], Awaitable[None]],
        away: Callable[[], None],
    ) -> None:
        intents = discord.Intents.none()
        intents.guilds = intents.guild_messages = intents.dm_messages = True
        super().__init__(intents=intents, allowed_mentions=discord.AllowedMentions.none(), max_messages=100)
        self._took, self._said, self._back, self._away = took, said, back, away
        self.acknowledging: dict[str, asyncio.Event] = {}
        self.tree = app_commands.CommandTree(self)
        for name, one in COMMANDS.items():
            self.tree.add_command(self._slash(name, one.summary))

    async def setup_hook(self) -> None:
        """Register the commands, where they are not registered already: that is rationed."""
        there = {(one.name, one.description) for one in await self.tree.fetch_commands()}
        if there != {(name, one.summary) for name, one in COMMANDS.items()}:
            await self.tree.sync()

    async def on_ready(self) -> None:
        """Logged in, or back after too long for a resume."""
        await self._back()

    async def on_resumed(self) -> None:
        """Back, with everything that was missed sent again."""
        await self._back()

    async def on_disconnect(self) -> None:
        """The connection is gone; discord.py goes on trying."""
        self._away()

    async def on_message(self, message: discord.Message) -> None:
        """Somebody wrote."""
        self._said(message)

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """A button was pressed. Commands go by the tree."""
        if interaction.type is not discord.InteractionType.component:
            return
        one = pressed(interaction)
        if one:
            self._took(one)
            await interaction.response.defer()

    def _slash(self, name: str, summary: str) -> app_commands.Command[Any, ..., Any]:
        async def plain(interaction: discord.Interaction[Any]) -> None:
            await self._command(interaction, name, "")

        async def voice(interaction: discord.Interaction[Any], when: str = "") -> None:
            await self._command(interaction, name, when)

        async def persona(interaction: discord.Interaction[Any], name_of: str = "") -> None:
            await self._command(interaction, name, name_of)

        # discord.py reads the annotations, as objects
        voice.__annotations__ |= {"interaction": discord.Interaction, "when": str}
        persona.__annotations__ |= {"interaction": discord.Interaction, "name_of": str}
        plain.__annotations__ |= {"interaction": discord.Interaction}
        callback: Any = {"voice": voice, "persona": persona}.get(name, plain)
        made: app_commands.Command[Any, ..., Any] = app_commands.Command(
            name=name, description=summary, callback=callback
        )
        if name == "voice":
            made._params["when"].choices = [app_commands.Choice(name=v, value=v) for v in VOICE]
        return made

    async def _command(self, interaction: discord.Interaction[Any], name: str, argument: str) -> None:
        """Written down, and then acknowledged within the three seconds that Discord gives."""
        one = command(interaction, name, argument)
        acknowledged = self.acknowledging[one.token] = asyncio.Event()
        try:
            if self._took(one):
                await interaction.response.defer()
            else:
                await interaction.response.send_message(PRIVATE, ephemeral=True)
        except discord.HTTPException as why:  # too late: the answer is sent as a message
            log.warning("not acknowledged", extra={"why": str(why)})
        finally:
            acknowledged.set()
            del self.acknowledging[one.token]
