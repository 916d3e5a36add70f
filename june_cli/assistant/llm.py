"""The language model's clients: streaming, with an idle timeout and a deadline, reasoning kept apart.

`OpenAiChat` speaks to any server of the OpenAI chat API, `june_cli.assistant.triton` to Triton, and `connect`
takes the one that a service calls for.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import httpx
import httpx_sse

from june_cli.assistant.reasoning import ReasoningSplitter
from june_cli.errors import JuneError, NotReady, UsageProblem

IDLE_S, DEADLINE_S = 60.0, 300.0
CHARACTERS_PER_TOKEN = 64  # no tokenizer's tokens are longer on average: a server past it ignores max_tokens


@dataclass(frozen=True)
class Message:
    """One line of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Sampling:
    """How to answer. max_tokens is always sent: a server's own default may be endless."""

    max_tokens: int = 256
    temperature: float = 0.2
    top_p: float = 0.95
    seed: int | None = None


@dataclass(frozen=True)
class Delta:
    """A piece of the answer, a piece of the reasoning before it, or the end with its reason."""

    text: str = ""
    reasoning: str = ""
    finish: str = ""
    tokens: int = 0  # of the whole answer, in the last delta, where the server counts them


class LanguageModel(Protocol):
    """What a turn needs of a language model."""

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Delta, None]:
        """The answer in pieces. Closing the generator cancels the generation."""


class StreamingChat(ABC):
    """What every server's client shares: one connection pool, patience with limits, errors that explain."""

    label = "llm"
    when_silent = "june serve logs llm"
    when_lost = "run the command again: June starts the service anew"

    def __init__(self, idle_s: float, deadline_s: float, headers: Mapping[str, str] | None = None) -> None:
        self._idle_s, self._deadline_s = idle_s, deadline_s
        timeout = httpx.Timeout(idle_s, connect=min(10.0, idle_s))
        self._http = httpx.AsyncClient(timeout=timeout, headers=headers, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Delta, None]:
        """The answer in pieces, ending with a delta that has `finish`. Closing it closes the connection.

        NotReady when the server is gone, silent for `idle_s` or not done after `deadline_s`; JuneError with
        the server's own words when it refuses; UsageProblem when the messages do not fit its context.
        """
        deadline = asyncio.get_running_loop().time() + self._deadline_s
        try:
            async with aclosing(self._deltas(messages, sampling)) as deltas:
                while True:
                    async with asyncio.timeout_at(
                        deadline
                    ):  # never across a yield: it would cancel the caller
                        delta = await anext(deltas)
                    yield delta
        except StopAsyncIteration:
            return
        except (TimeoutError, httpx.TimeoutException) as error:
            raise NotReady(
                "llm-timeout",
                f"llm was silent for {self._idle_s:g} s, or not done after {self._deadline_s:g} s.",
                hint=self.when_silent,
            ) from error
        except (httpx.TransportError, httpx_sse.SSEError) as error:
            raise NotReady(
                "service-lost",
                f"llm cannot be reached, or was lost while it answered ({type(error).__name__}).",
                hint=self.when_lost,
            ) from error

    @abstractmethod
    def _deltas(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Delta, None]:
        """The answer in pieces, without a limit on time and with the errors of httpx."""


class OpenAiChat(StreamingChat):
    """Any server with `POST {base_url}/chat/completions`."""

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        idle_s: float = IDLE_S,
        deadline_s: float = DEADLINE_S,
        api_key: str = "",
    ) -> None:
        super().__init__(idle_s, deadline_s, {"Authorization": f"Bearer {api_key}"} if api_key else None)
        self._url, self._model = base_url.rstrip("/"), model

    async def _deltas(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Delta, None]:
        body = {
            "model": self._model,
            "messages": [asdict(m) for m in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            **{k: v for k, v in asdict(sampling).items() if v is not None},
        }
        splitter, finish, tokens, received = ReasoningSplitter(), "", 0, 0
        request = self._http.stream("POST", f"{self._url}/chat/completions", json=body)
        async with request as response:
            await _require_stream(response)
            async for event in httpx_sse.EventSource(response).aiter_sse():
                if event.data.strip() == "[DONE]":
                    break
                chunk = parsed(event.data)
                if chunk.get("error"):
                    raise JuneError("llm-refused", f"llm failed: {said_in(event.data.encode())}")
                try:
                    tokens = int((chunk.get("usage") or {}).get("completion_tokens") or tokens)
                    pieces = [_piece(choice) for choice in chunk.get("choices") or []]
                except (TypeError, ValueError, AttributeError) as error:
                    shown = event.data[:200]
                    raise JuneError(
                        "llm-refused", f"llm sent an event of another shape: {shown!r}"
                    ) from error
                for content, aside, reason in pieces:
                    text, thought = splitter.push(content)
                    thought += aside
                    finish = reason or finish
                    received += len(text) + len(thought)
                    if text or thought:
                        yield Delta(text, thought)
                if received > sampling.max_tokens * CHARACTERS_PER_TOKEN:
                    finish = "length"
                    break
        text, thought = splitter.finish()
        if text or thought:
            yield Delta(text, thought)
        if not finish:
            raise NotReady("service-lost", "llm ended its answer without saying why: it may have died.")
        yield Delta(finish=finish, tokens=tokens)


def connect(
    api: str,
    address: str,
    model: str,
    folder: Path | None,
    *,
    idle_s: float = IDLE_S,
    deadline_s: float = DEADLINE_S,
) -> StreamingChat:
    """The client of a language model service, by what it speaks: a Service's `api`, `openai` or `triton`.

    `address` is `host:port` of its HTTP port. `folder` is where the model lies on this machine: whoever asks
    Triton renders the model's own chat template; a server of the OpenAI API does that itself.
    """
    if api == "openai":
        return OpenAiChat(f"http://{address}/v1", model, idle_s=idle_s, deadline_s=deadline_s)
    if api != "triton" or folder is None:
        raise JuneError("llm-unknown", f"June has no client for a language model service of kind {api!r}.")
    from june_cli.assistant.template import ChatTemplate
    from june_cli.assistant.triton import TritonChat

    return TritonChat(address, model, ChatTemplate.of(folder), idle_s=idle_s, deadline_s=deadline_s)


async def _require_stream(response: httpx.Response) -> None:
    """A refusal explained; also one that comes with status 200 and a JSON body."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    if response.status_code == httpx.codes.OK and kind == "text/event-stream":
        return
    said = said_in(await response.aread())
    if response.status_code in (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS):
        raise NotReady("service-busy", f"llm is not ready: {said}", hint="try again in a moment")
    if "context" in said and response.status_code == httpx.codes.BAD_REQUEST:
        raise UsageProblem("text-too-long", f"the text does not fit the model's context: {said}")
    raise JuneError("llm-refused", f"llm answered {response.status_code}: {said}")


def _piece(choice: dict[str, Any]) -> tuple[str, str, str]:
    delta = choice.get("delta") or {}
    content = delta.get("content") or ""
    aside = delta.get("reasoning_content") or delta.get("reasoning") or ""
    if not isinstance(content, str) or not isinstance(aside, str):
        raise TypeError("no text")
    return content, aside, choice.get("finish_reason") or ""


def parsed(data: str) -> dict[str, Any]:
    """The JSON object that an event holds; JuneError when it holds anything else."""
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError):
        chunk = None
    if not isinstance(chunk, dict):
        raise JuneError("llm-refused", f"llm sent an event that is not a JSON object: {data[:200]!r}")
    return chunk


def said_in(body: bytes) -> str:
    """The message in an error body, whichever of the usual shapes it has."""
    text = body[:4000].decode("utf-8", "replace")
    try:
        error = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        return text[:300].strip() or "(an empty body)"
    return str(error.get("message", error) if isinstance(error, dict) else error)[:300]
