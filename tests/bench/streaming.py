"""How much sooner the first sound comes because sentences are spoken while the model still writes. Bar: 0.5.

Why: an answer of five sentences takes a small model seconds; people should hear the first long before.

How: a scripted model replays five equal sentences, a token a word, at a rate that is measured first on the
real model of the profile; speech to text and the voice are the real services. Three ways take turns:
`assistant.turn.run` as it is; the same with a model that hands out its answer only when it is whole, then
spoken a sentence at a time; and a turn without any streaming, the whole answer spoken before any is heard.
The figure is the time to the first sound, streamed, over that of each other way; the bar is held against both
(the sentence at a time is the harder one). Then the same with the real model, reported without a bar.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from june_talk.settings import Settings
from measuring import (
    ROLES,
    Figure,
    compiled,
    invocation,
    language_model,
    middle,
    own_home,
    parser,
    question,
    ratio,
    report,
)

from june_cli.assistant import turn as turns
from june_cli.assistant.audio import Clip
from june_cli.assistant.llm import Delta, LanguageModel, Message, Sampling
from june_cli.assistant.speech import Stt, Tts
from june_cli.engine import Running
from june_cli.engine.up import using
from june_cli.invocation import Invocation

BAR = 0.5
QUESTION = "Why do people sleep at night?"
REAL_QUESTION = "Tell me a long story about a dog and a cat."
REAL_PROMPT = "You are June, a friendly voice assistant. Answer in five short sentences."
SENTENCE = "The little house by the river has a red door and two windows."
SENTENCES = 5
STREAMED, WHOLE, AT_ONCE = (
    "streamed",
    "whole answer, then a sentence at a time",
    "whole answer, spoken at once",
)


@dataclass(frozen=True)
class Scripted:
    """Replays five equal sentences, a word a token, each token on time."""

    tokens_per_s: float

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Delta, None]:
        """The script, whatever was asked."""
        del messages, sampling
        words = " ".join([SENTENCE] * SENTENCES).split(" ")
        began = asyncio.get_running_loop().time()
        for number, word in enumerate(words, 1):
            due = began + number / self.tokens_per_s
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            yield Delta(word if number == len(words) else word + " ")
        yield Delta(finish="stop", tokens=len(words))


@dataclass(frozen=True)
class Whole:
    """A language model that hands out its answer when it is whole."""

    model: LanguageModel

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Delta, None]:
        """One delta with all of the text."""
        text, last = "", Delta()
        async with aclosing(self.model.stream(messages, sampling)) as deltas:
            async for delta in deltas:
                text, last = text + delta.text, delta
        yield Delta(text)
        yield last


@dataclass(frozen=True)
class Bench:
    """The open clients, and how to sample."""

    stt: Stt
    tts: Tts
    llm: LanguageModel
    sampling: Sampling
    runs: int

    async def turn(self, clip: Clip, llm: LanguageModel, prompt: str) -> turns.Turn:
        """One turn as June runs it."""
        persona = turns.Persona(prompt, self.sampling)
        return await turns.run(clip, stt=self.stt, llm=llm, tts=self.tts, persona=persona)

    async def rate(self, clip: Clip) -> float:
        """Tokens a second of the real model, from its first one on, with the voice at work beside it."""
        rates = []
        for _ in range(4):
            done = await self.turn(clip, self.llm, REAL_PROMPT)
            rates.append((done.tokens - 1) / (done.seconds.llm - done.seconds.llm_first_token))
        return middle(rates[1:])

    async def unstreamed(self, clip: Clip, llm: LanguageModel, prompt: str) -> float:
        """When the first sound is there if each stage waits for the whole of the one before."""
        began = time.perf_counter()
        heard = await self.stt.recognise(clip)
        messages = [Message("system", prompt), Message("user", heard.text)]
        answer = "".join([delta.text async for delta in llm.stream(messages, self.sampling)])
        _ = [spoken async for spoken in self.tts.speak(answer)]
        return time.perf_counter() - began

    async def first_audio(self, clip: Clip, llm: LanguageModel, prompt: str) -> dict[str, float]:
        """The median of the time to the first sound three ways, in turns, after one round to warm up."""
        found: dict[str, list[float]] = {STREAMED: [], WHOLE: [], AT_ONCE: []}
        for _ in range(1 + self.runs):
            for way, model in ((STREAMED, llm), (WHOLE, Whole(llm))):
                found[way].append((await self.turn(clip, model, prompt)).seconds.first_audio)
            found[AT_ONCE].append(await self.unstreamed(clip, llm, prompt))
        return {way: middle(times[1:]) for way, times in found.items()}


async def measure(
    june: Invocation, running: Mapping[str, Running], clips: tuple[Clip, Clip], asked: argparse.Namespace
) -> tuple[list[Figure], dict[str, Any]]:
    """The scripted figures, then the real model's."""
    async with AsyncExitStack() as stack:
        stt = await stack.enter_async_context(Stt(running["stt"].address("grpc")))
        tts = await stack.enter_async_context(Tts(running["tts"].address("grpc")))
        llm = await stack.enter_async_context(language_model(june, running["llm"]))
        bench = Bench(stt, tts, llm, Sampling(max_tokens=asked.max_tokens, temperature=0.0), asked.runs)
        rate = asked.tokens_per_s or await bench.rate(clips[1])
        scripted = await bench.first_audio(clips[0], Scripted(rate), Settings().prompt)
        real = await bench.first_audio(clips[1], llm, REAL_PROMPT)
        answer = await bench.turn(clips[1], llm, REAL_PROMPT)
    figures = [*_figures("scripted model", scripted, BAR), *_figures("real model", real, None)]
    words = {"tokens a second": round(rate, 1), "real answer": answer.answer, "its tokens": answer.tokens}
    return figures, words


def _figures(label: str, found: Mapping[str, float], bar: float | None) -> list[Figure]:
    return [
        ratio(f"first audio, {label}, seconds", {STREAMED: found[STREAMED], way: found[way]}, bar)
        for way in (WHOLE, AT_ONCE)
    ]


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--audio", type=Path, help="a recorded question; default: the voice speaks one")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--max-tokens", type=int, default=96, help="of the real model")
    options.add_argument("--tokens-per-s", type=float, help="of the script; default: measured")
    asked = options.parse_args()
    compiled()
    with own_home() as environ:
        june = invocation(environ)
        with using(june, ROLES) as running:
            clips = (
                question(running, asked.audio, QUESTION),
                question(running, asked.audio, REAL_QUESTION),
            )
            figures, beside = asyncio.run(measure(june, running, clips, asked))
    report(figures, {**beside, "runs": asked.runs}, as_json=asked.json)


if __name__ == "__main__":
    main()
