"""Checks of folders, ports, proxies and certificates, on real files."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from june_doctor.checks import CHECKS

from june_cli.checks import Finding, Host, Listener
from june_cli.errors import UsageProblem
from june_cli.spec import Port, Service
from june_cli.store.catalog import File, HubSource, Model, PackageSource

Machine = Callable[..., Host]
RUN = {check.id: check.run for check in CHECKS}
MODEL = Model(
    *("voice", "a voice", "tts", "hibari", "1", "Apache-2.0", 1_000_000),
    (PackageSource("voice", "1", 40_000_000, "0" * 64),),
    (File("voice.onnx", "voice.onnx", 50_000_000, "0" * 64),),
)
not_root = pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")


def service(name: str, number: int, **more: Any) -> Service:
    return Service(name, name, name, ("serve",), ports=(Port("http", number, "JUNE_PORT"),), **more)


@pytest.fixture
def host(machine: Machine) -> Host:
    needs = {"profile": "tiny", "engine": "process", "cuda": {}, "models": (MODEL,)}
    made = machine("laptop", **needs, services={"tts": service("tts", 50052)})
    return replace(made, free_bytes=lambda _: 10**12)


def whole(host: Host) -> Path:
    folder = MODEL.folder(host.paths.models)
    folder.mkdir(parents=True)
    (folder / "voice.onnx").write_bytes(b"123")
    entry = {"name": "voice.onnx", "bytes": 3, "sha256": "0", "mtime_ns": 0}
    entry["mtime_ns"] = (folder / "voice.onnx").stat().st_mtime_ns
    (folder / "june-model.json").write_text(json.dumps({"files": [entry]}))
    return folder


def ran(finding: Finding) -> None:
    """The fix as a shell would run it."""
    assert finding.safe
    subprocess.run(["sh", "-c", finding.fix], check=True, timeout=20)


def test_the_store_is_made_on_first_use_or_by_its_command(host: Host) -> None:
    found = RUN["models.store"](host)
    assert found.mark == "note"
    ran(found)
    assert host.paths.models.stat().st_mode & 0o777 == 0o700
    assert RUN["models.store"](host).mark == "ok"


def test_a_store_that_is_a_file(host: Host) -> None:
    host.paths.models.parent.mkdir(parents=True)
    host.paths.models.write_text("no folder")
    found = RUN["models.store"](host)
    assert (found.mark, found.safe) == ("fails", False)
    assert "is no folder" in found.message


def test_a_store_below_a_file(host: Host) -> None:
    host.paths.models.parent.write_text("no folder")
    assert "cannot be made in" in RUN["models.store"](host).message


@not_root
def test_a_store_that_cannot_be_written(host: Host) -> None:
    host.paths.models.mkdir(parents=True)
    host.paths.models.chmod(0o500)
    found = RUN["models.store"](host)
    assert found.mark == "fails"
    ran(found)
    assert RUN["models.store"](host).mark == "ok"


@not_root
def test_a_read_only_store_that_holds_everything_will_do(host: Host) -> None:
    whole(host)
    host.paths.models.chmod(0o500)
    assert RUN["models.store"](host).mark == "note"


def test_models_that_are_missing_are_told_with_their_size(host: Host) -> None:
    assert RUN["models.present"](host) == Finding("note", "voice (90 MB): fetched on first use")
    assert "0.2 GB are still needed" in RUN["models.disk"](host).message
    whole(host)
    assert RUN["models.present"](host) == Finding("ok", "voice")
    assert RUN["models.disk"](host).message == "1000.0 GB are free"


def test_a_damaged_model_is_fetched_anew(host: Host) -> None:
    (whole(host) / "voice.onnx").write_bytes(b"12")
    found = RUN["models.present"](host)
    assert (found.mark, "voice is damaged (voice.onnx has 2 bytes" in found.message) == ("note", True)


def test_a_model_whose_size_nobody_knows_yet_is_told_as_such(host: Host) -> None:
    unpinned = replace(MODEL, sources=(HubSource("somebody/voice"),), files=())
    needs = replace(host.needs, models=(unpinned,))
    found = RUN["models.present"](replace(host, needs=needs))
    assert found == Finding("note", "voice (of unknown size): fetched on first use")
    assert RUN["models.disk"](replace(host, needs=needs)).message == "1000.0 GB are free"


def test_a_model_of_ones_own_that_is_not_there(host: Host, tmp_path: Path) -> None:
    lost = replace(host, needs=replace(host.needs, folders=(tmp_path / "mine",)))
    assert RUN["models.present"](lost).mark == "fails"
    (tmp_path / "mine").mkdir()
    assert RUN["models.present"](lost).ok


def test_models_that_do_not_fit(host: Host) -> None:
    full = replace(host, free_bytes=lambda _: 100_000_000)
    found = RUN["models.disk"](full)
    assert found.mark == "fails"
    assert found.fix.startswith("export MODEL_CACHE_DIR=")
    assert RUN["models.disk"](replace(host, free_bytes=lambda _: None)).mark == "note"


def test_a_download_that_broke_off_is_told_with_how_to_go_on_and_a_live_one_is_not(host: Host) -> None:
    models = host.paths.models
    for name in ("a", "live one"):
        (models / f".{name}.partial").mkdir(parents=True)
        (models / f".{name}.lock").touch()
    with (models / ".live one.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = RUN["models.partial"](host)
        assert (found.mark, found.fix, found.safe) == ("note", "june model download a", False)
        (models / ".a.partial").rmdir()
        assert RUN["models.partial"](host) == Finding("ok", "none")


def test_state_that_others_can_read_is_closed(host: Host) -> None:
    assert RUN["state.folder"](host).mark == "ok"
    host.paths.state.mkdir(parents=True)
    host.paths.state.chmod(0o755)
    found = RUN["state.folder"](host)
    assert found.mark == "note"
    ran(found)
    assert host.paths.state.stat().st_mode & 0o777 == 0o700
    assert RUN["state.folder"](host).mark == "ok"


@pytest.mark.parametrize(
    ("listener", "mark", "says"),
    [
        (None, "ok", "50052 tts"),
        (Listener("python (process 7)", "tts"), "ok", "50052 tts (runs)"),
        (Listener("nginx (process 7)"), "note", "taken: 50052 of tts by nginx (process 7). June listens"),
        (Listener("python (process 7)", "tts", stale=True), "note", "tts still runs and nobody uses it"),
    ],
)
def test_ports_are_told_with_who_has_them(
    host: Host, listener: Listener | None, mark: str, says: str
) -> None:
    taken = {50052: listener} if listener else {}
    found = RUN["ports.free"](replace(host, listeners=lambda: taken))
    assert (found.mark, says in found.message) == (mark, True), found
    assert found.safe == bool(listener and listener.stale)
    assert found.fix == ("june serve stop tts" if found.safe else "")


def test_without_services_no_port_is_wanted(host: Host) -> None:
    assert RUN["ports.free"](replace(host, needs=replace(host.needs, services={}))).mark == "ok"


NONE: dict[str, str] = {}


@pytest.mark.parametrize(
    ("environ", "mark", "says", "fix"),
    [
        (NONE, "ok", "none", ""),
        ({"HTTPS_PROXY": ""}, "ok", "none", ""),
        ({"HTTPS_PROXY": "http://proxy:8080", "NO_PROXY": "*"}, "ok", "proxy:8080", ""),
        ({"https_proxy": "proxy:8080", "no_proxy": ".localhost,127.0.0.0/8"}, "ok", "proxy:8080", ""),
        ({"HTTP_PROXY": "http://proxy:99999"}, "fails", "HTTP_PROXY has a port", "unset HTTP_PROXY"),
        ({"HTTP_PROXY": "http://proxy:port"}, "fails", "HTTP_PROXY has a port", "unset HTTP_PROXY"),
        ({"ALL_PROXY": "gopher://proxy"}, "fails", "a scheme that is none of", "unset ALL_PROXY"),
        ({"ALL_PROXY": "http://"}, "fails", "names no host", "unset ALL_PROXY"),
        ({"ALL_PROXY": "http://[::1"}, "fails", "a port or an address", "unset ALL_PROXY"),
        (
            *({"HTTPS_PROXY": "socks5h://proxy:1080", "NO_PROXY": "corp.example"}, "note", "proxy:1080"),
            "export NO_PROXY=corp.example,localhost,127.0.0.1 no_proxy=corp.example,localhost,127.0.0.1",
        ),
        (
            *({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "*", "no_proxy": "localhost"}, "note", "proxy"),
            "export NO_PROXY=localhost,127.0.0.1 no_proxy=localhost,127.0.0.1",
        ),
    ],
)
def test_proxies(host: Host, environ: dict[str, str], mark: str, says: str, fix: str) -> None:
    found = RUN["proxy"](replace(host, environ=environ))
    assert (found.mark, found.fix) == (mark, fix), found
    assert says in found.message


def test_a_proxys_password_is_told_to_nobody(host: Host) -> None:
    for value in ("http://ada:hunter2@proxy:8080", "http://ada:hunter2@proxy:port"):
        found = RUN["proxy"](replace(host, environ={"HTTPS_PROXY": value}))
        assert "hunter2" not in found.message + found.fix
    spared = {"HTTPS_PROXY": "http://ada:hunter2@proxy:8080", "NO_PROXY": "*"}
    in_docker = replace(host, environ=spared, needs=replace(host.needs, engine="docker"))
    assert "needs a password" in RUN["proxy"](in_docker).message


CERTIFICATE = """\
# an authority of ours, Größe 1
-----BEGIN CERTIFICATE-----
MIIBeTCCAR+gAwIBAgIUVbXX9lyKQJRL0mLYCaZKZ8y8pWMwCgYIKoZIzj0EAwIw
-----END CERTIFICATE-----
"""


def test_authorities(host: Host, tmp_path: Path) -> None:
    import ssl

    def found(value: str) -> Finding:
        return RUN["ca"](replace(host, environ={"JUNE_CA_BUNDLE": value}))

    assert RUN["ca"](host) == Finding("ok", "those of the system")
    assert found(str(tmp_path)).mark == "ok"
    assert "is not there" in found(str(tmp_path / "lost.pem")).message
    broken = tmp_path / "broken.pem"
    for content in ("", "not a certificate", CERTIFICATE):
        broken.write_text(content)
        assert "holds no certificate" in found(str(broken)).message
        assert found(str(broken)).fix == "unset JUNE_CA_BUNDLE"
    system = ssl.get_default_verify_paths().cafile
    if system and Path(system).exists():
        assert found(system) == Finding("ok", "JUNE_CA_BUNDLE")


def test_packages_that_are_not_installed(host: Host) -> None:
    assert RUN["python.version"](host).mark == "ok"
    lacking = {"llm": service("llm", 8080, packages=("no_such_package_a", "no_such_package_b"))}
    found = RUN["python.packages"](replace(host, needs=replace(host.needs, services=lacking)))
    assert found.fix == "pip install 'june-cli[local]'"
    assert "no_such_package_a, no_such_package_b" in found.message
    in_docker = replace(host.needs, services=lacking, engine="docker")
    assert RUN["python.packages"](replace(host, needs=in_docker)).mark == "ok"


def test_a_role_that_nothing_can_serve(host: Host) -> None:
    assert "serves tts in processes" in RUN["profile"](host).message
    problem = UsageProblem("service-unknown", "no plugin offers a service 'llm'.", hint="known: stt")
    found = RUN["profile"](replace(host, needs=replace(host.needs, problems={"llm": problem})))
    assert found.fix == "june config show"
    assert found.message.endswith("cannot serve llm: no plugin offers a service 'llm' (known: stt)")
