"""The client that asks hubs and the web: every question has an end, and fails in words June knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2

from june_cli.errors import MachineLacks
from june_cli.store import tls, web
from june_cli.store.remote import Interrupted

CONNECT_S, SILENT_S = 20.0, 60.0
ANSWER_S = 20.0  # to a question that is no download


def made(environ: Mapping[str, str]) -> httpx2.Client:
    """A client that knows this machine's proxies and authorities."""
    try:
        return Bounded(
            verify=tls.context(environ),
            follow_redirects=True,
            timeout=httpx2.Timeout(SILENT_S, connect=CONNECT_S),
        )
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        hint = "pip install 'httpx2[socks]'" if "socks" in str(error).lower() else "june doctor"
        said = str(error).splitlines()[0].rstrip(".")
        raise MachineLacks(
            "proxy-failed", f"the proxy that this environment names cannot be used: {said}.", hint=hint
        ) from error


class Bounded(httpx2.Client):
    """Questions of huggingface_hub go through here, which sets no time limit and repeats each six times.

    What fails is told as June's own exceptions, which that library hands on: June tries again by itself.
    """

    def request(self, method: Any, url: Any, **options: Any) -> httpx2.Response:
        """One question. Interrupted where another try is worth it; MachineLacks without a network."""
        if options.get("timeout") is None:
            options["timeout"] = httpx2.Timeout(ANSWER_S, connect=CONNECT_S)
        host = httpx2.URL(url).host
        try:
            response = super().request(method, url, **options)
        except httpx2.TransportError as error:
            raise web.unreached(error, host) from error
        if response.status_code in web.BUSY:
            raise Interrupted(f"{host} answers {response.status_code}", web.wait_s(response.headers))
        return response
