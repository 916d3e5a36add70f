"""Explicit model control against a server that behaves as Triton was seen to, in its good and bad hours."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from june_cli.assistant.repository import ModelState, Repository, served_name
from june_cli.engine import Running
from june_cli.engine.ready import probe
from june_cli.errors import JuneError, NotReady, UsageProblem
from june_cli.spec import Ready

if TYPE_CHECKING:
    from tests.june_cli.assistant.conftest import Call, Start


@dataclass
class Fake:
    """Triton's answers for one model `m`. `leaves_s` is how long an unload takes; below zero, for ever."""

    state: str = "READY"
    leaves_s: float = 0.0
    answers: dict[str, Callable[[Call], None]] = field(default_factory=dict)
    until: float = 0.0

    def __call__(self, call: Call) -> None:
        act = call.path.rsplit("/", 1)[-1]
        if act in self.answers:
            self.answers[act](call)
        elif act == "index":
            call.body(200, json.dumps([self.entry()]))
        elif act == "unload":
            self.state, self.until = "UNLOADING", time.monotonic() + self.leaves_s
            call.body(200, "")
        elif act == "load":
            self.state = "READY"
            call.body(200, "")
        elif act == "generate":
            call.body(200, '{"model_name": "m", "text_output": "a"}')
        else:
            call.body(200, "")  # live, ready

    def entry(self) -> dict[str, Any]:
        if self.state == "UNLOADING" and self.leaves_s >= 0 and time.monotonic() > self.until:
            self.state = "UNAVAILABLE"
        more = {"version": "1", "state": self.state, "reason": "unloaded"} if self.state else {}
        return {"name": "m", **more}


def models(start: Start, fake: Fake) -> Repository:
    return Repository(start(fake).address)


def test_models_are_listed_with_and_without_a_state(start: Start) -> None:
    assert models(start, Fake()).index() == [ModelState("m", "1", "READY", "unloaded")]
    assert models(start, Fake(state="")).state("m") == ModelState("m", "", "", "")


def test_unloading_waits_until_the_model_is_gone(start: Start) -> None:
    fake = Fake(leaves_s=0.4)
    assert models(start, fake).unload("m")
    assert fake.state == "UNAVAILABLE"


def test_a_model_that_does_not_leave_is_told(start: Start) -> None:
    with pytest.raises(NotReady) as caught:
        models(start, Fake(leaves_s=-1)).unload("m", limit_s=0.3)
    assert (caught.value.code, caught.value.hint) == ("model-not-unloaded", "june serve restart llm")


def test_unloading_what_is_not_loaded_is_no_success(start: Start) -> None:
    assert not models(start, Fake(state="UNAVAILABLE")).unload("m")


@pytest.mark.parametrize("act", ["load", "unload"])
def test_an_unknown_name_is_an_error_with_the_known_ones(start: Start, act: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        getattr(models(start, Fake()), act)("nobody")
    assert (caught.value.code, caught.value.hint) == ("model-unknown", "known: m")


def test_loading_waits_for_an_unload_under_way(start: Start) -> None:
    fake = Fake(state="UNLOADING", leaves_s=0.3, until=time.monotonic() + 0.3)
    seen: list[str] = []
    fake.answers["load"] = lambda call: (seen.append(fake.state), call.body(200, ""))[1]
    models(start, fake).load("m")
    assert seen == ["UNAVAILABLE"]


def test_a_configuration_given_at_loading_is_passed_on(start: Start) -> None:
    server = start(Fake())
    Repository(server.address).load("m", {"backend": "python"})
    assert server.requests[-1][2] == {"parameters": {"config": '{"backend": "python"}'}}


@pytest.mark.parametrize(
    ("status", "said", "told"),
    [
        (500, "failed to load 'm', failed to poll from model repository", "only in its log"),
        (
            400,
            "load failed for model 'm': Internal: ValueError: no\n\nAt:\n  /x/model.py(3): f\n",
            "ValueError: no",
        ),
    ],
)
def test_a_model_that_does_not_load_says_why(start: Start, status: int, said: str, told: str) -> None:
    fake = Fake(answers={"load": lambda call: call.body(status, json.dumps({"error": said}))})
    with pytest.raises(JuneError, match=told) as caught:
        models(start, fake).load("m")
    assert (caught.value.code, caught.value.hint) == ("model-unloadable", "june serve logs llm")
    assert "model.py" not in caught.value.message


def test_a_load_that_never_ends_is_not_waited_for(start: Start) -> None:
    fake = Fake(answers={"load": lambda call: call.server.over.wait(20) and None})
    with pytest.raises(NotReady, match=r"not loaded after 0\.3 s"):
        models(start, fake).load("m", limit_s=0.3)


def hang(call: Call) -> None:
    call.server.over.wait(20)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda call: call.body(200, '{"text_output": ""}'), ""),
        (lambda call: call.body(200, '{"error": "exactly 1 response"}'), "exactly 1 response"),
        (lambda call: call.body(400, '{"error": "Stub process is not healthy."}'), "not healthy"),
        (lambda call: call.body(200, "<html>"), "<html>"),
        (lambda call: call.body(200, "[]"), "[]"),
        (hang, "none in 0.3 s"),
    ],
)
def test_a_probe_is_a_real_token_or_a_reason(start: Start, answer: Callable[[Call], None], told: str) -> None:
    said = models(start, Fake(answers={"generate": answer})).probe("m", limit_s=0.3)
    assert (told in said) if told else said == ""


def test_nobody_there(start: Start) -> None:
    gone = Repository("127.0.0.1:9")
    assert gone.probe("m") == "an answer from Triton"
    assert not gone.live()
    assert not gone.ready("m")
    with pytest.raises(NotReady):
        gone.index()
    with pytest.raises(NotReady):
        Repository(start(hang).address, answer_s=0.3).index()


def test_a_list_that_is_none_is_an_error(start: Start) -> None:
    for body in ("{}", "7", "[1]", "not json", '{"error": "no"}'):
        with pytest.raises(JuneError, match="does not list"):
            models(start, Fake(answers={"index": lambda call, body=body: call.body(200, body)})).index()


@pytest.mark.parametrize(
    ("name", "served"),
    [("smollm2-135m.v1_x", "smollm2-135m.v1_x"), ("My Model", "My-Model"), ("ü", "-"), ("", "model")],
)
def test_names_that_triton_bears(name: str, served: str) -> None:
    assert served_name(name) == served


@pytest.mark.parametrize(
    ("fake", "awaited"),
    [
        (Fake(), ""),
        (Fake(answers={"live": lambda call: call.body(400, "")}), "an answer from Triton"),
        (Fake(answers={"ready": lambda call: call.body(400, "")}), "the model to load"),
        (
            Fake(answers={"generate": lambda call: call.body(400, '{"error": "no"}')}),
            "a token from the model",
        ),
    ],
)
def test_a_service_is_ready_once_its_model_writes(start: Start, fake: Fake, awaited: str) -> None:
    ports = {"http": start(fake).server_port, "grpc": 1}
    running = Running("llm", "process", "1", ports, "", "m", kept=False, started_at=0.0)
    said = probe(Ready("triton", port="http", model="m"), running, list)
    assert said.startswith(awaited) if awaited else said == ""


def test_two_may_unload_at_once(start: Start) -> None:
    repository, done = models(start, Fake(leaves_s=0.3)), []
    threads = [threading.Thread(target=lambda: done.append(repository.unload("m"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(done) == 2


def test_an_unload_that_a_load_overtakes_is_not_waited_for(start: Start) -> None:
    fake = Fake(leaves_s=0.2)
    looks = 0

    def index(call: Call) -> None:
        nonlocal looks
        looks += 1
        fake.state = fake.state if looks < 3 else "READY"  # somebody has loaded it again
        call.body(200, json.dumps([fake.entry()]))

    fake.answers["index"] = index
    began = time.monotonic()
    assert models(start, fake).unload("m")
    assert time.monotonic() - began < 2


def test_what_a_server_says_gives_a_terminal_no_orders(start: Start) -> None:
    fake = Fake()
    fake.answers["index"] = lambda call: call.body(
        200, json.dumps([{"name": "m", "state": "UNAVAILABLE", "reason": "\x1b[31mred\x07\nline"}])
    )
    assert models(start, fake).state("m").reason == "[31mred line"
