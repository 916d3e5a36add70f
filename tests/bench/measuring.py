"""What the benchmark scripts share: a June of its own to measure, and one way to report figures.

Nothing here asserts. A script exits 0 once it has measured, whether or not a bar was met.
"""

from __future__ import annotations

import argparse
import asyncio
import compileall
import io
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from june_cli import plugins
from june_cli.assistant.audio import SPEECH_RATE_HZ, Clip, decode, resample
from june_cli.assistant.llm import StreamingChat, connect
from june_cli.assistant.speech import Tts
from june_cli.engine import NAMES, Running
from june_cli.invocation import Invocation
from june_cli.output import Output
from june_cli.paths import Paths
from june_cli.words import GlobalWords

JUNE = Path(sysconfig.get_path("scripts")) / "june"
BUSY_PERCENT = 15.0
ROLES = ("stt", "llm", "tts")


@dataclass(frozen=True)
class Figure:
    """One figure: what was measured on each side, the value that the bar is about, and the bar."""

    name: str
    sides: Mapping[str, float]
    value: float
    bar: float | None = None
    kind: str = "ratio"
    met: bool | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "met", None if self.bar is None else self.value <= self.bar)

    def __str__(self) -> str:
        rows = [f"  {label:<44} {value:9.4f}" for label, value in self.sides.items()]
        verdict = "" if self.bar is None else f"   bar {self.bar:g}: {'met' if self.met else 'MISSED'}"
        return "\n".join([self.name, *rows, f"  {self.kind:<44} {self.value:9.4f}{verdict}"])


def ratio(name: str, sides: Mapping[str, float], bar: float | None = None) -> Figure:
    """The first side over the second; the sides after them are only told."""
    first, second, *_ = sides.values()
    return Figure(name, sides, first / second, bar)


def report(figures: Sequence[Figure], beside: Mapping[str, Any], *, as_json: bool) -> None:
    """Print figures, and what was seen beside them, for people or as one JSON object."""
    if as_json:
        print(json.dumps({"figures": [asdict(figure) for figure in figures], "beside": beside}))
        return
    for figure in figures:
        print(figure, end="\n\n")
    for key, value in beside.items():
        print(f"{key}: {value}")


def parser(doc: str | None) -> argparse.ArgumentParser:
    """The options every script has."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    return made


def with_engine(options: argparse.ArgumentParser, default: str = "process") -> None:
    """The option that says where services run."""
    options.add_argument("--engine", choices=NAMES, default=default, help=f"default: {default}")


def middle(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def compiled() -> None:
    """Bytecode of June's packages, and an environment whose children may use it.

    A warning on stderr when other programs are at work: they spoil what follows.
    """
    busy = psutil.cpu_percent(interval=0.5)
    if busy > BUSY_PERCENT:
        print(f"warning: other programs use {busy:.0f} % of the processors", file=sys.stderr)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for name in ("june_cli", *{plugin.package for plugin in plugins.found().values()}):
        spec = find_spec(name)
        for folder in (spec.submodule_search_locations if spec else None) or ():
            compileall.compile_dir(folder, quiet=2)


def editable() -> bool:
    """Whether this environment imports June from a working tree."""
    return "editable" in (distribution("june-cli").read_text("direct_url.json") or "")


@contextmanager
def own_home(engine: str = "") -> Iterator[dict[str, str]]:
    """The environment of a June with a state of its own, the caller's model store, and the engine if named.

    Services that somebody runs already are neither joined nor stopped.
    """
    models = Paths.of(os.environ).models
    with tempfile.TemporaryDirectory(prefix="june-bench-") as home:
        environ = {**os.environ, "JUNE_HOME": home, "MODEL_CACHE_DIR": str(models)}
        yield {**environ, "JUNE_ENGINE": engine} if engine else environ


def invocation(environ: Mapping[str, str]) -> Invocation:
    """What a command would get as `ctx.obj`, with its progress lines kept to itself."""
    return Invocation(GlobalWords(), environ, Output(stderr=io.StringIO()))


def language_model(june_: Invocation, running: Running) -> StreamingChat:
    """A client of the language model, of the kind that its service speaks: what `june talk` uses."""
    service = june_.roles.service("llm", running.engine)
    folder = next((m.source for m in service.mounts if m.env == "JUNE_MODEL_DIR"), None)
    return connect(service.api, running.address("http"), running.model, folder)


def june(words: Sequence[str], environ: Mapping[str, str]) -> dict[str, Any]:
    """Run the installed `june` with --json; its result. Ends this script when it fails."""
    done = subprocess.run([JUNE, *words, "--json"], env=environ, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 5):  # 5: a bar of the command's own was missed, the result is there
        sys.exit(f"june {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def question(running: Mapping[str, Running], audio: Path | None, text: str) -> Clip:
    """A decoded question: a recording, or a text that the voice service speaks."""
    return decode(audio) if audio else asyncio.run(_spoken(running["tts"].address("grpc"), text))


async def _spoken(address: str, text: str) -> Clip:
    async with Tts(address) as tts:
        chunks = [resample(spoken.clip, SPEECH_RATE_HZ).pcm async for spoken in tts.speak(text)]
    return Clip(np.concatenate(chunks), SPEECH_RATE_HZ)
