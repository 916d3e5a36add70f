"""Who is answered: people on the list, by their numeric id; in groups, when they mean the bot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from june_bot.words import Incoming


@dataclass(frozen=True)
class Door:
    """`allowed`: ids of people; empty: nobody. `introduced` notes a stranger; True if that one was known."""

    allowed: frozenset[str]
    introduced: Callable[[str], bool]

    def judge(self, one: Incoming) -> Literal["in", "stranger", "ignored"]:
        """A person is judged, never a chat: being in a group with somebody allowed allows nobody."""
        if one.group and not one.addressed:
            return "ignored"
        if one.user in self.allowed:
            return "in"
        if one.group or self.introduced(one.user):
            return "ignored"
        return "stranger"
