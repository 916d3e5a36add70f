"""What June's client costs on top of Triton's own stream. Bar: at least 0.9 of a bare client's speed.

Why: between Triton and the voice stand a chat template, an event parser, limits on time and a splitter for
reasoning; people should not hear them.

How: one Triton in the process engine, with the model of profile `tiny`. Two clients take turns at it: June's,
as `june chat` uses it, and a loop over the lines of `http.client` that only decodes each event, with the same
body. The figures are June's client over the bare one, in seconds, so that 0.9 of its speed is a ratio of at
most 1/0.9: the time to the first piece of text, and from there on the time a token. Each question is a new
one of the same length, as people's are. The first piece of a question asked again, whose prompt the model
remembers, is told as well, without a bar: of those few hundredths of a second either client is a good part.

Needs a Triton that can start here (`pip install 'june-cli[triton]'`).
"""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from measuring import Figure, compiled, invocation, middle, own_home, parser, ratio, report

from june_cli.assistant.llm import Message, Sampling, StreamingChat, connect
from june_cli.assistant.template import ChatTemplate
from june_cli.assistant.triton import served_name
from june_cli.engine.up import using

BAR = 1 / 0.9
JUNE, BARE, AGAIN = "June's client", "bare client", ", asked again"
CONFIG = '[profiles.tiny.llm]\nservice = "llm-triton"\n'
SYSTEM = Message("system", "You are June, a friendly voice assistant.")


def messages(number: int) -> list[Message]:
    """A question nobody has asked yet; all have as many tokens."""
    return [
        SYSTEM,
        Message("user", f"Story {number}: tell me at length about a dog, a cat and {number} mice."),
    ]


@dataclass(frozen=True)
class Run:
    """One answer."""

    first_s: float
    token_s: float
    tokens: int
    text: str


def timed(began: float, first: float, tokens: int, text: str) -> Run:
    """The figures of an answer that has just ended."""
    return Run(first - began, (time.perf_counter() - first) / max(1, tokens - 1), tokens, text)


async def by_june(llm: StreamingChat, asked: list[Message], sampling: Sampling) -> Run:
    """June's client."""
    began, first, text, tokens = time.perf_counter(), 0.0, "", 0
    async for delta in llm.stream(asked, sampling):
        if delta.text and not text:
            first = time.perf_counter()
        text, tokens = text + delta.text, delta.tokens or tokens
    return timed(began, first, tokens, text)


def by_hand(address: str, model: str, prompt: str, sampling: Sampling) -> Run:
    """As little as a client of Triton's stream can do."""
    body = {
        "text_input": prompt,
        "streaming": True,
        "sampling_param_max_tokens": sampling.max_tokens,
        "sampling_param_temperature": sampling.temperature,
        "sampling_param_top_p": sampling.top_p,
        "sampling_param_exclude_input_from_output": True,
        "return_finish_reason": True,
        "return_num_output_tokens": True,
    }
    connection = http.client.HTTPConnection(address, timeout=60)
    began, first, event = time.perf_counter(), 0.0, {"text_output": ""}
    connection.request("POST", f"/v2/models/{served_name(model)}/generate_stream", json.dumps(body))
    for line in connection.getresponse():
        if line.startswith(b"data:"):
            event = json.loads(line[5:])
            if event["text_output"] and not first:
                first = time.perf_counter()
    connection.close()
    return timed(began, first, event["num_output_tokens"], event["text_output"])


async def measure(address: str, model: str, folder: Path, runs: int, max_tokens: int) -> dict[str, list[Run]]:
    """Both clients in turns, who is first too; the first round is thrown away."""
    sampling = Sampling(max_tokens=max_tokens, temperature=0.0)
    template, found = ChatTemplate.of(folder), defaultdict[str, list[Run]](list)
    async with connect("triton", address, model, folder) as llm:

        async def june(number: int, sampling: Sampling) -> Run:
            return await by_june(llm, messages(number), sampling)

        async def bare(number: int, sampling: Sampling) -> Run:
            prompt = template.render([asdict(message) for message in messages(number)])
            return await asyncio.to_thread(by_hand, address, model, prompt, sampling)

        clients = [(JUNE, june), (BARE, bare)]
        numbers = iter(range(100, 1000))
        for _ in range(1 + runs):
            for name, ask in clients:
                number = next(numbers)
                found[name].append(await ask(number, sampling))
                found[name + AGAIN].append(await ask(number, replace(sampling, max_tokens=2)))
            clients.reverse()
    return {name: seen[1:] for name, seen in found.items()}


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=9)
    options.add_argument("--max-tokens", type=int, default=96)
    asked = options.parse_args()
    compiled()
    with own_home() as environ:
        config = Path(environ["JUNE_HOME"], "config", "config.toml")
        config.parent.mkdir(parents=True)
        config.write_text(CONFIG, "utf-8")
        june = invocation({**environ, "JUNE_ENGINE": "process"})
        with using(june, ["llm"]) as running:
            service = june.roles.service("llm", "process")
            folder = next(mount.source for mount in service.mounts)
            llm = running["llm"]
            runs = asyncio.run(measure(llm.address("http"), llm.model, folder, asked.runs, asked.max_tokens))
    report(*figures(runs), as_json=asked.json)


def figures(runs: dict[str, list[Run]]) -> tuple[list[Figure], dict[str, Any]]:
    """The ratios; beside them what the figures are about."""

    def sides(what: str, suffix: str = "") -> dict[str, float]:
        names = {client: runs[client + suffix] for client in (JUNE, BARE)}
        return {client: middle([getattr(run, what) for run in seen]) for client, seen in names.items()}

    a_token = sides("token_s")
    made = [
        ratio("first piece of the answer to a new question, seconds", sides("first_s"), BAR),
        ratio("time a token, seconds", a_token, BAR),
        ratio("first piece, question asked again, seconds", sides("first_s", AGAIN)),
    ]
    rates = {client: round(1 / seconds, 1) for client, seconds in a_token.items()}
    return made, {"tokens a second": rates, "tokens": {c: [r.tokens for r in runs[c]] for c in (JUNE, BARE)}}


if __name__ == "__main__":
    main()
