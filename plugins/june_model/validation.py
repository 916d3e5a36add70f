"""What is wrong with an entry of a model repository, with file and line: what Triton only says in its log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from june_cli.assistant import trtllm
from june_cli.errors import JuneError
from june_cli.store.local import require_inside
from june_model import pbtxt
from june_model.pbtxt import Message

CONFIG = "config.pbtxt"
TYPES = {
    *("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
    *("FP16", "FP32", "FP64", "BF16", "STRING"),
}
PROGRAMS = {
    "python": "model.py",
    "onnxruntime": "model.onnx",
    "pytorch": "model.pt",
    "tensorrt": "model.plan",
}
REMOVED = ("tensorrtllm",)
Say = Callable[..., "Problem"]  # what is wrong, on which line, in which file


@dataclass(frozen=True)
class Problem:
    """Something that keeps Triton from loading a model. `line` is 0 where it is about a file as a whole."""

    model: str
    file: str
    line: int
    what: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.what}"


def problems(repository: Path, name: str) -> list[Problem]:
    """Everything wrong with one entry of a repository, or of what is prepared for trtllm-serve."""
    if (repository / name / trtllm.SETTINGS).exists():
        return list(_prepared(repository / name))
    return list(_problems(repository, name))


def _prepared(folder: Path) -> Iterator[Problem]:
    settings, engine = folder / trtllm.SETTINGS, folder / trtllm.ENGINE
    try:
        told = json.loads(settings.read_text("utf-8"))
        if not isinstance(told, dict):
            raise ValueError("not an object")
    except (OSError, ValueError) as error:
        yield Problem(folder.name, str(settings), 0, f"it cannot be read: {error}")
    if engine.is_dir() and not (engine / "config.json").is_file():
        yield Problem(folder.name, str(engine / "config.json"), 0, "it is missing: the engine is not whole")


def _problems(repository: Path, name: str) -> Iterator[Problem]:
    folder = repository / name
    config = folder / CONFIG

    def problem(what: str, line: int = 0, file: Path = config) -> Problem:
        return Problem(name, str(file), line, what)

    if not folder.is_dir():
        yield problem("there is no such folder", file=folder)
        return
    for path in sorted(folder.rglob("*")):
        try:
            require_inside(path, repository)
        except JuneError as error:
            yield problem(error.message.rstrip("."), file=path)
    try:
        message = pbtxt.read(config.read_text("utf-8"))
    except FileNotFoundError:
        yield problem("it is missing")
        return
    except (OSError, UnicodeDecodeError) as error:
        yield problem(f"it cannot be read: {error}")
        return
    except pbtxt.Unreadable as error:
        yield problem(str(error), error.line)
        return
    yield from _naming(message, name, problem)
    yield from _tensors(message, problem)
    if message.one("ensemble_scheduling") or message.text("platform") == "ensemble":
        yield from _steps(message, repository, problem)
    yield from _versions(message, folder, problem)
    yield from _weights(folder, problem)


def _naming(message: Message, name: str, say: Say) -> Iterator[Problem]:
    said = message.one("name")
    if said and said.value != name:
        yield say(
            f"it is named {said.value!r}, and its folder {name!r}: Triton wants both the same", said.line
        )
    backend, platform = message.text("backend"), message.text("platform")
    if not backend and not platform:
        yield say("it names no backend")
    if backend in REMOVED:
        line = message.one("backend")
        yield say(
            f"backend {backend!r} was removed from TensorRT-LLM in July 2026: the llmapi layout replaces it",
            line.line if line else 0,
        )


def _tensors(message: Message, say: Say) -> Iterator[Problem]:
    for kind in ("input", "output"):
        seen: set[str] = set()
        for entry in message.all(kind):
            tensor = entry.value
            if not isinstance(tensor, Message):
                yield say(f"{kind} must be a message in braces", entry.line)
                continue
            name = tensor.text("name")
            if not name:
                yield say(f"an {kind} has no name", entry.line)
            if name in seen:
                yield say(f"two {kind}s are named {name!r}", entry.line)
            seen.add(name)
            data_type = tensor.one("data_type")
            text = str(data_type.value) if data_type else ""
            if text.removeprefix("TYPE_") not in TYPES or not text.startswith("TYPE_"):
                line = data_type.line if data_type else entry.line
                yield say(
                    f"{kind} {name!r} has the data_type {text or 'nothing'!r}, which there is not", line
                )
            if not tensor.all("dims"):
                yield say(f"{kind} {name!r} has no dims", entry.line)


def _steps(message: Message, repository: Path, say: Say) -> Iterator[Problem]:
    scheduling = message.one("ensemble_scheduling")
    steps = scheduling.value.all("step") if scheduling and isinstance(scheduling.value, Message) else []
    if not steps:
        yield say("an ensemble without a step")
    for step in steps:
        name = step.value.text("model_name") if isinstance(step.value, Message) else ""
        if not (repository / name / CONFIG).is_file() or not name:
            yield say(f"its step {name!r} is not in the repository", step.line)


def _versions(message: Message, folder: Path, say: Say) -> Iterator[Problem]:
    numbered = [path for path in folder.iterdir() if path.is_dir() and path.name.isdigit()]
    versions = [path for path in numbered if path.name != "0"]
    if not versions:
        yield say("there is no version folder: Triton wants one named by a number, such as 1", 0, folder)
        return
    backend = message.text("backend")
    program = message.text("default_model_filename") or PROGRAMS.get(backend, "")
    latest = max(versions, key=lambda path: int(path.name))
    if program and not (latest / program).is_file():
        waits = ": Triton 2.51 waits for it for ever" if backend == "python" else ""
        yield say(f"{program} is missing{waits}", 0, latest / program)


def _weights(folder: Path, say: Say) -> Iterator[Problem]:
    """An `llmapi` entry that June has laid out keeps its checkpoint beside its settings."""
    for settings in folder.glob("*/model.yaml"):
        checkpoint = settings.parent / "weights"
        if checkpoint.is_dir() and not (checkpoint / "config.json").is_file():
            yield say("config.json is missing: this is no checkpoint", 0, checkpoint / "config.json")


def names(repository: Path) -> Sequence[str]:
    """Every entry of a repository."""
    if not repository.is_dir():
        return []
    return sorted(
        path.name for path in repository.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
