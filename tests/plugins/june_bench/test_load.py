"""Load on a language model: times, formulas, servers that misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from june_bench.latency import Exchange, Spread, bounds, level
from june_bench.wire import Address, Connection

from june_cli.errors import UsageProblem


def test_the_formulas() -> None:
    one = Exchange(0.0, [0.1, 0.2, 0.4], first_answer=0.2, tokens=3, reasoning_tokens=1)
    assert one.values() == pytest.approx({"ttft": 0.1, "e2e": 0.4, "first_answer": 0.2, "tpot": 0.15})
    assert one.gaps() == pytest.approx([0.1, 0.2])
    two = Exchange(0.0, error="status 500")
    made = level([one, one, two], 2.0, {"ttft": 0.1, "e2e": 0.3}, concurrency=1, rate=0.0)
    assert (made.requests, made.failed, made.errors) == (3, 1, {"status 500": 1})
    assert (made.requests_per_s, made.output_tokens_per_s, made.goodput) == (1.0, 3.0, 0.0)
    assert level([one], 1.0, {"e2e": 0.4}, concurrency=1, rate=0.0).goodput == 1.0


def test_percentiles_are_values_that_were_measured() -> None:
    spread = Spread.of([float(n) for n in range(1, 101)])
    assert (spread.mean, spread.p50, spread.p90, spread.p95, spread.p99) == (50.5, 50.0, 90.0, 95.0, 99.0)
    assert Spread.of([3.0]).p99 == 3.0
    assert Spread.of([]).mean == 0.0


def test_bounds() -> None:
    assert bounds("ttft=0.2, e2e=2") == {"ttft": 0.2, "e2e": 2.0}
    assert bounds("") == {}
    for text in ("ttft", "x=1", "ttft=a"):
        with pytest.raises(UsageProblem):
            bounds(text)


Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: object) -> bytes:
    body = f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(body), body)


def piece(text: str = "", thought: str = "") -> dict[str, object]:
    return {"choices": [{"delta": {"content": text, "reasoning_content": thought}}]}


def asked(answer: Answer, times: int = 1) -> list[Exchange]:
    """What a server that answers so is measured as, over one connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                await answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def all_of_it() -> list[Exchange]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            connection = Connection(Address.of(f"http://127.0.0.1:{port}/v1"))
            found = [await connection.ask({"stream": True}) for _ in range(times)]
            await connection.close()
            return found

    return asyncio.run(all_of_it())


def test_arrivals_thinking_and_counts() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(piece(thought="hm")))
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(chunk(piece("a")))
        await asyncio.sleep(0.05)
        details = {"completion_tokens_details": {"reasoning_tokens": 1}}
        usage = {"completion_tokens": 7, "prompt_tokens": 5, **details}
        counted = chunk({"choices": [], "usage": usage})
        writer.write(chunk(piece("b")) + counted + chunk("[DONE]") + b"0\r\n\r\n")

    for found in asked(answer, 2):  # the second over the same connection
        assert found.ok
        assert len(found.arrivals) == 3
        assert (found.tokens, found.reasoning_tokens, found.input_tokens) == (7, 1, 5)
        assert found.first_answer == found.arrivals[1]
        assert found.arrivals[2] - found.arrivals[0] == pytest.approx(0.1, abs=0.05)


def test_a_server_that_hangs_up_between_two_answers_is_asked_again() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(piece("a")) + b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    assert [one.error for one in asked(answer, 3)] == ["", "", ""]


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy", "status 503"),
        (b"no http at all\r\n\r\n", "ValueError"),
        (HEAD + chunk("{not json"), "JSONDecodeError"),
        (HEAD + chunk({"error": {"message": "x"}}), "x"),
        (HEAD + b"zz\r\n", "ValueError"),
        (HEAD + b"5\r\nda", "IncompleteReadError"),
        (b"", "IncompleteReadError"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * (2 << 20), "LimitOverrunError"),
        (HEAD + chunk([1]), "refused"),
        (HEAD + chunk({"choices": 5}), "refused"),
    ],
)
def test_a_server_that_misbehaves_is_an_error_and_no_number(sent: bytes, error: str) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        writer.close()

    found = asked(answer, 2)
    assert all(not one.ok for one in found)
    assert error in found[0].error or error == "refused"


def test_addresses() -> None:
    assert Address.of("http://a:1/v1/") == Address("a", 1, "/v1", False)
    assert Address.of("https://a/v1").port == 443
    with pytest.raises(UsageProblem):
        Address.of("a:1")
