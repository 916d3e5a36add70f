"""A web server of a test's own, in a thread of its own: `with` starts it, and ends all it was doing."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Self

from aiohttp import web

MB = 1024 * 1024


@dataclass(kw_only=True)
class Loopback:
    """`port` 0 is any that is free; started again, it listens where it did before."""

    host: str = "127.0.0.1"
    port: int = 0

    def routes(self, router: web.UrlDispatcher) -> None:
        """What it answers to."""
        raise NotImplementedError

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        started = threading.Event()

        async def start() -> None:
            app = web.Application(client_max_size=200 * MB)
            self.routes(app.router)
            self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
            await self._runner.setup()
            site = web.TCPSite(self._runner, self.host, self.port)
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
        async def stop() -> None:
            await self._runner.cleanup()
            rest = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
