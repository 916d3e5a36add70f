"""The language model inside Triton: a Python-backend model around llama.cpp with the tensors of `llmapi`.

Runs in the process that Triton starts for it, set up by the launcher's environment variables. As in llmapi,
each response of a stream repeats the whole text so far. A client that leaves a stream ends the generation;
one that leaves `/generate` does not, for Triton 2.51 notices it only when the answer is whole.

llama.cpp's server is used as a library. It insists on a listener: that is a Unix socket, whose name is taken
away as soon as it is there, so that nobody can reach the model but through Triton.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb
import xllamacpp

from june_cli.assistant import gguf
from june_cli.assistant.tensors import CONTEXT, Asked, asked
from june_cli.errors import JuneError
from june_llm import llama

FINAL = pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL
MAX_WAITING = 64
CANCEL_CHECK_S = 0.05  # asking Triton whether the client is still there costs a trip to its process
# Triton notices that a client has left only once a response is on its way: during a long prompt, one without
# anything new is sent now and then. It also shows a client that waits that the model is at work.
ALIVE_S = 1.0
# Tokens of a prompt between two looks at whether it is still wanted: 1 s of a small model on one core. A
# prompt took 5 % longer than in llama.cpp's own steps of 512; in steps of 32, 11 %.
BATCH = 64


class TritonPythonModel:
    """What Triton calls."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model and have it write a token. Whoever wanted it loaded is told the exception."""
        try:
            self._llama = _Llama(llama.loadable(_weights(args)), _environ(args))
        except JuneError as error:
            raise pb.TritonModelException(error.message) from error
        self._waiting = threading.BoundedSemaphore(MAX_WAITING)
        self._closing = threading.Event()
        self._long = ThreadPoolExecutor(llama.PARALLEL, thread_name_prefix="answer")
        # Whether the model is alive is asked by having it write one token: that waits for no long answer.
        self._short = ThreadPoolExecutor(1, thread_name_prefix="token")
        pb.Logger.log_info(f"{args['model_name']}: loaded")

    def execute(self, requests: Sequence[Any]) -> None:
        """Take requests; they are answered from other threads, and `None` tells Triton so."""
        for request in requests:
            sender = request.get_response_sender()
            try:
                wanted = asked(partial(_values, request))
            except ValueError as error:
                sender.send(_failure(str(error), pb.TritonError.INVALID_ARG), flags=FINAL)
                continue
            if not self._waiting.acquire(blocking=False):
                sender.send(_failure("too many requests at once", pb.TritonError.UNAVAILABLE), flags=FINAL)
                continue
            pool = self._short if wanted.max_tokens == 1 else self._long
            pool.submit(self._answer, request, sender, wanted)

    def finalize(self) -> None:
        """Let go of the model; what is still being written ends."""
        self._closing.set()
        self._long.shutdown()
        self._short.shutdown()
        del self._llama

    def _answer(self, request: Any, sender: Any, wanted: Asked) -> None:
        answer = _Answer(sender, wanted, _Gone(request, self._closing))
        try:
            self._llama.write(wanted, answer.take)
            answer.end()
        except Exception as error:  # noqa: BLE001 - else the client would wait for ever
            pb.Logger.log_error(f"a request failed: {error!r}")
            sender.send(
                _failure(f"the model failed ({type(error).__name__})", pb.TritonError.INTERNAL), flags=FINAL
            )
        finally:
            self._waiting.release()


def _weights(args: dict[str, str]) -> Path:
    """The folder of a built model's own weights; of the service's model where it has none."""
    own = Path(args["model_repository"], args["model_version"], "weights")
    return own if own.is_dir() else Path(os.environ["JUNE_MODEL_DIR"])


def _environ(args: dict[str, str]) -> dict[str, str]:
    """What the service is told, and over it what the model's own configuration says."""
    said = json.loads(args["model_config"]).get("parameters", {}).get(CONTEXT, {}).get("string_value")
    own = {"JUNE_MODEL_NAME": args["model_name"], **({"JUNE_CONTEXT_TOKENS": said} if said else {})}
    return {**os.environ, **own}


class _Llama:
    """llama.cpp, with the model in it."""

    def __init__(self, model: Path, environ: Mapping[str, str]) -> None:
        wanted = llama.parameters(environ, model)
        # Slots share the context's memory, so that one more for single tokens costs none; nobody gets more of
        # it than a slot of the HTTP server has.
        wanted.kv_unified, wanted.kv_unified_per_slot = True, wanted.n_ctx // llama.PARALLEL
        wanted.n_parallel = llama.PARALLEL + 1
        wanted.n_batch = wanted.n_ubatch = BATCH
        wanted.n_threads_http = 1
        wanted.verbosity = 1  # errors; a line a request would fill the server's log
        wanted.port = 0
        with tempfile.TemporaryDirectory(prefix="llm-") as folder:
            socket = f"{folder}/s.sock"
            wanted.hostnames = [
                socket if len(socket) < 100 else "127.0.0.1"
            ]  # the kernel takes no longer ones
            try:
                self._server = xllamacpp.Server(wanted)
            except RuntimeError as error:
                raise JuneError("model-unloadable", f"{model} does not load: {error}") from error
        with gguf.Header(model) as header:
            self._bos = gguf.special_token(header.metadata, "bos")
        if not self._bos or self._tokens(self._bos) < 2:
            self._bos = ""  # the tokeniser puts none in front

    def write(self, wanted: Asked, take: Callable[[dict[str, Any]], bool]) -> None:
        """Generate; `take` gets each event and says whether to stop, which frees the processor at once.

        A prompt that begins with the first token, as rendered templates do, must not get a second one.
        """
        body = {
            "prompt": wanted.prompt.removeprefix(self._bos),
            "max_tokens": wanted.max_tokens,
            "stream": True,
            "return_progress": True,  # an event a batch of the prompt: a chance to stop before its end
            **wanted.sampling,
        }
        self._run(body, take)

    def _tokens(self, text: str) -> int:
        """How many tokens the tokeniser makes of a text; and the proof that the model can write one."""
        seen: list[dict[str, Any]] = []

        def take(event: dict[str, Any]) -> bool:
            seen.append(event)
            return False

        self._run({"prompt": text, "max_tokens": 1, "stream": True}, take)
        if not seen or "usage" not in seen[-1]:
            raise JuneError("model-unloadable", f"the model loads but writes nothing: {seen[-1:]!r:.300}")
        return int(seen[-1]["usage"]["prompt_tokens"])

    def _run(self, body: dict[str, Any], take: Callable[[dict[str, Any]], bool]) -> None:
        """The library drops what its callback raises, and goes on; here that ends it, and is raised."""
        raised: list[Exception] = []

        def called(events: Any) -> bool:
            try:
                return any(take(event) for event in (events if isinstance(events, list) else [events]))
            except Exception as error:  # noqa: BLE001 - raised again below
                raised.append(error)
                return True

        self._server.handle_completions(body, called)
        if raised:
            raise raised[0]


class _Gone:
    """Whether an answer is still wanted; asked after every token, but passed on less often."""

    def __init__(self, request: Any, closing: threading.Event) -> None:
        self._request, self._closing, self._asked, self._gone = request, closing, 0.0, False

    def __call__(self) -> bool:
        now = time.monotonic()
        if not self._gone and now - self._asked > CANCEL_CHECK_S:
            self._asked, self._gone = now, self._closing.is_set() or self._request.is_cancelled()
        return self._gone


class _Answer:
    """Turns llama.cpp's events into responses."""

    def __init__(self, sender: Any, wanted: Asked, gone: _Gone) -> None:
        self._sender, self._wanted, self._gone = sender, wanted, gone
        self._text = wanted.prompt if wanted.echo else ""
        self._finish, self._error, self._stopped = "", "", False
        self._usage: dict[str, int] = {}
        self._sent_at = time.monotonic()

    def take(self, event: dict[str, Any]) -> bool:
        """One event; True when no more are wanted."""
        if "error" in event:
            error = event["error"]
            self._error = str(error.get("message", error) if isinstance(error, dict) else error)
            return True
        choice = event["choices"][0]
        self._finish = choice.get("finish_reason") or ""
        self._usage = event.get("usage") or self._usage
        self._text += choice.get("text") or ""
        self._stopped = not self._finish and self._gone()
        quiet = not choice.get("text") and time.monotonic() - self._sent_at < ALIVE_S
        if self._wanted.streaming and not self._stopped and not self._finish and not quiet:
            self._sender.send(self._response())
            self._sent_at = time.monotonic()
        return self._stopped

    def end(self) -> None:
        """The final response."""
        if self._error:
            response = _failure(self._error, pb.TritonError.INVALID_ARG)
        elif self._stopped:
            response = _failure("the request was cancelled", pb.TritonError.CANCELLED)
        elif not self._finish:
            response = _failure("the model stopped without a reason", pb.TritonError.INTERNAL)
        else:
            response = self._response()
        self._sender.send(response, flags=FINAL)

    def _response(self) -> Any:
        wanted, tensors = self._wanted, [_tensor("text_output", self._text)]
        if wanted.finish_reason:
            tensors.append(_tensor("finish_reason", self._finish or "None"))  # llmapi spells it so
        if self._finish and wanted.num_input_tokens:
            tensors.append(_count("num_input_tokens", self._usage["prompt_tokens"]))
        if self._finish and wanted.num_output_tokens:
            tensors.append(_count("num_output_tokens", self._usage["completion_tokens"]))
        return pb.InferenceResponse(tensors)


def _values(request: Any, name: str) -> Any:
    tensor = pb.get_input_tensor_by_name(request, name)
    return None if tensor is None else tensor.as_numpy()


def _tensor(name: str, text: str) -> Any:
    return pb.Tensor(name, np.array([text.encode()], dtype=np.object_))


def _count(name: str, number: int) -> Any:
    return pb.Tensor(name, np.array([number], dtype=np.uint32))


def _failure(why: str, code: Any) -> Any:
    return pb.InferenceResponse(error=pb.TritonError(why, code))
