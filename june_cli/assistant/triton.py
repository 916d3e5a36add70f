"""The client of a language model inside Triton: the tensors of TensorRT-LLM's `llmapi`, streamed.

Triton takes text, so the model's own chat template is rendered here. Its streams have no marker at their end,
its refusals may come with status 200, and a stream whose model process was killed stays open and silent for
ever: hence the checks below. `llmapi` repeats the whole text so far in each event.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

import httpx
import httpx_sse

from june_cli.assistant.llm import (
    CHARACTERS_PER_TOKEN,
    DEADLINE_S,
    IDLE_S,
    Delta,
    Message,
    Sampling,
    StreamingChat,
    parsed,
    said_in,
)
from june_cli.assistant.reasoning import OPEN, ReasoningSplitter
from june_cli.assistant.repository import RESTART, Repository, served_name
from june_cli.assistant.template import ChatTemplate
from june_cli.errors import JuneError, NotReady, UsageProblem

__all__ = ["Repository", "TritonChat", "served_name"]

GIVEN_UP = ("cancelled", "timeout")  # reasons of llmapi that no answer ends with
NOT_LOADED = re.compile(r"(?i)no available versions|is not found|not ready")
UNFINISHED = "\ufffd"  # stands for half a character, whose other half the next event brings
DEAD = re.compile(r"(?i)stub process .* is not healthy")
BUSY = re.compile(r"(?i)too many requests")
TOO_LONG = re.compile(r"(?i)context (size|length|window)|max_(seq_len|num_tokens|input_len)|prompt length")


class TritonChat(StreamingChat):
    """`POST /v2/models/NAME/generate_stream` of a Triton at `host:port`. Leaving a stream cancels it."""

    when_silent = when_lost = RESTART  # it does not start a model's process again that was killed

    def __init__(
        self,
        address: str,
        model: str,
        template: ChatTemplate,
        *,
        idle_s: float = IDLE_S,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        super().__init__(idle_s, deadline_s)
        self._template = template
        self._url = f"http://{address}/v2/models/{quote(served_name(model), safe='')}/generate_stream"

    async def _deltas(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Delta, None]:
        prompt = self._template.render([asdict(message) for message in messages])
        # a template for a model that thinks may open the tag itself: then only the closing one comes
        splitter = ReasoningSplitter(thinking=prompt.rstrip().endswith(OPEN))
        answer = _Answer()
        async with self._http.stream("POST", self._url, json=_tensors(prompt, sampling)) as response:
            await _require_stream(response)
            async for event in httpx_sse.EventSource(response).aiter_sse():
                text, thought = splitter.push(answer.take(event.data))
                if text or thought:
                    yield Delta(text, thought)
                if len(answer.text) > sampling.max_tokens * CHARACTERS_PER_TOKEN:
                    answer.finish = "length"
                    break
        text, thought = splitter.finish()
        if text or thought:
            yield Delta(text, thought)
        if answer.finish in GIVEN_UP:
            raise NotReady("service-lost", f"llm gave its answer up: {answer.finish}.", hint=RESTART)
        if not answer.finish:
            raise NotReady(
                "service-lost", "llm ended its answer without saying why: it may have died.", hint=RESTART
            )
        yield Delta(finish=answer.finish, tokens=answer.tokens)


class _Answer:
    """What the events of a stream add up to."""

    def __init__(self) -> None:
        self.text, self.finish, self.tokens = "", "", 0
        self._pieces = False  # llmapi repeats the whole text so far; other models of the same tensors do not

    def take(self, data: str) -> str:
        """What an event adds to the text."""
        event = parsed(data)
        if "error" in event:
            raise _refusal(said_in(data.encode()), httpx.codes.OK)
        text, finish = event.get("text_output"), event.get("finish_reason")
        tokens = event.get("num_output_tokens")
        if not isinstance(text, str) or not isinstance(finish, str | None):
            raise JuneError("llm-refused", f"llm sent an event of another shape: {data[:200]!r}")
        if finish != "None":  # how llmapi spells that there is none yet
            self.finish = finish or self.finish
        self.tokens = tokens if isinstance(tokens, int) else self.tokens
        return self._added(text)

    def _added(self, text: str) -> str:
        """What is new in an event. A model that does not repeat what came before sends pieces."""
        if not self._pieces:
            text = text.rstrip(UNFINISHED)
        if not self._pieces and self.text.startswith(text):  # nothing new, or an end cut off at a stop text
            return ""
        if not self._pieces and text.startswith(self.text):
            added, self.text = text[len(self.text) :], text
            return added
        self._pieces = True
        self.text += text
        return text


def _tensors(prompt: str, sampling: Sampling) -> dict[str, Any]:
    """llmapi's inputs, and one for the count of tokens: what a model does not declare, Triton leaves out."""
    seed = {} if sampling.seed is None else {"sampling_param_seed": sampling.seed % 2**64}
    return {
        "text_input": prompt,
        "streaming": True,
        "sampling_param_max_tokens": sampling.max_tokens,
        "sampling_param_temperature": float(sampling.temperature),
        "sampling_param_top_p": float(sampling.top_p),
        **seed,
        "sampling_param_exclude_input_from_output": True,
        "return_finish_reason": True,
        "return_num_output_tokens": True,
    }


async def _require_stream(response: httpx.Response) -> None:
    """A refusal explained; it comes as JSON or as an event, with any status."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    if response.status_code == httpx.codes.OK and kind == "text/event-stream":
        return
    body = (await response.aread()).strip()
    raise _refusal(said_in(body.removeprefix(b"data:")), response.status_code)


def _refusal(said: str, status: int) -> JuneError:
    """Triton's words, as the error that says what to do."""
    said = " ".join(said.split())
    if DEAD.search(said):
        return NotReady("service-lost", f"llm has lost the process of its model: {said}", hint=RESTART)
    if NOT_LOADED.search(said):
        return NotReady("model-not-loaded", f"llm does not have the model loaded: {said}", hint=RESTART)
    if BUSY.search(said) or status in (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS):
        return NotReady("service-busy", f"llm is not ready: {said}", hint="try again in a moment")
    if TOO_LONG.search(said):
        return UsageProblem("text-too-long", f"the text does not fit the model's context: {said}")
    answered = "failed" if status == httpx.codes.OK else f"answered {status}"
    return JuneError("llm-refused", f"llm {answered}: {said}")
