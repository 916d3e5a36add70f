"""Whether a folder of weights may be trusted: no code in it, no way out of it, a config.json that is true."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from june_cli.assistant import weights
from june_cli.errors import JuneError
from june_cli.store.local import require_inside, runs_code

INDEX = "model.safetensors.index.json"
EMBEDDING = re.compile(r"(?:^|\.)(?:embed_tokens|wte|word_embeddings|tok_embeddings)\.weight$")
LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")


def require_safe(path: Path) -> None:
    """JuneError `model-unsafe` for files that may run code when they are loaded, and links that lead out."""
    root = path if path.is_dir() else path.parent
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        require_inside(file, root)
        if file.is_file() and runs_code(file.name):
            raise JuneError(
                "model-unsafe",
                f"{file.relative_to(root)} may run code when it is loaded: it is a pickle or a program.",
                hint="take weights in safetensors, GGUF or ONNX; or remove the file, if nothing needs it",
            )


def require_consistent(folder: Path) -> None:
    """JuneError `model-inconsistent` when config.json says something else than the weights beside it."""
    config = _config(folder)
    files = sorted(folder.glob("*.safetensors"))
    if config is None or not files:
        return
    _require_whole(folder, files)
    found: dict[str, list[int]] = {}
    for file in files:
        found |= {name: shape for name, (_, shape) in weights.tensors(file).items()}
    _require_shapes(config, found)


def _config(folder: Path) -> dict[str, Any] | None:
    file = folder / "config.json"
    if not file.exists():
        return None
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _lies(f"config.json is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise _lies("config.json is no JSON object")
    return content


def _require_whole(folder: Path, files: list[Path]) -> None:
    """Every shard that the index names is there, and no other."""
    try:
        named = set(json.loads((folder / INDEX).read_text("utf-8"))["weight_map"].values())
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _lies(f"{INDEX} cannot be read: {error}") from error
    there = {file.name for file in files}
    if named != there:
        missing, extra = sorted(named - there), sorted(there - named)
        said = [f"it lacks {', '.join(missing)}"] * bool(missing) + [
            f"it does not name {', '.join(extra)}"
        ] * bool(extra)
        raise _lies(f"{INDEX} and the files differ: {' and '.join(said)}")


def _require_shapes(config: dict[str, Any], found: dict[str, list[int]]) -> None:
    text = config.get("text_config") if isinstance(config.get("text_config"), dict) else config
    assert isinstance(text, dict)  # noqa: S101 - the line above
    vocabulary, hidden, layers = (text.get(key) for key in ("vocab_size", "hidden_size", "num_hidden_layers"))
    embedding = next((shape for name, shape in found.items() if EMBEDDING.search(name)), None)
    if embedding and len(embedding) == 2:
        if isinstance(hidden, int) and embedding[1] != hidden:
            raise _lies(f"config.json says hidden_size {hidden}, the embedding has {embedding[1]}")
        if isinstance(vocabulary, int) and embedding[0] < vocabulary:
            raise _lies(f"config.json says vocab_size {vocabulary}, the embedding has {embedding[0]}")
    numbers = {int(match[1]) for name in found if (match := LAYER.search(name))}
    if isinstance(layers, int) and numbers and len(numbers) != layers:
        raise _lies(f"config.json says num_hidden_layers {layers}, the weights have {len(numbers)}")


def _lies(why: str) -> JuneError:
    return JuneError("model-inconsistent", f"{why}.", hint="download the model again, or take another copy")
