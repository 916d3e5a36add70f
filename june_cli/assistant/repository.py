"""Triton's explicit model control, made honest: what it says is checked, what it leaves open is waited for.

Triton answers "done" to the unloading of models it never had, unloads in the background, and calls a model
ready whose process was killed. Only the standard library is used: a wait for readiness must not cost imports.
"""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from june_cli.errors import JuneError, NotReady, UsageProblem

POLL_S = 0.05
ANSWER_S = 10.0
PROBE_S = 2.0
BEGINS_S = 5.0  # within which Triton begins to unload what it was told to
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")  # what would be an order to a terminal
RESTART = "june serve restart llm"
LOG = "june serve logs llm"
LOADED = ("READY", "LOADING", "UNLOADING")


@dataclass(frozen=True)
class ModelState:
    """A model of the repository. `state` is empty for one that was never loaded."""

    name: str
    version: str
    state: str
    reason: str


def served_name(model: str) -> str:
    """What a model is called inside Triton: a name with a space in it ends the whole server (2.51)."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", model) or "model"


class Repository:
    """The models of one Triton, at `host:port` of its HTTP port.

    `restart` and `log` are what a hint says to do about it; the defaults are for one that June runs.
    """

    def __init__(
        self, address: str, *, answer_s: float = ANSWER_S, restart: str = RESTART, log: str = LOG
    ) -> None:
        self._address, self._answer_s, self._restart, self._log = address, answer_s, restart, log

    def index(self) -> list[ModelState]:
        """Every model of the repository, loaded or not."""
        try:
            status, said = self._post("/v2/repository/index", {}, self._answer_s)
        except TimeoutError as error:
            raise NotReady(
                "llm-timeout", f"Triton did not answer within {self._answer_s:g} s.", hint=self._restart
            ) from error
        try:
            entries: Any = json.loads(said) if status == http.client.OK else None
            if not isinstance(entries, list):
                raise TypeError("no list")
            fields = ModelState.__annotations__
            return [ModelState(**{k: _plain(str(e.get(k, ""))) for k in fields}) for e in entries]
        except (ValueError, TypeError, AttributeError) as error:
            raise JuneError("triton-failed", f"Triton does not list its models: {_error(said)}") from error

    def state(self, name: str) -> ModelState:
        """One model. UsageProblem `model-unknown` for a name that is not in the repository."""
        known = self.index()
        found = [model for model in known if model.name == name]
        if not found:
            names = ", ".join(sorted({model.name for model in known})) or "none"
            raise UsageProblem(
                "model-unknown", f"Triton has no model {name!r} in its repository.", hint=f"known: {names}"
            )
        return max(found, key=lambda model: (model.state == "READY", model.state in LOADED))

    def load(self, name: str, config: Mapping[str, Any] | None = None, *, limit_s: float = 600.0) -> None:
        """Load a model, or do nothing when it is loaded and unchanged. `config` overrides its config.pbtxt.

        A model still being unloaded is waited for: loaded at once, it would be in memory twice. NotReady when
        it takes longer than `limit_s`, which for a model without a model.py is for ever; JuneError
        `model-unloadable` with the cause, or where Triton keeps that to itself, where to read it.
        """
        deadline = time.monotonic() + limit_s
        if self._left(name, ("UNLOADING",), deadline):
            raise self._stuck(name, limit_s)
        body = {"parameters": {"config": json.dumps(config)}} if config else {}
        try:
            status, said = self._post(self._path(name, "load"), body, deadline - time.monotonic())
        except TimeoutError as error:
            raise NotReady(
                "model-not-loaded", f"{name} was not loaded after {limit_s:g} s.", hint=self._log
            ) from error
        if status == http.client.OK:
            return
        why = _error(said)
        if "failed to poll from model repository" in why:  # the same words for every mistake in its files
            why = "Triton cannot read its folder or its config.pbtxt, and says why only in its log"
        raise JuneError("model-unloadable", f"{name} does not load: {why}", hint=self._log)

    def unload(self, name: str, *, limit_s: float = 60.0) -> bool:
        """Unload a model and wait until it is gone; False when it was not loaded.

        What it is answering is answered to the end first. NotReady when it is not gone after `limit_s`: a
        request hangs in it, or its process has died. UsageProblem for a name that is not in the repository.
        """
        deadline = time.monotonic() + limit_s
        if self.state(name).state not in LOADED:
            return False
        try:
            status, said = self._post(self._path(name, "unload"), {}, limit_s)
        except TimeoutError as error:  # it waits for a load under way
            raise self._stuck(name, limit_s) from error
        if status != http.client.OK:
            raise JuneError("triton-failed", f"Triton does not unload {name}: {_error(said)}", hint=self._log)
        if self._going(name, deadline):
            raise self._stuck(name, limit_s)
        return True

    def live(self) -> bool:
        """Whether the server answers at all; its own readiness turns false when any model fails to load."""
        return self._get("/v2/health/live") == http.client.OK

    def ready(self, name: str) -> bool:
        """Whether Triton believes the model to be ready, which it also does when its process is dead."""
        return self._get(f"/v2/models/{quote(name, safe='')}/ready") == http.client.OK

    def probe(self, name: str, *, limit_s: float = PROBE_S) -> str:
        """Have the model write one token: empty when it does, else what is amiss in a few words."""
        asked = {
            "text_input": "Hello",
            "sampling_param_max_tokens": 1,
            "sampling_param_temperature": 0.0,
            "sampling_param_exclude_input_from_output": True,
        }
        path = f"/v2/models/{quote(name, safe='')}/generate"
        try:
            status, said = self._post(path, asked, limit_s)
        except TimeoutError:
            return f"a token from the model (none in {limit_s:g} s)"
        except NotReady:
            return "an answer from Triton"
        try:
            answer = json.loads(said)
        except ValueError:
            answer = None
        if status == http.client.OK and isinstance(answer, dict) and "text_output" in answer:
            return ""
        return f"a token from the model (it says: {_error(said)})"

    def _left(self, name: str, states: Sequence[str], deadline: float) -> str:
        """Wait until a model is in none of these states: the state it is still in when time is up."""
        while (state := self.state(name).state) in states:
            if time.monotonic() > deadline:
                return state
            time.sleep(POLL_S)
        return ""

    def _going(self, name: str, deadline: float) -> bool:
        """Wait until a model is gone; whether it is not, when time is up. One that is loaded again was gone.

        It may be called loaded for a moment more, before Triton has begun.
        """
        began, seen = time.monotonic(), False
        while (state := self.state(name).state) in LOADED:
            seen = seen or state == "UNLOADING"
            now = time.monotonic()
            if state != "UNLOADING" and (seen or now - began > BEGINS_S):
                return False
            if now > deadline:
                return True
            time.sleep(POLL_S)
        return False

    def _stuck(self, name: str, limit_s: float) -> NotReady:
        return NotReady(
            "model-not-unloaded",
            f"{name} is still being unloaded after {limit_s:g} s: a request hangs in it, or it died.",
            hint=self._restart,
        )

    def _path(self, name: str, what: str) -> str:
        return f"/v2/repository/models/{quote(name, safe='')}/{what}"

    def _get(self, path: str) -> int:
        try:
            return self._asked("GET", path, b"", self._answer_s)[0]
        except (NotReady, TimeoutError):
            return 0

    def _post(self, path: str, body: Mapping[str, Any], limit_s: float) -> tuple[int, bytes]:
        return self._asked("POST", path, json.dumps(body).encode(), limit_s)

    def _asked(self, method: str, path: str, body: bytes, limit_s: float) -> tuple[int, bytes]:
        """Status and body. NotReady when nobody answers, TimeoutError when nobody answers in time."""
        host, _, port = self._address.rpartition(":")
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=max(0.1, limit_s))
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read(1_000_000)
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise NotReady(
                "service-lost", f"Triton cannot be reached ({type(error).__name__}).", hint=self._restart
            ) from error
        finally:
            connection.close()


def _error(said: bytes) -> str:
    """Triton's own words, in one line: a Python backend adds where in which file it happened."""
    text = said.decode("utf-8", "replace")
    with suppress(ValueError, KeyError, TypeError):
        text = str(json.loads(text)["error"])
    return _plain(text.split("\n\nAt:")[0])[:300] or "(nothing)"


def _plain(text: str) -> str:
    """One line without control characters, whoever wrote it."""
    return " ".join(CONTROL.sub(" ", text).split())
