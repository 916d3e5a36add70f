"""The language model service: `python -m june_llm.server`, llama.cpp's own HTTP server in this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import xllamacpp

from june_cli.assistant import serving
from june_cli.assistant.ports import PORT_TAKEN_EXIT, free_port
from june_cli.errors import JuneError
from june_cli.store import where

PARALLEL = 2  # conversations answered at once; each has its share of the context


def gguf(folder: Path) -> Path:
    """The one GGUF file of a folder, or the first part of a split one."""
    files = sorted(folder.glob("*.gguf"))
    if not files or (len(files) > 1 and "-00001-of-" not in files[0].name):
        raise JuneError("model-unloadable", f"{folder} holds {len(files)} .gguf files; one model is needed.")
    return files[0]


def parameters(place: serving.Place, model: Path) -> xllamacpp.CommonParams:
    """llama.cpp's settings for this place.

    One thread fewer than cores, because its threads spin while they wait for each other: on two cores the
    second one made an answer 1.4 times faster, and 12 times slower as soon as anything else was busy.
    """
    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(model)
    wanted.model_alias = {os.environ.get("JUNE_MODEL_NAME") or model.stem}
    wanted.n_ctx = int(os.environ.get("JUNE_CONTEXT_TOKENS") or 0) or 4096
    wanted.n_parallel = PARALLEL
    wanted.cpuparams.n_threads = serving.threads(os.environ, max(1, serving.cores() - 1))
    wanted.cpuparams_batch.n_threads = wanted.cpuparams.n_threads
    wanted.hostnames = [place.host]
    wanted.port = place.port
    wanted.offline = True
    wanted.ui = False
    wanted.cors_origins = f"http://{place.host}:{place.port}"  # no web page may talk to it from a browser
    wanted.cors_origins_explicit = True
    wanted.endpoint_slots = False
    wanted.cache_ram_mib = 256
    return wanted


def main(place: serving.Place) -> None:
    """Load, serve until asked to stop."""
    model = gguf(where.checked(place.model_dir))
    if place.host == "127.0.0.1" and free_port(place.port) != place.port:
        serving.log.error("port %d on %s is taken", place.port, place.host)
        sys.exit(PORT_TAKEN_EXIT)
    try:
        server = xllamacpp.Server(parameters(place, model))
    except RuntimeError as error:
        raise JuneError("model-unloadable", f"{model} does not load: {error}") from error
    serving.log.info("%s serves %s on %s", place.name, model.name, server.listening_address)
    serving.stop_asked().wait()
    serving.log.info("%s stops", place.name)
    os._exit(0)  # llama.cpp waits for open streams to drain; the engine's patience is shorter


if __name__ == "__main__":
    serving.program(main)
