"""A conversation: messages in, streamed answers out."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from june_chat.settings import Settings
from june_cli.assistant.llm import Message, Sampling, StreamingChat, connect
from june_cli.engine import Running
from june_cli.engine.up import using
from june_cli.errors import JuneError, UsageProblem
from june_cli.text import checked, not_unicode

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

MAX_CHARACTERS = 50_000


@dataclass(frozen=True)
class Seconds:
    """From the request to the first piece of the answer, and to its end."""

    first_token: float
    total: float


@dataclass(frozen=True)
class Answer:
    """One exchange, as a JSON line."""

    question: str
    answer: str
    reasoning: str
    model: str
    tokens: int
    finish: str
    seconds: Seconds


def converse(
    june: Invocation, text: str | None, settings: Settings, *, show_reasoning: bool, keep: bool
) -> None:
    """Answer one text, or every line that comes in until it ends. With --json a line an exchange."""
    questions = _lines(june) if text is None else iter([checked(text, MAX_CHARACTERS, "the message")])
    first = next(questions, None)
    if first is None:
        raise UsageProblem("text-empty", "there is no message to answer.", hint='june chat "Hello, June."')
    with using(june, ["llm"], keep=keep) as running:
        conversation = _Conversation(june, settings, show_reasoning)
        conversation.hold(running["llm"], chain([first], questions))


class _Conversation:
    """The messages so far, and who shows the answers."""

    def __init__(self, june: Invocation, settings: Settings, show_reasoning: bool) -> None:
        self._june, self._settings, self._show_reasoning = june, settings, show_reasoning
        self._messages: list[Message] = []

    def hold(self, running: Running, questions: Iterator[str]) -> None:
        """Questions are read in this thread, between two runs of the loop, so that Ctrl-C ends the wait."""
        with asyncio.Runner() as runner:
            llm = self._connected(running)
            try:
                for question in questions:
                    runner.run(self._answer(llm, running.model, question))
            finally:
                runner.run(llm.__aexit__(None, None, None))

    def _connected(self, running: Running) -> StreamingChat:
        service = self._june.roles.service("llm", running.engine)
        folder = service.source("JUNE_MODEL_DIR")
        return connect(service.api, running.address("http"), running.model, folder)

    async def _answer(self, llm: StreamingChat, model: str, question: str) -> None:
        out, settings = self._june.out, self._settings
        asked = Message("user", question)
        seen = self._messages[-settings.history :] if settings.history else []
        messages = [Message("system", settings.prompt), *seen, asked]
        sampling = Sampling(max_tokens=settings.max_tokens, temperature=settings.temperature)
        text, reasoning, finish, tokens, first_token = "", "", "", 0, 0.0
        began = time.perf_counter()
        async with aclosing(llm.stream(messages, sampling)) as deltas:
            async for delta in deltas:
                if delta.text and not text:
                    first_token = time.perf_counter() - began
                text, reasoning = text + delta.text, reasoning + delta.reasoning
                finish, tokens = delta.finish or finish, delta.tokens or tokens
                out.event("wrote", text=delta.text, reasoning=delta.reasoning)
                if self._show_reasoning:
                    out.write(delta.reasoning)
                out.write(delta.text)
        out.write("\n")
        if not text.strip():
            raise JuneError(
                "nothing-answered", "the language model gave no answer.", hint="ask it another way"
            )
        if finish == "length":
            out.note(f"(cut at {settings.max_tokens} tokens: --max-tokens)")
        self._messages += [asked, Message("assistant", text)]
        times = Seconds(first_token, time.perf_counter() - began)
        out.record(Answer(question, text.strip(), reasoning.strip(), model, tokens, finish, times))


def _lines(june: Invocation) -> Iterator[str]:
    """Messages from standard input; a prompt on a terminal. Empty lines say nothing."""
    person = sys.stdin.isatty() and not june.out.json
    if person:
        import readline  # noqa: F401 - gives input() its history and editing

        june.out.note("Chatting with June. Ctrl-D ends.")
    while True:
        try:
            line = input("> ") if person else sys.stdin.readline()
        except EOFError:
            june.out.write("\n")
            return
        except KeyboardInterrupt:
            june.out.write("\n")
            raise
        except UnicodeDecodeError as error:
            raise not_unicode("standard input") from error
        if not person and not line:
            return
        if line.strip():
            yield checked(line, MAX_CHARACTERS, "the message")
