"""Downloads with the real hub client, from a hub on loopback that fails in every way hubs do."""

from __future__ import annotations

import json
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub", reason="needs pip install 'june-cli[hub]'")

from june_cli.errors import JuneError, MachineLacks
from june_cli.store import catalog, client, pins, repair, tls, transfer, where, writer
from june_cli.store.catalog import HubSource, LocalSource, Model, UrlSource
from tests.hub import COMMIT, Hub, Repository

WEIGHTS = random.Random(7).randbytes(3_000_000)  # noqa: S311
FILES = {
    "config.json": b'{"model_type": "tiny"}',
    "model.safetensors": WEIGHTS,
    "tokenizer.json": b"{}" * 2000,
    "sub/notes.txt": b"words",
    "modeling.py": b"print('never fetched')",
}
WANTED = {name: data for name, data in FILES.items() if not name.endswith(".py")}
MODEL = Model("tiny", "", "llm", "hf", "unpinned", "MIT", 1, (HubSource("a/b"),))
Ensure = Callable[..., Path]


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "FIRST_WAIT_S", 0.01)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub({"a/b": Repository(FILES)}) as running:
        yield running


@pytest.fixture
def ensure(hub: Hub, tmp_path: Path) -> Ensure:
    """Download with the environment that a job has, in this process."""

    def download(model: Model = MODEL, **environ: str) -> Path:
        told = {**os.environ, "HF_ENDPOINT": hub.url, **environ}
        return writer.download(model, tmp_path / "models", told, lambda *_: None)

    return download


def held(folder: Path) -> dict[str, bytes]:
    names = (where.MANIFEST, where.BLOCKS)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in names]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_repository_is_fetched_whole_at_the_commit_it_had(ensure: Ensure, hub: Hub, tmp_path: Path) -> None:
    folder = ensure()
    assert folder == tmp_path / "models" / "tiny" / COMMIT
    assert held(folder) == WANTED
    assert where.damage(folder) == ""
    assert hub.sent == sum(map(len, WANTED.values()))
    assert not list((tmp_path / "models").glob("*.partial"))


def test_the_first_download_pins_what_every_later_one_has_to_bring(
    ensure: Ensure, hub: Hub, tmp_path: Path
) -> None:
    ensure()
    pinned = catalog._pinned(MODEL, pins.read(tmp_path / "models")["tiny"])
    assert (pinned.revision, pinned.size) == (COMMIT, sum(map(len, WANTED.values())))
    (tmp_path / "models" / "tiny").rename(tmp_path / "gone")
    changed = {**FILES, "model.safetensors": bytes(len(WEIGHTS))}
    hub.repositories["a/b"] = Repository(changed)
    with pytest.raises(JuneError, match="is not what was promised") as caught:
        ensure(pinned)
    assert caught.value.code == "model-untrusted"
    assert not pinned.folder(tmp_path / "models").exists()


def test_a_second_time_asks_nobody(ensure: Ensure, hub: Hub, tmp_path: Path) -> None:
    ensure()
    pinned = catalog._pinned(MODEL, pins.read(tmp_path / "models")["tiny"])
    hub.requests.clear()
    ensure(pinned)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("fault", "count"), [("cut", 3), ("broken", 4), ("busy", 1), ("no_listing", 2), ("flipped", 0)]
)
def test_what_passes_is_waited_for(ensure: Ensure, hub: Hub, fault: str, count: int) -> None:
    setattr(hub.faults, fault, count)
    assert held(ensure()) == WANTED


def test_a_cut_connection_costs_no_byte_twice(ensure: Ensure, hub: Hub) -> None:
    hub.faults.cut = 6
    ensure()
    assert hub.sent == sum(map(len, WANTED.values()))


def test_a_server_that_ignores_ranges_is_begun_anew(ensure: Ensure, hub: Hub) -> None:
    hub.faults.cut, hub.faults.ignores_range = 4, True
    assert held(ensure()) == WANTED


def test_wrong_bytes_are_not_kept(ensure: Ensure, hub: Hub, tmp_path: Path) -> None:
    hub.faults.flipped = 100
    with pytest.raises(JuneError) as caught:
        ensure()
    assert caught.value.code == "model-untrusted"
    assert not (tmp_path / "models" / "tiny").exists()


def test_a_broken_off_download_goes_on_where_it_stopped(ensure: Ensure, hub: Hub, tmp_path: Path) -> None:
    begun = tmp_path / "models" / ".tiny.partial" / COMMIT / "files"
    begun.mkdir(parents=True)
    (begun / "model.safetensors.part").write_bytes(WEIGHTS[:2_000_000])
    assert held(ensure()) == WANTED
    assert hub.sent == sum(map(len, WANTED.values())) - 2_000_000


def test_what_was_begun_with_other_bytes_is_fetched_anew(ensure: Ensure, tmp_path: Path) -> None:
    begun = tmp_path / "models" / ".tiny.partial" / COMMIT / "files"
    begun.mkdir(parents=True)
    (begun / "model.safetensors.part").write_bytes(b"x" * 2_000_000)
    assert held(ensure()) == WANTED


def test_what_is_left_of_another_commit_is_cleared_away(ensure: Ensure, tmp_path: Path) -> None:
    begun = tmp_path / "models" / ".tiny.partial" / ("f" * 40) / "files"
    begun.mkdir(parents=True)
    (begun / "model.safetensors.part").write_bytes(WEIGHTS[:100])
    assert held(ensure()) == WANTED


def test_a_hub_that_is_not_there_is_something_the_machine_lacks(ensure: Ensure) -> None:
    with pytest.raises(MachineLacks) as caught:
        ensure(HF_ENDPOINT="http://127.0.0.1:9")
    assert caught.value.code == "network-unreachable"


@pytest.mark.parametrize(
    ("repository", "token", "code"),
    [
        (Repository(FILES, gated=True, token="right"), "", "model-gated"),
        (Repository(FILES, gated=True, token="right"), "wrong", "model-gated"),
        (Repository(FILES, commit="f" * 40), "", "revision-gone"),
        (Repository({"weights.pkl": b"x"}), "", "source-empty"),
        (None, "", "repository-unknown"),
    ],
    ids=["no token", "wrong token", "commit gone", "nothing wanted", "no repository"],
)
def test_a_refusal_is_explained_and_leaves_nothing(
    ensure: Ensure, hub: Hub, tmp_path: Path, repository: Repository | None, token: str, code: str
) -> None:
    hub.repositories = {"a/b": repository} if repository else {}
    (tmp_path / "token").write_text(token)
    source = HubSource("a/b", COMMIT if code == "revision-gone" else "unpinned")
    with pytest.raises(JuneError) as caught:
        ensure(replace(MODEL, sources=(source,)), JUNE_HUB_TOKEN_FILE=str(tmp_path / "token"))
    assert caught.value.code == code
    assert caught.value.hint or code == "source-empty"
    assert not (tmp_path / "models" / "tiny").exists()


def test_a_token_opens_what_is_gated_and_goes_to_the_hub_alone(
    ensure: Ensure, hub: Hub, tmp_path: Path
) -> None:
    hub.repositories["a/b"] = Repository(FILES, gated=True, token="right")
    (tmp_path / "token").write_text("right\n")
    with Hub({}) as elsewhere:
        hub.cdn = elsewhere.url
        elsewhere.repositories = hub.repositories
        assert held(ensure(JUNE_HUB_TOKEN_FILE=str(tmp_path / "token"))) == WANTED
        assert elsewhere.sent > len(WEIGHTS)
        assert elsewhere.leaked == []


@pytest.mark.parametrize("name", ["../x.json", "/etc/x.json", "a\\b.json", "x\n.json", ".hidden.json"])
def test_a_file_that_would_leave_its_folder_is_refused(ensure: Ensure, hub: Hub, name: str) -> None:
    hub.repositories["a/b"] = Repository({**FILES, name: b"{}"})
    with pytest.raises(JuneError, match="leave its folder"):
        ensure()


def test_one_file_on_the_web(ensure: Ensure, hub: Hub) -> None:
    url = f"{hub.url}/a/b/resolve/{COMMIT}/model.safetensors"
    unpinned = replace(MODEL, sources=(UrlSource(url),))
    folder = ensure(unpinned)
    assert held(folder) == {"model.safetensors": WEIGHTS}
    assert folder.name != "unpinned"


def test_the_next_source_is_tried_when_one_is_gone(ensure: Ensure, hub: Hub) -> None:
    gone = UrlSource(f"{hub.url}/gone.bin", "0" * 64, 10)
    assert held(ensure(replace(MODEL, sources=(gone, HubSource("a/b"))))) == WANTED


def test_a_folder_of_this_machine(ensure: Ensure, tmp_path: Path) -> None:
    source = tmp_path / "mine"
    source.mkdir()
    (source / "model.gguf").write_bytes(WEIGHTS)
    assert held(ensure(replace(MODEL, sources=(LocalSource(str(source)),)))) == {"model.gguf": WEIGHTS}


def test_a_link_that_leads_out_of_a_folder_is_not_followed(ensure: Ensure, tmp_path: Path) -> None:
    source = tmp_path / "mine"
    source.mkdir()
    (source / "model.gguf").symlink_to("/etc/passwd")
    with pytest.raises(JuneError, match="leads out of") as caught:
        ensure(replace(MODEL, sources=(LocalSource(str(source)),)))
    assert caught.value.code == "model-unsafe"


def test_a_repair_fetches_the_damaged_blocks_alone(
    ensure: Ensure, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "BLOCK", 100_000)
    monkeypatch.setattr(writer, "BLOCK", 100_000)
    folder = ensure()
    pinned = catalog._pinned(MODEL, pins.read(tmp_path / "models")["tiny"])
    file = folder / "model.safetensors"
    data = bytearray(WEIGHTS)
    for place in (50, 150_000, 2_950_000):
        data[place] ^= 1
    file.write_bytes(data)
    (folder / "config.json").unlink()
    bad = {one.name: one.spans for one in repair.damaged(folder, lambda _: None)}
    assert bad == {
        "model.safetensors": ((0, 200_000), (2_900_000, 3_000_000)),
        "config.json": ((0, len(FILES["config.json"])),),
    }
    hub.sent = 0
    hub.faults.cut = 1
    told = {**os.environ, "HF_ENDPOINT": hub.url}
    repair.repair(pinned, tmp_path / "models", told, lambda *_: None)
    assert held(folder) == WANTED
    assert where.damage(folder) == ""
    assert hub.sent == 300_000 + len(FILES["config.json"])


def test_a_manifest_says_who_made_what_and_how_large_it_is(ensure: Ensure) -> None:
    manifest = json.loads((ensure() / where.MANIFEST).read_text())
    assert (manifest["model"], manifest["revision"], manifest["licence"]) == ("tiny", COMMIT, "MIT")
    assert {file["name"] for file in manifest["files"]} == set(WANTED)


@contextmanager
def answering(says: bytes) -> Iterator[str]:
    """A server that takes connections and says one thing to each, or nothing and keeps them open."""
    import threading

    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                held.append(connection)
                if says:
                    connection.recv(65_536)
                    connection.sendall(says)
                    connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    for connection in held:
        connection.close()


@pytest.mark.parametrize("by", ["HF_ENDPOINT", "HTTP_PROXY"])
def test_a_hub_or_proxy_that_says_nothing_is_given_up(
    ensure: Ensure, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """Its own library sets no time limit at all."""
    monkeypatch.setattr(client, "ANSWER_S", 0.3)
    began = time.monotonic()
    with answering(b"") as silent:
        if by == "HTTP_PROXY":
            monkeypatch.setenv("HTTP_PROXY", silent)
            environ = {"HF_ENDPOINT": "http://hub.invalid"}
        else:
            environ = {by: silent}
        with pytest.raises(MachineLacks) as caught:
            ensure(**environ)
    assert caught.value.code == "network-unreachable"
    assert time.monotonic() - began < 10


def test_no_network_is_known_soon(ensure: Ensure) -> None:
    """The hub's library would try each question six times, and June those four times."""
    began = time.monotonic()
    with pytest.raises(MachineLacks, match="cannot be asked"):
        ensure(HF_ENDPOINT="http://127.0.0.1:9")
    assert time.monotonic() - began < 5


PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nlog "
WHO = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
NO = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("says", "code", "told"),
    [
        (PAGE, "network-unreachable", "no listing of files"),
        (WHO, "proxy-failed", "a name and a password"),
        (NO, "source-refused", "or a proxy on the way"),
    ],
)
def test_what_stands_in_the_place_of_a_hub_is_named(
    ensure: Ensure, says: bytes, code: str, told: str
) -> None:
    with answering(says) as portal, pytest.raises(MachineLacks, match=told) as caught:
        ensure(HF_ENDPOINT=portal)
    assert caught.value.code == code


@pytest.mark.parametrize("proxy", ["socks9://127.0.0.1:1", "http://127.0.0.1:notaport"])
def test_a_proxy_that_is_none_is_named(ensure: Ensure, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(MachineLacks) as caught:
        ensure()
    assert caught.value.code == "proxy-failed"


def test_a_damaged_authority_is_named(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(MachineLacks, match="certificate is damaged"):
        tls.context({"JUNE_CA_BUNDLE": str(bundle)})


def test_a_repair_without_a_network_says_so(ensure: Ensure, tmp_path: Path) -> None:
    folder = ensure()
    (folder / "model.safetensors").write_bytes(WEIGHTS[:-1])
    pinned = catalog._pinned(MODEL, pins.read(tmp_path / "models")["tiny"])
    told = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9"}
    with pytest.raises(MachineLacks) as caught:
        repair.repair(pinned, tmp_path / "models", told, lambda *_: None)
    assert caught.value.code == "network-unreachable"


def test_what_is_whole_and_known_to_be_is_not_written_again(ensure: Ensure) -> None:
    folder = ensure()
    before = (folder / where.MANIFEST).stat().st_ino
    repair.remembered(folder)
    assert (folder / where.MANIFEST).stat().st_ino == before
    os.utime(folder / "config.json")
    repair.remembered(folder)
    assert where.damage(folder, rehash=False) == ""
    assert [path.name for path in folder.glob(".june*")] == []
