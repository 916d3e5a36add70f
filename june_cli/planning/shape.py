"""What decides how much memory a language model takes: its shape, from its own files or from the catalog."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from june_cli.assistant import gguf
from june_cli.errors import JuneError


@dataclass(frozen=True)
class Shape:
    """The numbers of a transformer's config.json, counts and no bytes; `experts` is 0 for a dense one."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    context: int
    intermediate: int = 0
    experts: int = 0
    experts_per_token: int = 0
    moe_intermediate: int = 0
    tied: bool = False

    @property
    def attention(self) -> int:
        """Parameters of all attention layers."""
        projected = self.hidden * self.heads * self.head_dim
        return self.layers * (2 * projected + 2 * self.hidden * self.kv_heads * self.head_dim)

    @property
    def feed_forward(self) -> int:
        """Parameters of all feed-forward layers, of all experts where there are some."""
        width = self.experts * self.moe_intermediate if self.experts else self.intermediate
        return self.layers * 3 * self.hidden * width

    @property
    def kept(self) -> int:
        """Parameters that quantizations leave at 16 bits: embeddings and the routers of experts."""
        tables = (1 if self.tied else 2) * self.vocabulary * self.hidden
        return tables + self.layers * self.hidden * self.experts

    def kv_bytes(self, per_value: float) -> float:
        """Bytes of the KV cache for one token."""
        return 2 * self.layers * self.kv_heads * self.head_dim * per_value


def of(folder: Path, known: Mapping[str, Any]) -> Shape | None:
    """The shape of a model: from its files when they are here, else as the catalog knows it, or None.

    A GGUF file is asked where the catalog does not know it: it keeps its numbers behind a whole vocabulary.
    """
    try:
        return _from_config(folder) or (_checked(known) if known else _from_gguf(folder))
    except (JuneError, OSError, ValueError, KeyError, TypeError):
        return _checked(known) if known else None


def _checked(known: Mapping[str, Any]) -> Shape:
    names = {field.name for field in fields(Shape)}
    return Shape(**{key: value for key, value in known.items() if key in names})


def _from_config(folder: Path) -> Shape | None:
    file = folder / "config.json"
    if not file.is_file():
        return None
    content = json.loads(file.read_text("utf-8"))
    content = content.get("text_config") or content
    hidden, heads = int(content["hidden_size"]), int(content["num_attention_heads"])
    return Shape(
        layers=int(content["num_hidden_layers"]),
        hidden=hidden,
        heads=heads,
        kv_heads=int(content.get("num_key_value_heads") or heads),
        head_dim=int(content.get("head_dim") or hidden // heads),
        vocabulary=int(content.get("vocab_size") or 0),
        context=int(content.get("max_position_embeddings") or 0),
        intermediate=int(content.get("intermediate_size") or 0),
        experts=int(content.get("num_experts") or content.get("num_local_experts") or 0),
        experts_per_token=int(content.get("num_experts_per_tok") or 0),
        moe_intermediate=int(content.get("moe_intermediate_size") or content.get("intermediate_size") or 0),
        tied=bool(content.get("tie_word_embeddings")),
    )


def _from_gguf(folder: Path) -> Shape | None:
    if not any(folder.glob("*.gguf")):
        return None
    with gguf.Header(gguf.file_of(folder)) as header:
        said = header.metadata
        kind = said["general.architecture"]
        heads, hidden = int(said[f"{kind}.attention.head_count"]), int(said[f"{kind}.embedding_length"])
        return Shape(
            layers=int(said[f"{kind}.block_count"]),
            hidden=hidden,
            heads=heads,
            kv_heads=int(said.get(f"{kind}.attention.head_count_kv") or heads),
            head_dim=int(said.get(f"{kind}.attention.key_length") or hidden // heads),
            vocabulary=int(said.get(f"{kind}.vocab_size") or 0),
            context=int(said.get(f"{kind}.context_length") or 0),
            intermediate=int(said.get(f"{kind}.feed_forward_length") or 0),
        )
