"""A language model that repeats: a server of the OpenAI API whose answers are known, at a pace of choice."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass
class Echo:
    """Answers `echo: ` and the last message, or what `answers` has for it. `down` refuses."""

    word_s: float = 0.0
    down: bool = False
    answers: dict[str, str] = field(default_factory=dict)
    asked: list[list[dict[str, str]]] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        started = threading.Event()

        async def start() -> None:
            app = web.Application()
            app.router.add_post("/v1/chat/completions", self._chat)
            self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
            await self._runner.setup()
            site = web.TCPSite(self._runner, "127.0.0.1", self.port)
            await site.start()
            self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
            started.set()

        def turn() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.create_task(start())
            self._loop.run_forever()

        self._thread = threading.Thread(target=turn, daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

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
