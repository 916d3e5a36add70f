"""A language model that repeats: a server of the OpenAI API whose answers are known, at a pace of choice."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.loopback import Loopback


@dataclass(kw_only=True)
class Echo(Loopback):
    """Answers `echo: ` and the last message, or what `answers` has for it. `down` refuses."""

    word_s: float = 0.0
    down: bool = False
    answers: dict[str, str] = field(default_factory=dict)
    asked: list[list[dict[str, str]]] = field(default_factory=list)

    def routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/v1/chat/completions", self._chat)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        if self.down:
            return web.json_response({"error": {"message": "down"}}, status=503)
        body: dict[str, Any] = await request.json()
        self.asked.append(body["messages"])
        said = str(body["messages"][-1]["content"])
        answer = self.answers.get(said, f"echo: {said}")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        with suppress(ConnectionError):  # whoever asked has left
            for word in answer.split(" ") if self.word_s else [answer]:
                piece = f"{word} " if self.word_s else word
                await _event(response, {"choices": [{"delta": {"content": piece}}]})
                if self.word_s:
                    await asyncio.sleep(self.word_s)
            await _event(response, {"choices": [{"delta": {}, "finish_reason": "stop"}]})
            await response.write(b"data: [DONE]\n\n")
        return response


async def _event(response: web.StreamResponse, data: dict[str, Any]) -> None:
    await response.write(f"data: {json.dumps(data)}\n\n".encode())
