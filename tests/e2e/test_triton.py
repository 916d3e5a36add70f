"""A real Triton in the process engine: what June's client, raw HTTP and gRPC see of it, hurt or whole."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from june_llm import triton as launcher

from june_cli.assistant.llm import Delta, Message, Sampling, StreamingChat, connect
from june_cli.assistant.repository import Repository
from june_cli.errors import JuneError, MachineLacks, NotReady, UsageProblem

if TYPE_CHECKING:
    from tests.e2e.conftest import RealJune

MODEL = "smollm2-135m-instruct"
CONFIG = '[profiles.tiny.llm]\nservice = "llm-triton"\n'
STORY = [Message("user", "Write a very long story about a dog, a cat and a house.")]
ENDLESS = Sampling(max_tokens=3000, temperature=1.0)
GREEDY = Sampling(max_tokens=24, temperature=0.0)


@dataclass
class Triton:
    """A june whose language model runs in Triton, and ways to look at it."""

    june: RealJune

    @property
    def server(self) -> psutil.Process:
        (found,) = [p for p in self.june.services() if p.name() == "tritonserver"]
        return found

    @property
    def stub(self) -> psutil.Process:
        (found,) = [p for p in self.server.children(recursive=True) if p.name().startswith("triton_python")]
        return found

    def ports(self) -> dict[str, int]:
        services = self.june("serve", "status", "--json", code=None).json["services"]
        return next(dict(s["ports"]) for s in services if s["service"] == "llm")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.ports()['http']}"

    @property
    def folder(self) -> Path:
        models = Path(self.june.environ["MODEL_CACHE_DIR"])
        return next(path.parent for path in (models / MODEL).rglob("*.gguf"))

    def client(self, idle_s: float = 20.0) -> StreamingChat:
        return connect("triton", self.address, MODEL, self.folder, idle_s=idle_s)

    def ask(self, text: str, sampling: Sampling = GREEDY, **options: Any) -> list[Delta]:
        async def asked() -> list[Delta]:
            async with self.client(**options) as llm:
                return [delta async for delta in llm.stream([Message("user", text)], sampling)]

        return asyncio.run(asked())

    def busy(self, seconds: float = 0.5) -> float:
        """What the model's process uses of a processor."""
        stub = self.stub
        before = stub.cpu_times()
        time.sleep(seconds)
        after = stub.cpu_times()
        return (after.user + after.system - before.user - before.system) / seconds

    def idle(self, within_s: float) -> bool:
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            if self.busy(0.3) < 0.05:
                return True
        return False

    def post(self, path: str, body: dict[str, Any] | bytes) -> tuple[int, str]:
        """As curl would."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.address}/v2/models/{MODEL}/{path}", data)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def text(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def events(body: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data:")) for line in body.splitlines() if line.startswith("data:")]


@pytest.fixture(scope="module")
def startable() -> None:
    """Skips where no Triton can start, in the launcher's own words."""
    from tests.e2e.conftest import required

    try:
        launcher.require_python(launcher.found(os.environ))
    except MachineLacks as error:
        required("triton", error.message)


def made(base: Path, models: Path, config: str = CONFIG) -> RealJune:
    from tests.e2e.conftest import RealJune

    (base / "work").mkdir(parents=True)
    (base / "home" / "config").mkdir(parents=True)
    (base / "home" / "config" / "config.toml").write_text(config, "utf-8")
    return RealJune(base / "home", base / "work", {"MODEL_CACHE_DIR": str(models), "JUNE_ENGINE": "process"})


@pytest.fixture(scope="module")
def shared(startable: None, tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Triton]:
    """One Triton for the tests that leave it whole."""
    del startable
    june = made(tmp_path_factory.mktemp("triton"), models)
    june("serve", "start", "llm")
    yield Triton(june)
    june("serve", "stop", "llm")
    assert not june.services()


@pytest.fixture
def own(startable: None, tmp_path: Path, models: Path) -> Iterator[Triton]:
    """A Triton that a test may hurt."""
    del startable
    june = made(tmp_path / "own", models)
    june("serve", "start", "llm")
    yield Triton(june)
    for process in june.services():
        process.send_signal(signal.SIGKILL)


def test_june_chat_is_answered_by_triton(shared: Triton) -> None:
    said = shared.june("chat", "What is the capital of France?", "--temperature", "0", "--json").json
    assert "paris" in said["answer"].lower()
    assert said["tokens"] > 3
    assert said["finish"] in ("stop", "length")


def test_an_answer_comes_token_by_token(shared: Triton) -> None:
    deltas = shared.ask("Count from one to ten.")
    assert len([d for d in deltas if d.text]) > 5
    assert deltas[-1].finish == "length"
    assert deltas[-1].tokens == GREEDY.max_tokens


def test_the_models_own_template_makes_the_prompt(shared: Triton, tmp_path: Path) -> None:
    weights = next(shared.folder.glob("*.gguf"))
    (tmp_path / weights.name).symlink_to(weights)
    (tmp_path / "chat_template.jinja").write_text("One, two, three, four, five, {{ messages[0].content }}")

    async def asked() -> str:
        async with connect("triton", shared.address, MODEL, tmp_path) as llm:
            return text([delta async for delta in llm.stream([Message("user", "six,")], GREEDY)])

    assert "seven" in asyncio.run(asked())


def test_characters_of_several_tokens_come_whole(shared: Triton) -> None:
    said = text(shared.ask("Repeat exactly: 😀🎉日本語 ü", Sampling(max_tokens=40, temperature=0.0)))
    assert "�" not in said
    assert any(mark in said for mark in "😀🎉日本語")


def test_a_prompt_that_does_not_fit_is_the_callers_problem(shared: Triton) -> None:
    with pytest.raises(UsageProblem, match="context") as caught:
        shared.ask("word " * 9000)
    assert caught.value.code == "text-too-long"
    assert shared.ask("Hello?")[-1].finish


@pytest.mark.parametrize("body", [{"sampling_param_max_tokens": 0}, {"sampling_param_top_p": 2.0}])
def test_a_setting_that_makes_no_sense_is_refused_in_words(shared: Triton, body: dict[str, Any]) -> None:
    status, said = shared.post("generate_stream", {"text_input": "Hello", "streaming": True, **body})
    assert status == 400
    assert next(iter(body)) in events(said)[0]["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"text_input": ""}, "text_input is empty"),
        ({"text_input": ["two", "prompts"]}, "one value"),
        (b'{"text_input": "\xff\xfe"}', "UTF-8"),
        ({"streaming": True}, "text_input"),
    ],
)
def test_an_input_that_is_no_prompt_is_refused_in_words(shared: Triton, body: Any, said: str) -> None:
    status, answer = shared.post("generate_stream", body)
    assert status == 400
    assert said in answer


def test_raw_http_gets_one_answer_with_all_it_asked_for(shared: Triton) -> None:
    body = {
        "text_input": "The capital of France is",
        "sampling_param_max_tokens": 6,
        "return_finish_reason": True,
        "return_num_input_tokens": True,
        "return_num_output_tokens": True,
    }
    status, said = shared.post("generate", body)
    answer = json.loads(said)
    assert status == 200
    assert answer["text_output"].startswith("The capital of France is")  # llmapi's default is to echo
    assert (answer["finish_reason"], answer["num_output_tokens"]) == ("length", 6)
    assert answer["num_input_tokens"] >= 5


def test_raw_http_streams_the_text_so_far_as_llmapi_does(shared: Triton) -> None:
    body = {
        "text_input": "One, two, three,",
        "streaming": True,
        "sampling_param_max_tokens": 8,
        "sampling_param_exclude_input_from_output": True,
        "return_finish_reason": True,
    }
    status, said = shared.post("generate_stream", body)
    seen = events(said)
    texts = [event["text_output"] for event in seen]
    assert status == 200
    assert all(after.startswith(before) for before, after in pairwise(texts))
    assert [event["finish_reason"] for event in seen] == ["None"] * (len(seen) - 1) + ["length"]


def test_seeds_stops_and_sampling_are_honoured(shared: Triton) -> None:
    body = {
        "text_input": "Once upon a time",
        "sampling_param_max_tokens": 16,
        "sampling_param_temperature": 1.2,
        "sampling_param_exclude_input_from_output": True,
    }

    def written(**more: Any) -> str:
        return str(json.loads(shared.post("generate", {**body, **more})[1])["text_output"])

    one, same, other = (written(sampling_param_seed=seed) for seed in (1, 1, 2))
    assert one == same != other
    assert " " not in written(sampling_param_seed=1, sampling_param_stop=[" "]).strip()
    greedy = written(sampling_param_temperature=0.0)
    assert written(sampling_param_top_k=1) == greedy == written(sampling_param_temperature=0.0)


def test_two_conversations_are_answered_side_by_side(shared: Triton) -> None:
    async def first_and_last(llm: StreamingChat) -> tuple[float, float]:
        times = [time.monotonic() async for _ in llm.stream(STORY, Sampling(max_tokens=80, temperature=1.0))]
        return times[0], times[-1]

    async def both() -> list[tuple[float, float]]:
        async with shared.client() as llm:
            return await asyncio.gather(first_and_last(llm), first_and_last(llm))

    (first, last), (other_first, other_last) = asyncio.run(both())
    assert max(first, other_first) < min(last, other_last)


def test_the_model_proves_that_it_lives_while_it_is_fully_busy(shared: Triton) -> None:
    async def watched() -> str:
        async with shared.client() as llm:
            streams = [llm.stream(STORY, ENDLESS) for _ in range(4)]
            readers = [asyncio.create_task(anext(stream)) for stream in streams]
            await asyncio.wait(readers, return_when=asyncio.FIRST_COMPLETED)
            seen = await asyncio.to_thread(Repository(shared.address).probe, MODEL)
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
            for stream in streams:
                await stream.aclose()
            return seen

    assert asyncio.run(watched()) == ""
    assert shared.idle(5)


def test_a_client_that_leaves_stops_the_generation(shared: Triton) -> None:
    async def left() -> None:
        async with shared.client() as llm:
            async with aclosing(llm.stream(STORY, ENDLESS)) as deltas:
                async for number in _numbered(deltas):
                    if number == 10:
                        assert await asyncio.to_thread(shared.busy) > 0.3
                        return

    asyncio.run(left())
    assert shared.idle(3)


def test_a_client_that_leaves_during_a_long_prompt_stops_it(shared: Triton) -> None:
    async def left() -> None:
        async with shared.client() as llm:
            reader = asyncio.create_task(anext(llm.stream([Message("user", "house dog " * 1500)], GREEDY)))
            await asyncio.sleep(1.0)
            assert await asyncio.to_thread(shared.busy) > 0.3
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    asyncio.run(left())
    assert shared.idle(6)


async def _numbered(deltas: Any) -> Any:
    number = 0
    async for _ in deltas:
        number += 1
        yield number


def test_only_triton_listens_and_only_on_loopback(shared: Triton) -> None:
    listens = [c.laddr for c in shared.server.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert {address.ip.removeprefix("::ffff:") for address in listens} == {"127.0.0.1"}
    assert {address.port for address in listens} == set(shared.ports().values())
    assert [c for c in shared.stub.net_connections("inet") if c.status == psutil.CONN_LISTEN] == []


def test_grpc_clients_stream_and_cancel_too(shared: Triton) -> None:
    grpcclient = pytest.importorskip("tritonclient.grpc", reason="needs tritonclient[grpc]")
    import numpy as np

    def tensor(name: str, kind: str, value: Any) -> Any:
        made = grpcclient.InferInput(name, [1], kind)
        made.set_data_from_numpy(np.array([value], dtype=np.object_ if kind == "BYTES" else None))
        return made

    inputs = [
        tensor("text_input", "BYTES", b"Once upon a time"),
        tensor("streaming", "BOOL", True),
        tensor("sampling_param_max_tokens", "INT32", np.int32(2000)),
        tensor("sampling_param_temperature", "FP32", np.float32(1.0)),
    ]
    seen: list[str] = []
    enough = threading.Event()

    def take(result: Any, error: Any) -> None:
        if error is None and len(seen) < 10:
            seen.append(result.as_numpy("text_output")[0].decode())
        if len(seen) == 10:
            enough.set()

    client = grpcclient.InferenceServerClient(f"127.0.0.1:{shared.ports()['grpc']}")
    client.start_stream(take)
    client.async_stream_infer(MODEL, inputs)
    assert enough.wait(30)
    client.stop_stream(cancel_requests=True)
    client.close()
    assert seen[-1].startswith(seen[0])
    assert shared.idle(3)


def test_names_that_triton_does_not_know_are_errors(shared: Triton) -> None:
    models = Repository(shared.address)
    for act in (models.load, models.unload):
        with pytest.raises(UsageProblem, match="no model 'nobody'"):
            act("nobody")
    assert "not found" in models.probe("nobody")


def test_a_configuration_that_cannot_be_loaded_says_so(own: Triton) -> None:
    models = Repository(own.address)
    models.unload(MODEL)
    with pytest.raises(JuneError) as caught:
        models.load(MODEL, {"backend": "tensorrtllm", "max_batch_size": 0})
    assert caught.value.code == "model-unloadable"
    models.load(MODEL)
    assert models.probe(MODEL) == ""


def test_unloading_waits_for_the_answer_and_gives_the_memory_back(own: Triton) -> None:
    models, stub, address = Repository(own.address), own.stub, own.address
    got: list[Delta] = []

    async def read(begun: Callable[[], None]) -> None:
        async with connect("triton", address, MODEL, own.folder, idle_s=30) as llm:
            async for delta in llm.stream(STORY, Sampling(max_tokens=120, temperature=1.0)):
                got.append(delta)
                begun()

    begun = threading.Event()
    reader = threading.Thread(target=lambda: asyncio.run(read(begun.set)))
    reader.start()
    assert begun.wait(20)
    assert models.unload(MODEL)
    reader.join(5)
    assert got[-1].finish
    assert not stub.is_running() or stub.status() == psutil.STATUS_ZOMBIE
    assert not models.unload(MODEL)
    with pytest.raises(NotReady) as caught:
        own.ask("Hello?")
    assert caught.value.code == "model-not-loaded"
    models.load(MODEL)
    assert own.ask("Hello?")[-1].finish


def test_a_killed_model_is_noticed_and_a_restart_heals_it(own: Triton) -> None:
    own.stub.kill()
    models = Repository(own.address)
    assert models.ready(MODEL)  # says Triton
    assert models.probe(MODEL) != ""
    with pytest.raises(NotReady) as caught:
        own.ask("Hello?", idle_s=4.0)
    assert caught.value.hint == "june serve restart llm"
    llm = next(
        s for s in own.june("serve", "status", "--json", code=None).json["services"] if s["service"] == "llm"
    )
    assert llm["state"] != "ready"
    own.june("serve", "restart", "llm")
    assert own.ask("Hello?")[-1].finish


def test_a_model_killed_in_the_middle_of_an_answer_is_a_timeout_not_a_hang(own: Triton) -> None:
    stub = own.stub

    async def read() -> float:
        killed = 0.0
        async with own.client(idle_s=3.0) as llm:
            try:
                async for number in _numbered(llm.stream(STORY, ENDLESS)):
                    if number == 5:
                        stub.kill()
                        killed = time.monotonic()
            except NotReady as error:
                assert error.code in ("llm-timeout", "service-lost")
                assert error.hint == "june serve restart llm"
                return time.monotonic() - killed
        raise AssertionError("the stream ended as if nothing had happened")

    assert asyncio.run(read()) < 6
    began = time.monotonic()
    own.june("serve", "stop", "llm")
    assert time.monotonic() - began < 20
    assert not own.june.services()


def test_a_server_killed_outright_leaves_nothing_that_the_next_start_does_not_clear(own: Triton) -> None:
    server, stub = own.server, own.stub
    mark = f"{launcher.MARK}{server.pid}-"
    assert list(launcher.SHARED_MEMORY.glob(f"{mark}*"))
    server.kill()
    psutil.wait_procs([stub], timeout=20)
    assert not stub.is_running()
    own.june("serve", "start", "llm")
    assert own.ask("Hello?")[-1].finish
    assert not list(launcher.SHARED_MEMORY.glob(f"{mark}*"))
    assert not list(Path("/tmp").glob(f"{mark}*"))


def test_a_stop_in_the_middle_of_an_answer_is_quick_and_told(own: Triton) -> None:
    async def read() -> JuneError:
        async with own.client() as llm:
            try:
                async for number in _numbered(llm.stream(STORY, ENDLESS)):
                    if number == 5:
                        stopper.start()
            except JuneError as error:
                return error
        raise AssertionError("the stream ended as if nothing had happened")

    stopper = threading.Thread(target=own.june, args=("serve", "stop", "llm"))
    began = time.monotonic()
    error = asyncio.run(read())
    stopper.join()
    assert isinstance(error, NotReady), error
    assert time.monotonic() - began < 20
    assert not own.june.services()


def test_a_first_token_that_the_tokeniser_adds_is_not_doubled(shared: Triton, tmp_path: Path) -> None:
    folder, key = tmp_path / "adding", b"tokenizer.ggml.add_bos_token" + (7).to_bytes(4, "little")
    folder.mkdir()
    whole = next(shared.folder.glob("*.gguf")).read_bytes()
    assert key + b"\0" in whole
    (folder / "model.gguf").write_bytes(whole.replace(key + b"\0", key + b"\1"))
    june = made(tmp_path / "own", tmp_path, f'{CONFIG}path = "{folder}"\nloader = "gguf"\n')
    june("serve", "start", "llm")
    other = Triton(june)
    body = {"sampling_param_max_tokens": 1, "return_num_input_tokens": True}
    try:
        counts = [
            json.loads(triton.post("generate", {"text_input": text, **body})[1])["num_input_tokens"]
            for triton in (shared, other)
            for text in ("user", "<|im_start|>user")
        ]
    finally:
        june("serve", "stop", "llm")
    assert counts == [1, 2, 2, 2]


@pytest.mark.parametrize("damage", ["header", "tensors"])
def test_a_broken_model_is_told_with_its_cause(shared: Triton, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    whole = next(shared.folder.glob("*.gguf")).read_bytes()
    (folder / "model.gguf").write_bytes(
        b"GGUF" + b"\xff" * 100 if damage == "header" else whole[: len(whole) // 2]
    )
    june = made(tmp_path / "own", tmp_path, f'{CONFIG}path = "{folder}"\nloader = "gguf"\n')
    ran = june("chat", "Hello", code=None)
    assert ran.code in (1, 4)
    assert "no model that can be loaded" in ran.err or "does not load" in ran.err
    assert not june.services()
