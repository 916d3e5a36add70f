"""What the load generator of `june bench llm` costs, and how exact its times are.

Against a 25-line client on aiohttp, on the same mock at full speed, in turns; and against a mock whose tokens
come every 20 ms. The mock is a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from statistics import median

import aiohttp
from june_bench.wire import Address, Connection

MOCK = """
import sys, time
from tests.echo import Echo
with Echo(word_s=float(sys.argv[1])) as echo:
    echo.answers["p"] = " ".join(["word"] * 32)
    print(echo.address, flush=True)
    time.sleep(600)
"""
BODY = {"model": "m", "messages": [{"role": "user", "content": "p"}], "stream": True}
AT_ONCE, REQUESTS = 32, 2000


async def by_june(address: str) -> float:
    left = iter(range(REQUESTS))

    async def one() -> None:
        connection = Connection(Address.of(f"http://{address}/v1"))
        for _ in left:
            assert (await connection.ask(BODY)).ok
        await connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    return REQUESTS / (time.perf_counter() - began)


async def by_aiohttp(address: str) -> float:
    left = iter(range(REQUESTS))
    url = f"http://{address}/v1/chat/completions"
    async with aiohttp.ClientSession() as session:

        async def one() -> None:
            for _ in left:
                times = []
                async with session.post(url, json=BODY) as answer:
                    async for line in answer.content:
                        if line.startswith(b"data: {") and json.loads(line[6:])["choices"][0]["delta"]:
                            times.append(time.perf_counter())  # noqa: PERF401
                assert times

        began = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(AT_ONCE)))
        return REQUESTS / (time.perf_counter() - began)


async def exact(address: str) -> list[float]:
    """The gaps that June sees where they are 20 ms."""
    connection = Connection(Address.of(f"http://{address}/v1"))
    gaps = [gap for _ in range(5) for gap in (await connection.ask(BODY)).gaps()]
    await connection.close()
    return gaps


def mock(word_s: float) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, "-c", MOCK, str(word_s)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    return process, process.stdout.readline().strip()


def main() -> None:
    process, address = mock(0.0)
    try:
        ratios = []
        for _ in range(3):
            june, other = asyncio.run(by_june(address)), asyncio.run(by_aiohttp(address))
            ratios.append(june / other)
            print(f"june {june:.0f} requests/s, aiohttp {other:.0f}, ratio {june / other:.2f}")
        print(f"median ratio {median(ratios):.2f} (bar: 1.0)")
    finally:
        process.kill()
    process, address = mock(0.02)
    try:
        gaps = asyncio.run(exact(address))
        print(f"gaps of 20 ms: median {1000 * median(gaps):.2f} ms (bar: within 1 ms, or 2 %)")
    finally:
        process.kill()


if __name__ == "__main__":
    main()
