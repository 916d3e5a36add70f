"""One file on the web as a source, and how a response becomes a stream: what the hub's reader uses too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from june_cli.errors import JuneError, MachineLacks
from june_cli.store.catalog import UrlSource
from june_cli.store.remote import Interrupted, Listing, Remote, Stream, safe

if TYPE_CHECKING:
    import httpx2

BUSY = (408, 425, 429, 500, 502, 503, 504)
RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
MAX_WAIT_S = 300.0


def client(environ: Mapping[str, str]) -> httpx2.Client:
    """A client that knows this machine's proxies and authorities. MachineLacks without its package."""
    try:
        from june_cli.store import client as bounded
    except ImportError as error:
        raise lacks_hub() from error
    return bounded.made(environ)


def lacks_hub() -> MachineLacks:
    """Why nothing can be fetched from a hub or the web here."""
    return MachineLacks(
        "package-missing",
        "models from a hub or the web are fetched with the Python package huggingface_hub.",
        hint="pip install 'june-cli[hub]'",
    )


class UrlReader:
    """Reads an UrlSource."""

    def __init__(self, source: UrlSource, environ: Mapping[str, str]) -> None:
        self._source, self._client = source, client(environ)
        self.label = urlsplit(source.url).netloc

    def listing(self) -> Listing:
        """The one file, as far as the catalog knows it; what it weighs the server says."""
        source = self._source
        name = safe(unquote(urlsplit(source.url).path.rpartition("/")[2]) or "model")
        size = source.bytes or self._size()
        return Listing(source.sha256[:12], (Remote(name, size, source.sha256),))

    def _size(self) -> int:
        with self.open(Remote(""), 0, 1) as stream:
            return stream.total

    @contextmanager
    def open(self, file: Remote, start: int, end: int = -1) -> Iterator[Stream]:
        """Its bytes."""
        del file
        with streamed(self._client, self._source.url, {}, start, end) as stream:
            yield stream

    def close(self) -> None:
        """Close the client."""
        self._client.close()


@contextmanager
def streamed(
    client: httpx2.Client, url: str, headers: Mapping[str, str], start: int, end: int = -1
) -> Iterator[Stream]:
    """A GET from an offset on. Interrupted where another try is worth it; MachineLacks without a network."""
    import httpx2

    asked = {**headers, "Accept-Encoding": "identity"}  # else sizes and offsets would be of something else
    if start or end >= 0:
        asked["Range"] = f"bytes={start}-{end - 1 if end >= 0 else ''}"
    try:
        with client.stream("GET", url, headers=asked) as response:
            if response.status_code in BUSY:
                raise Interrupted(f"HTTP {response.status_code}", wait_s(response.headers))
            yield _stream(response, start, url)
    except httpx2.TransportError as error:
        raise unreached(error, urlsplit(url).netloc) from error
    except httpx2.DecodingError as error:
        raise Interrupted(f"a body that cannot be decoded: {error}") from error


def unreached(error: Exception, host: str) -> Exception:
    """What a failed connection means: no network here, or a hiccup on the way."""
    import httpx2

    said = (str(error) or type(error).__name__).rstrip(".")
    if isinstance(error, httpx2.ProxyError):
        return MachineLacks(
            "proxy-failed", f"the proxy on the way to {host} does not help: {said}.", hint="june doctor"
        )
    if isinstance(error, httpx2.UnsupportedProtocol):
        return JuneError("source-unusable", f"{host or 'the source'} cannot be asked: {said}.")
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return MachineLacks(
            "certificate-untrusted",
            f"the certificate of {host} is signed by nobody this machine trusts.",
            hint="behind a proxy that opens connections: JUNE_CA_BUNDLE=/path/to/its-authority.pem",
        )
    return Interrupted(f"{host}: {said}")


def _stream(response: httpx2.Response, start: int, url: str) -> Stream:
    code, length = response.status_code, response.headers.get("Content-Length", "")
    if code == 206:
        found = RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not found or int(found[1]) != start:
            raise Interrupted("a range other than the one that was asked for")
        total = int(found[2]) if found[2] != "*" else -1
        return Stream(start, total, _pieces(response))
    if code == 416:  # nothing is left after this offset: what is here is whole, or too long
        return Stream(start, -1, iter(()))
    if code == 200:
        return Stream(0, int(length) if length.isdigit() else -1, _pieces(response))
    raise JuneError(
        "source-refused",
        f"{urlsplit(url).netloc} answers {code} {response.reason_phrase} to {urlsplit(url).path}.",
    )


def _pieces(response: httpx2.Response) -> Iterator[bytes]:
    return response.iter_bytes()  # as it comes: a buffer would be lost with the connection


def wait_s(headers: Mapping[str, str]) -> float:
    """Retry-After in seconds, within reason; its form as a date is not used by hubs."""
    said = headers.get("Retry-After", "")
    limited = re.search(r"[;,]\s*t=(\d+)", headers.get("RateLimit", ""))
    seconds = said if said.isdigit() else limited[1] if limited else "0"
    return min(float(seconds), MAX_WAIT_S)
