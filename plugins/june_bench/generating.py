"""Asks a model for answers, several at once, while those that are there are graded already."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from june_bench.answers import Answer, of_chat, of_completion
from june_bench.asked import Asked
from june_bench.samples import Sample, id_of
from june_bench.suites import Task
from june_cli.assistant.llm import Message, OpenAiChat, Sampling, StreamingChat, connect
from june_cli.engine import Running
from june_cli.engine.up import using
from june_cli.errors import JuneError, NotReady, UsageProblem

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

AHEAD = 64  # answers that may wait for a sandbox
TRIES, WAIT_S = 3, 1.0
DEADLINE_S = 3600.0
CUT = ("length", "max_tokens")


def generated(
    june: Invocation, asked: Asked, tasks: Sequence[Task], done: Container[str], told: dict[str, Any]
) -> Iterator[Sample]:
    """Answers as they come, the first of every task first. JuneError when the model is out of reach.

    What is known of the model and its server is written into `told`.
    """
    wanted = [(task, number) for number in range(asked.n) for task in tasks]
    wanted = [(task, number) for task, number in wanted if id_of(task.id, number) not in done]
    with served(june, asked.model, asked.url, told) as server:
        yield from _Asking(asked, server, wanted).samples()


@dataclass(frozen=True)
class Server:
    """Where the answers come from, and how to speak to it."""

    api: str
    address: str
    model: str
    folder: Any = None

    def client(self, url: str = "") -> StreamingChat:
        """Made inside the loop that uses it."""
        if url:
            return OpenAiChat(url.rstrip("/"), self.model, idle_s=300.0, deadline_s=DEADLINE_S)
        return connect(self.api, self.address, self.model, self.folder, idle_s=300.0, deadline_s=DEADLINE_S)


@contextmanager
def served(june: Invocation, model: str, url: str, told: dict[str, Any]) -> Iterator[Server]:
    """The server that --url names, or June's own language model, started if need be.

    What is known of the latter is written into `told`.
    """
    if url:
        yield Server("openai", url, model or "default")
        return
    with using(june, ["llm"]) as running:
        server = _own(june, model, running["llm"])
        told |= _identity(june, running["llm"], server.api)
        yield server


def _identity(june: Invocation, running: Running, api: str) -> dict[str, Any]:
    """What a score of June's own model is true for."""
    from june_cli import gpu

    model = june.roles.model("llm")
    found: tuple[gpu.Accelerator, ...] = ()
    with suppress(JuneError):
        found = gpu.accelerators()
    return {
        "model_revision": model.revision if model else "",
        "quantization": model.quant if model else "",
        "server": f"{api} in engine {running.engine}",
        "server_image": running.image,
        "gpu": ", ".join(one.name for one in found),
        "driver": next((one.driver for one in found), ""),
    }


def _own(june: Invocation, model: str, running: Running) -> Server:
    if model not in (running.model, "llm"):
        raise UsageProblem(
            "model-not-served",
            f"June serves {running.model}, and not {model}.",
            hint=f"--model {running.model}; or name {model} in a profile of your own",
        )
    service = june.roles.service("llm", running.engine)
    folder = service.source("JUNE_MODEL_DIR")
    return Server(service.api, running.address("http"), running.model, folder)


class _Asking:
    """A thread with a loop of its own, which asks; its samples are taken from a queue."""

    def __init__(self, asked: Asked, server: Server, wanted: Sequence[tuple[Task, int]]) -> None:
        self._asked, self._server, self._wanted = asked, server, wanted
        self._ready: queue.Queue[Sample | BaseException | None] = queue.Queue(AHEAD)
        self._stopped = threading.Event()

    def samples(self) -> Iterator[Sample]:
        thread = threading.Thread(target=self._run, name="asking", daemon=True)
        thread.start()
        try:
            while (found := self._ready.get()) is not None:
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:
            self._stopped.set()
            while thread.is_alive():
                try:
                    self._ready.get_nowait()
                except queue.Empty:
                    thread.join(0.05)

    def _run(self) -> None:
        try:
            asyncio.run(self._all())
        except BaseException as error:  # noqa: BLE001 - raised where the samples are waited for
            self._put(error)
        self._put(None)

    def _put(self, found: Sample | BaseException | None) -> None:
        while not self._stopped.is_set():
            try:
                return self._ready.put(found, timeout=0.2)
            except queue.Full:
                continue
        return None

    async def _all(self) -> None:
        waiting = iter(self._wanted)
        async with self._server.client(self._asked.url) as client, asyncio.TaskGroup() as group:
            for _ in range(min(self._asked.concurrency, len(self._wanted))):
                group.create_task(self._some(client, waiting))

    async def _some(self, client: StreamingChat, waiting: Iterator[tuple[Task, int]]) -> None:
        for task, number in waiting:
            if self._stopped.is_set():
                return
            sample = await self._one(client, task, number)
            await asyncio.to_thread(self._put, sample)

    async def _one(self, client: StreamingChat, task: Task, number: int) -> Sample:
        for attempt in range(TRIES):
            try:
                return await self._answered(client, task, number)
            except NotReady as error:
                if attempt == TRIES - 1:
                    return Sample(task, number, "", "", "infrastructure", {"error": error.message})
                await asyncio.sleep(WAIT_S * 2**attempt)
        raise AssertionError("unreachable")

    async def _answered(self, client: StreamingChat, task: Task, number: int) -> Sample:
        asked = self._asked
        seed = None if asked.seed is None else asked.seed + number
        sampling = Sampling(asked.max_tokens, asked.temperature, asked.top_p, seed)
        prompt = task.prompt if asked.style == "completion" else task.question or task.prompt
        text, reasoning, finish, tokens = "", "", "", 0
        began = time.monotonic()
        async with aclosing(client.stream([Message("user", prompt)], sampling)) as deltas:
            async for delta in deltas:
                text, reasoning = text + delta.text, reasoning + delta.reasoning
                finish, tokens = delta.finish or finish, delta.tokens or tokens
        answer = _found(asked, task, text, reasoning, cut=finish in CUT)
        extra = {
            "tokens": tokens,
            "seconds_asking": round(time.monotonic() - began, 3),
            "finish": finish,
            "source": answer.source,
            "answer": text,
            "reasoning": reasoning,
        }
        if asked.style == "completion":
            return Sample(task, number, answer.code, task.prefix + answer.code, answer.missing, extra)
        # the prompt first: an answer may rely on its imports and helpers
        program = f"{task.prefix}\n{answer.code}"
        return Sample(task, number, f"\n{answer.code}", program, answer.missing, extra)


def _found(asked: Asked, task: Task, text: str, reasoning: str, *, cut: bool) -> Answer:
    if asked.style == "completion":
        return of_completion(text)
    if reasoning.strip() and not text.strip():  # it thought, and came to no answer
        return Answer("", "thinking", "unfinished")
    return of_chat(text, task.entry, cut=cut)
