"""What June adds to a warm voice turn, against the same three models called in one process.

Bar: 1.25 times; 1.4 times with `--engine docker`.

Why: processes, gRPC, HTTP and asyncio cost something; sentences spoken while the next one is written win
some of it back. This says what remains.

How: June's side is `seconds.total` of `assistant.turn.run` on decoded audio, with the three services started
by June's engine and clients whose channels are warm. The other side is one_process.py: the same classes,
thread counts and llama.cpp settings in one process, one model after the other, nothing streamed. Both have
the same audio, prompt and max_tokens, at temperature 0; both have been asked the same before, so llama.cpp
has the prompt in its cache on both sides. Turns alternate, and so does who goes first. Beside it: the wall
time of the whole `june talk FILE --json` with the services warm.

In Docker the language model answers from within Triton; the one process still calls llama.cpp itself, with
the same messages, so that Triton, its Python backend and June's client of it are part of what is measured.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import one_process
from june_talk.settings import Settings
from measuring import (
    JUNE,
    ROLES,
    Figure,
    compiled,
    invocation,
    june,
    language_model,
    middle,
    own_home,
    parser,
    question,
    ratio,
    report,
    with_engine,
)

from june_cli.assistant import turn as turns
from june_cli.assistant.audio import Clip, encode
from june_cli.assistant.llm import Sampling
from june_cli.assistant.speech import Stt, Tts
from june_cli.engine import Running
from june_cli.engine.up import using
from june_cli.invocation import Invocation

BARS = {"process": 1.25, "docker": 1.4}
WARM_UP, TALKS = 2, 5
QUESTION = "Tell me a long story about a dog and a cat."  # long enough to reach any max_tokens

Turn = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What both sides get."""

    clip: Clip
    audio: Path
    sampling: Sampling
    runs: int


def environs(june_: Invocation) -> dict[str, dict[str, str]]:
    """What the process engine tells each service about its model."""
    found = {}
    for role in ROLES:
        service = june_.roles.service(role, "process")
        found[role] = {**dict(service.env), **{m.env: str(m.source) for m in service.mounts}}
    return found


@contextmanager
def rival(june_: Invocation, asked: Asked) -> Iterator[Callable[[], Turn]]:
    """The one process: call it for a turn."""
    messages = [{"role": "system", "content": Settings().prompt}]
    sampling = {key: value for key, value in asdict(asked.sampling).items() if value is not None}
    request = {"messages": messages, **sampling}
    words = [json.dumps(environs(june_)), json.dumps(request), str(asked.audio)]
    with subprocess.Popen(
        [sys.executable, one_process.__file__, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdin and process.stdout
        asks, replies = process.stdin, process.stdout

        def turn() -> Turn:
            asks.write("turn\n")
            line = replies.readline()
            if not line:
                sys.exit("one_process.py died; run it by hand to see why")
            reply: Turn = json.loads(line)
            return reply

        try:
            yield turn
        finally:
            process.kill()


async def alternate(
    june_: Invocation, running: Mapping[str, Running], asked: Asked, other: Callable[[], Turn]
) -> tuple[list[Turn], list[Turn]]:
    """June's turns and the other's, in turns."""
    mine: list[Turn] = []
    theirs: list[Turn] = []
    async with AsyncExitStack() as stack:
        stt = await stack.enter_async_context(Stt(running["stt"].address("grpc")))
        tts = await stack.enter_async_context(Tts(running["tts"].address("grpc")))
        llm = await stack.enter_async_context(language_model(june_, running["llm"]))
        persona = turns.Persona(Settings().prompt, asked.sampling)

        async def june_turn() -> None:
            done = await turns.run(asked.clip, stt=stt, llm=llm, tts=tts, persona=persona)
            mine.append(
                {
                    "question": done.question.text,
                    "answer": done.answer,
                    "samples": len(done.speech.pcm),
                    "tokens": done.tokens,
                    "seconds": asdict(done.seconds),
                }
            )

        async def other_turn() -> None:
            theirs.append(await asyncio.to_thread(other))

        for number in range(WARM_UP + asked.runs):
            for side in (june_turn, other_turn) if number % 2 else (other_turn, june_turn):
                await side()
    return mine[WARM_UP:], theirs[WARM_UP:]


def whole_program(environ: Mapping[str, str], asked: Asked) -> dict[str, float]:
    """Medians of `june talk FILE --json` on the services that run already."""
    limit = ["--max-tokens", str(asked.sampling.max_tokens), "--temperature", "0"]
    words = ["talk", str(asked.audio), "-o", str(asked.audio.with_name("answer.wav")), *limit]
    walls, totals = [], []
    for _ in range(TALKS):
        began = time.perf_counter()
        result = june(words, environ)
        walls.append(time.perf_counter() - began)
        totals.append(result["seconds"]["total"])
    return {"wall": round(middle(walls), 4), "its seconds.total": round(middle(totals), 4)}


def stages(found: list[Turn]) -> dict[str, float]:
    """The median of each stage."""
    return {key: round(middle([t["seconds"][key] for t in found]), 4) for key in found[0]["seconds"]}


def compare(mine: list[Turn], theirs: list[Turn], bar: float) -> tuple[Figure, dict[str, Any]]:
    """The figure, and what shows that both did the same work."""
    ours, others = stages(mine), stages(theirs)
    sides = {"June: seconds.total": ours["total"], "one process": others["total"]}
    same = all(m[k] == t[k] for m, t in zip(mine, theirs, strict=True) for k in ("question", "answer"))
    beside = {
        "question": mine[0]["question"],
        "answer": mine[0]["answer"],
        "tokens": mine[0]["tokens"],
        "same words on both sides": same,
        "samples of answer (June, one process)": [mine[0]["samples"], theirs[0]["samples"]],
        "June's stages": ours,
        "one process's stages": others,
    }
    return ratio("a warm voice turn, seconds", sides, bar), beside


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--audio", type=Path, help="a recorded question; default: the voice speaks one")
    options.add_argument("--runs", type=int, default=10)
    options.add_argument("--max-tokens", type=int, default=48)
    with_engine(options)
    given = options.parse_args()
    compiled()
    with own_home(given.engine) as environ, tempfile.TemporaryDirectory(prefix="june-bench-") as folder:
        june_ = invocation(environ)
        with using(june_, ROLES) as running:
            clip = question(running, given.audio, QUESTION)
            audio = Path(folder) / "question.wav"
            audio.write_bytes(encode(clip))
            asked = Asked(clip, audio, Sampling(max_tokens=given.max_tokens, temperature=0.0), given.runs)
            with rival(june_, asked) as other:
                mine, theirs = asyncio.run(alternate(june_, running, asked, other))
            beside = {f"{JUNE.name} talk FILE --json, warm": whole_program(environ, asked)}
    figure, seen = compare(mine, theirs, BARS[given.engine])
    about = {"engine": given.engine, "runs": given.runs}
    report([figure], {**seen, **beside, **about}, as_json=given.json)


if __name__ == "__main__":
    main()
