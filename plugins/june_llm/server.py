"""The language model service: `python -m june_llm.server`, llama.cpp's own HTTP server in this process."""

from __future__ import annotations

import os

import xllamacpp

from june_cli.assistant import serving
from june_cli.errors import JuneError
from june_llm import llama


def main(place: serving.Place) -> None:
    """Load, serve until asked to stop."""
    model = llama.loadable(place.model_dir)
    if place.host == "127.0.0.1":
        serving.require_free(place.host, place.port)
    wanted = llama.parameters(os.environ, model)
    wanted.hostnames = [place.host]
    wanted.port = place.port
    wanted.cors_origins = f"http://{place.host}:{place.port}"  # no web page may talk to it from a browser
    wanted.cors_origins_explicit = True
    try:
        server = xllamacpp.Server(wanted)
    except RuntimeError as error:
        raise JuneError("model-unloadable", f"{model} does not load: {error}") from error
    serving.log.info("%s serves %s on %s", place.name, model.name, server.listening_address)
    serving.stop_asked().wait()
    serving.log.info("%s stops", place.name)
    os._exit(0)  # llama.cpp waits for open streams to drain; the engine's patience is shorter


if __name__ == "__main__":
    serving.program(main)
