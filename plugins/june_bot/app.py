"""The bot's own port: whether it is well, its metrics, and where a platform's webhook arrives."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from june_bot.seen import Seen

MAX_BYTES = 1024 * 1024
SECRET = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the name of a header


@dataclass
class Webhook:
    """Where a platform pushes to. Until somebody takes updates it is told to come again."""

    secret: str
    taken: Callable[[dict[str, Any]], None] | None = None


async def serve(host: str, port: int, seen: Seen, webhook: Webhook | None) -> web.AppRunner:
    """Listen; the runner's `cleanup` ends it. OSError when the port is taken."""
    app = web.Application(client_max_size=MAX_BYTES)
    app.router.add_get("/health", _health(seen))
    app.router.add_get("/metrics", _metrics(seen))
    if webhook:
        app.router.add_post("/webhook", _pushed(webhook))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


def _health(seen: Seen) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def health(_: web.Request) -> web.Response:
        why = seen.unhealthy
        return web.json_response({"healthy": not why, "reason": why}, status=503 if why else 200)

    return health


def _metrics(seen: Seen) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=seen.exposition(), headers={"Content-Type": "text/plain; version=0.0.4"})

    return metrics


def _pushed(webhook: Webhook) -> Callable[[web.Request], Awaitable[web.Response]]:
    """What comes without the secret is refused unread."""

    async def pushed(request: web.Request) -> web.Response:
        if not hmac.compare_digest(
            request.headers.get(SECRET, "").encode("utf-8", "surrogateescape"), webhook.secret.encode()
        ):
            return web.Response(status=403)
        try:
            content = json.loads(await request.read())
        except (ValueError, RecursionError):
            return web.Response(status=400)
        if not isinstance(content, dict):
            return web.Response(status=400)
        if webhook.taken is None:
            return web.Response(status=503, headers={"Retry-After": "1"})
        webhook.taken(content)  # written down before the platform hears that it was received
        return web.Response()

    return pushed
