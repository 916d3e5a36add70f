"""A client of the OpenAI API that costs next to nothing, for measuring: one connection, times of arrival.

HTTP/1.1 by hand over asyncio's streams: at full speed a general client would take more processor than what it
measures. It speaks to servers that are asked on purpose, and trusts none of them with more than MAX_LINE.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from june_bench.latency import Exchange
from june_cli.errors import UsageProblem

MAX_LINE = 1 << 20
OK = 200
HUNG_UP = ("IncompleteReadError", "ConnectionResetError", "BrokenPipeError")


class Refused(Exception):
    """The server did not answer as it has to."""


# What a server can bring about: a lost connection, an answer that is none, JSON of another shape.
BROKEN = (OSError, EOFError, asyncio.LimitOverrunError, Refused, ValueError, TypeError, AttributeError)


@dataclass(frozen=True)
class Address:
    """Where to ask."""

    host: str
    port: int
    path: str
    tls: bool

    @classmethod
    def of(cls, url: str) -> Address:
        """`http://host:port/v1`. UsageProblem for another kind of address."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageProblem(
                "url-invalid", f"{url!r} is no address of a server.", hint="http://host:port/v1"
            )
        tls = parts.scheme == "https"
        return cls(parts.hostname, parts.port or (443 if tls else 80), parts.path.rstrip("/"), tls)


class Connection:
    """One connection that is used again and again; opened anew when the server closed it."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, body: Mapping[str, Any]) -> Exchange:
        """Send one request and note when each token came. What fails is in its `error`."""
        content = json.dumps(body).encode()
        used = self._reader is not None
        found = await self._asked(content)
        if used and not found.arrivals and found.error in HUNG_UP:
            found = await self._asked(content)  # the server had closed a connection that it left open before
        if not found.tokens:
            found.tokens = len(found.arrivals)
        return found

    async def _asked(self, content: bytes) -> Exchange:
        found = Exchange(time.monotonic())
        try:
            reader, writer = await self._open()
            found.sent_at = time.monotonic()
            writer.write(self._head(len(content)) + content)
            await writer.drain()
            headers = await reader.readuntil(b"\r\n\r\n")
            async for event in _events(reader, headers):
                _note(found, event)
            if b"connection: close" in headers.lower():
                await self.close()
        except BROKEN as error:
            found.error = str(error) if isinstance(error, Refused) else type(error).__name__
            await self.close()
        except BaseException:
            await self.close()
            raise
        return found

    async def close(self) -> None:
        """Hang up."""
        if self._writer:
            self._writer.close()
        self._reader = self._writer = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None or self._reader.at_eof() or self._writer.is_closing():
            address = self._address
            self._reader, self._writer = await asyncio.open_connection(
                address.host, address.port, ssl=address.tls or None, limit=MAX_LINE
            )
        return self._reader, self._writer

    def _head(self, length: int) -> bytes:
        return (
            f"POST {self._address.path}/chat/completions HTTP/1.1\r\n"
            f"Host: {self._address.host}:{self._address.port}\r\nContent-Type: application/json\r\n"
            f"Accept: text/event-stream\r\nContent-Length: {length}\r\n\r\n"
        ).encode()


async def _events(reader: asyncio.StreamReader, headers: bytes) -> AsyncIterator[tuple[float, bytes]]:
    """The `data:` lines of an answer, with the moment at which each was there."""
    status = int(headers.split(b" ", 2)[1])
    low = headers.lower()
    chunked = b"transfer-encoding: chunked" in low
    pending = b""
    async for piece in _pieces(reader, low, chunked=chunked):
        now = time.monotonic()
        *lines, pending = (pending + piece).split(b"\n")
        if status != OK:
            raise Refused(f"status {status}")
        for line in lines:
            if line.startswith(b"data:"):
                yield now, line[5:].strip()
    if status != OK:
        raise Refused(f"status {status}")


async def _pieces(reader: asyncio.StreamReader, headers: bytes, *, chunked: bool) -> AsyncIterator[bytes]:
    """The body as it comes, and exactly it: the connection can be used again afterwards."""
    if chunked:
        while size := int((await reader.readline()).split(b";")[0], 16):
            if not 0 < size <= MAX_LINE:
                raise Refused("a chunk that is too long")
            yield (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
        return
    _, marked, rest = headers.partition(b"content-length:")
    left = int(rest.split(b"\r\n")[0]) if marked else -1
    while left:
        piece = await reader.read(min(left, MAX_LINE) if left > 0 else MAX_LINE)
        if not piece:
            return
        left -= len(piece) if left > 0 else 0
        yield piece


def _note(found: Exchange, event: tuple[float, bytes]) -> None:
    """Take in one event: a piece of the answer or of the thinking, or the counts at the end."""
    moment, data = event
    if data == b"[DONE]":
        return
    content = json.loads(data)
    if "error" in content:
        raise Refused(str(content["error"])[:100])
    after = moment - found.sent_at
    for choice in content.get("choices") or ():
        delta = choice.get("delta") or {}
        text, thought = delta.get("content"), delta.get("reasoning_content") or delta.get("reasoning")
        if text or thought:
            found.arrivals.append(after)
        if text and found.first_answer is None:
            found.first_answer = after
    if usage := content.get("usage"):
        details = usage.get("completion_tokens_details") or {}
        found.tokens = int(usage.get("completion_tokens") or 0)
        found.reasoning_tokens = int(details.get("reasoning_tokens") or 0)
        found.input_tokens = int(usage.get("prompt_tokens") or 0)
