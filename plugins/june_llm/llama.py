"""llama.cpp's settings, the same for its own HTTP server and for the model inside Triton."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from june_cli.assistant import gguf, serving, weights
from june_cli.store import where

if TYPE_CHECKING:
    import xllamacpp

PARALLEL = 2  # conversations answered at once; each has its share of the context
CONTEXT_TOKENS = 4096


def loadable(folder: Path) -> Path:
    """The model of a folder, if it is whole and not too large: asked before a byte of it is loaded."""
    model = gguf.file_of(where.checked(folder))
    weights.refuse_large_on_cpu(weights.parameters(folder), model.name)
    return model


def context_tokens(environ: Mapping[str, str]) -> int:
    """The tokens of context of all conversations together: JUNE_CONTEXT_TOKENS, else a default."""
    return int(environ.get("JUNE_CONTEXT_TOKENS") or 0) or CONTEXT_TOKENS


def parameters(environ: Mapping[str, str], model: Path) -> xllamacpp.CommonParams:
    """What to load and how; where to listen is the caller's to say.

    One thread fewer than cores, because its threads spin while they wait for each other: on two cores the
    second one made an answer 1.4 times faster, and 12 times slower as soon as anything else was busy.
    """
    import xllamacpp  # 100 MB: whoever only looks whether a model can be loaded goes without

    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(model)
    wanted.model_alias = {environ.get("JUNE_MODEL_NAME") or model.stem}
    wanted.n_ctx = context_tokens(environ)
    wanted.n_parallel = PARALLEL
    wanted.cpuparams.n_threads = serving.threads(environ, max(1, serving.cores() - 1))
    wanted.cpuparams_batch.n_threads = wanted.cpuparams.n_threads
    wanted.offline = True
    wanted.ui = False
    wanted.endpoint_slots = False
    wanted.cache_ram_mib = 256
    return wanted
