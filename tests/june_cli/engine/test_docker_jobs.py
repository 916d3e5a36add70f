"""A job in a container: its lines in, its one result out, and nothing left; a small client is the SDK."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import requests
from docker.errors import APIError, NotFound
from hypothesis import given
from hypothesis import strategies as st

from june_cli.engine import docker_jobs, jobs
from june_cli.errors import JuneError, MachineLacks
from june_cli.spec import Gpu, Job

JOB = Job(
    name="check", summary="", image="stt", command=("python", "-m", "june_stt.job_check"), deadline_s=20
)
Chunk = tuple[bytes | None, bytes | None]


def out(*messages: object) -> list[Chunk]:
    """What a job writes to stdout, a chunk a line."""
    return [(json.dumps(message).encode() + b"\n", None) for message in messages]


def err(text: str) -> Chunk:
    return None, text.encode()


class Client:
    """Runs one container: it says these chunks and ends with this code. `refuses`: calls that fail."""

    def __init__(
        self, chunks: Iterable[Chunk] = (), code: int = 0, *, hangs: bool = False, **state: Any
    ) -> None:
        self.chunks, self.code, self.hangs, self.state = chunks, code, hangs, state
        self.refuses: dict[str, Exception] = {}
        self.calls: list[str] = []
        self.removed: list[tuple[str, dict[str, Any]]] = []
        self.killed = threading.Event()
        self.wait_s = 0.0

    def _called(self, what: str) -> None:
        self.calls.append(what)
        if what in self.refuses:
            raise self.refuses[what]

    def create_container_from_config(self, body: dict[str, Any], name: str) -> dict[str, Any]:
        self._called("create")
        assert (body, name) == ({"Image": "stt"}, "june-check")
        return {"Id": "c0ffee"}

    def attach(self, container: str, *, stream: bool, logs: bool, demux: bool) -> Iterator[Chunk]:
        self._called("attach")
        assert (container, stream, logs, demux) == ("c0ffee", True, False, True)
        return self._said()

    def _said(self) -> Iterator[Chunk]:
        yield from self.chunks
        if self.hangs:
            assert self.killed.wait(20)

    def start(self, container: str) -> None:
        self._called("start")
        assert container == "c0ffee"

    def kill(self, container: str) -> None:
        self.killed.set()
        self._called("kill")
        assert container == "c0ffee"

    def wait(self, container: str, timeout: float) -> dict[str, Any]:
        self._called("wait")
        assert container == "c0ffee"
        self.wait_s = timeout
        return {"StatusCode": self.code}

    def inspect_container(self, container: str) -> dict[str, Any]:
        assert container == "c0ffee"
        state = {"Running": False, "ExitCode": self.code, **self.state}
        return {"Name": "/june-check", "State": state, "HostConfig": {"Memory": 2**30}}

    def remove_container(self, container: str, **how: Any) -> None:
        self.removed.append((container, how))


def run(client: Client, job: Job = JOB) -> tuple[Any, list[dict[str, Any]]]:
    """The result, and the events before it; whatever happens, the container is gone afterwards."""
    events: list[dict[str, Any]] = []
    try:
        result = docker_jobs.run(client, job, {"Image": "stt"}, "june-check", events.append)
    finally:
        gone = [("c0ffee", {"force": True, "v": True})]
        assert client.removed == (gone if "create" not in client.refuses else [])
    return result, events


def failure(client: Client, job: Job = JOB) -> JuneError:
    with pytest.raises(JuneError) as caught:
        run(client, job)
    return caught.value


def test_events_are_handed_on_as_they_come_and_the_result_ends_it() -> None:
    client = Client(out({"event": "step", "n": 1}, {"event": "step", "n": 2}, {"result": {"ok": True}}))
    assert run(client) == ({"ok": True}, [{"event": "step", "n": 1}, {"event": "step", "n": 2}])
    assert client.calls == ["create", "attach", "start", "wait"], "nothing it says at its start is missed"


def test_a_result_may_be_nothing_at_all() -> None:
    assert run(Client(out({"result": None}))) == (None, [])


def test_what_a_library_prints_is_no_event_and_no_failure() -> None:
    noise: list[Chunk] = [(b"Loading weights...\n3\n[]\n", None), (b"\xff\xfe\n", None)]
    assert run(Client([*noise, *out({"result": 1})])) == (1, [])


MESSAGES = [{"event": "a", "text": "é 世界"}, {"event": "b"}, {"result": [1, 2]}]


@given(st.lists(st.integers(0, 90), max_size=10), st.booleans())
def test_however_docker_cuts_the_stream_the_messages_are_the_same(cuts: list[int], ended: bool) -> None:
    text = "\n".join(json.dumps(message, ensure_ascii=False) for message in MESSAGES) + "\n" * ended
    content = text.encode()
    places = [0, *sorted(cuts), len(content)]
    chunks: list[Chunk] = [(content[a:b], None) for a, b in pairwise(places)]
    chunks.insert(1, err("a warning in between"))
    assert run(Client(chunks)) == ([1, 2], MESSAGES[:2])


def test_an_error_is_raised_as_the_job_said_it() -> None:
    said = {"error": {"code": "audio-empty", "message": "there is no sound.", "hint": "record some"}}
    error = failure(Client(out(said), code=1))
    assert (error.code, error.message, error.hint) == ("audio-empty", "there is no sound.", "record some")


@pytest.mark.parametrize("said", ["broken", {"message": "broken"}, {"message": "broken", "extra": 1}])
def test_an_error_in_another_shape_is_still_the_jobs_failure(said: object) -> None:
    error = failure(Client(out({"error": said}), code=1))
    assert (error.code, error.message, error.hint) == ("job-failed", "broken", "")


def test_a_job_without_a_result_is_explained_by_how_it_ended_and_its_last_words() -> None:
    client = Client([err("Traceback\n  File x\n"), err("ImportError: no module named numpy\n")], code=1)
    assert failure(client).message == (
        "check gave no result: it ended with exit code 1: ImportError: no module named numpy."
    )


def test_a_job_that_ends_well_and_says_nothing_has_failed() -> None:
    assert failure(Client()).message == "check gave no result: it said nothing."


def test_a_job_that_fails_after_its_result_has_failed() -> None:
    error = failure(Client([err("Segmentation fault"), *out({"result": 1})], code=139))
    assert error.message == "check gave no result: it was ended by SIGSEGV: Segmentation fault."


def test_a_job_that_ran_out_of_memory_is_told_so() -> None:
    error = failure(Client(code=137, OOMKilled=True))
    assert "it ran out of memory and was killed (its limit is 1 GiB)" in error.message


def test_a_job_past_its_deadline_is_killed() -> None:
    client = Client(out({"event": "begun"}), code=137, hangs=True)
    began = time.monotonic()
    error = failure(client, replace(JOB, deadline_s=0.2))
    assert (error.code, error.message) == ("timeout", "check took longer than 0 s.")
    assert 0.2 <= time.monotonic() - began < 10
    assert "kill" in client.calls


@pytest.mark.parametrize(
    "refusal", [APIError("409 Conflict: is not running"), requests.exceptions.ConnectionError("gone")]
)
def test_a_kill_that_comes_too_late_is_nobodys_business(refusal: Exception) -> None:
    """Also on the thread it happens on: a traceback there would be printed, and fails this test."""
    client = Client(hangs=True)
    client.refuses["kill"] = refusal
    assert failure(client, replace(JOB, deadline_s=0.05)).code == "timeout"
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join()


def test_a_job_in_time_is_never_killed() -> None:
    client = Client(out({"result": 1}))
    run(client, replace(JOB, deadline_s=0.2))
    assert not client.killed.wait(0.4)


def test_a_job_that_does_not_end_after_its_result_is_named_not_the_engine() -> None:
    client = Client(out({"result": 1}))
    client.refuses["wait"] = requests.exceptions.ReadTimeout("Read timed out.")
    error = failure(client, replace(JOB, stop_s=2))
    assert error.code == "job-failed"
    assert "it did not end within 7 s of its last word" in error.message


def test_a_job_has_its_own_time_to_end() -> None:
    client = Client(out({"result": 1}))
    run(client, replace(JOB, stop_s=30))
    assert client.wait_s >= 30


def test_a_line_without_end_stops_the_job() -> None:
    error = failure(Client([(b"x" * (jobs.LINE_CAP // 2 + 1), None)] * 3, hangs=True))
    assert (error.code, str(jobs.LINE_CAP) in error.message) == ("job-failed", True)


def test_a_person_who_has_seen_enough_leaves_no_container_behind() -> None:
    client = Client(out({"event": "step"}), hangs=True)

    def enough(event: dict[str, Any]) -> None:
        raise KeyboardInterrupt(event)

    with pytest.raises(KeyboardInterrupt):
        docker_jobs.run(client, JOB, {"Image": "stt"}, "june-check", enough)
    assert [container for container, _ in client.removed] == ["c0ffee"]


REFUSALS = [
    ("create", 'Conflict. The container name "/june-check" is already in use', "name-taken"),
    ("create", "invalid mount config: bind source path does not exist: /models", "mount-missing"),
    ("start", 'could not select device driver "" with capabilities: [[gpu]]', "gpu-unavailable"),
    ("start", "nvidia-container-cli: initialization error: nvml error", "gpu-unavailable"),
    ("start", "cdi device injection failed: unresolvable CDI devices nvidia.com/gpu=0", "gpu-unavailable"),
    ("start", "driver failed: Bind for 127.0.0.1:50051 failed: port is already allocated", "port-taken"),
    ("start", "write /var/lib/docker: no space left on device", "disk-full"),
    ("start", "OCI runtime create failed", "docker-refused"),
    ("attach", "internal error", "docker-refused"),
]


@pytest.mark.parametrize(("call", "said", "code"), REFUSALS)
def test_a_container_that_cannot_be_had_is_explained_and_removed(call: str, said: str, code: str) -> None:
    client = Client()
    client.refuses[call] = APIError("500 Server Error", explanation=said)
    error = failure(client, replace(JOB, gpu=Gpu()))
    assert error.code == code
    assert "start" not in client.calls or call == "start"


def test_a_job_without_a_gpu_is_not_told_to_mend_one() -> None:
    client = Client()
    client.refuses["start"] = APIError("500", explanation="nvidia-container-cli: error")
    assert failure(client).code == "docker-refused"


@pytest.mark.parametrize(
    ("call", "refusal", "code"),
    [
        ("create", requests.exceptions.ConnectionError("refused"), "docker-missing"),
        ("start", requests.exceptions.ReadTimeout("timed out"), "docker-silent"),
        ("wait", NotFound("404", explanation="No such container: c0ffee"), "docker-refused"),
    ],
)
def test_an_engine_that_goes_away_meanwhile_is_named(call: str, refusal: Exception, code: str) -> None:
    client = Client(out({"result": 1}))
    client.refuses[call] = refusal
    error = failure(client)
    assert error.code == code
    assert isinstance(error, MachineLacks) == (code != "docker-refused")
