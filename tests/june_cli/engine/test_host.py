"""What containers are given of this machine: copies of secrets, proxies, authorities, a way to a GPU."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from june_cli.engine.container import NOBODY, Placement
from june_cli.engine.host import Host
from june_cli.errors import MachineLacks
from june_cli.spec import Gpu, Mount, Secret, Service
from june_cli.store.tls import TRUSTED

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
ROOT = os.getuid() == 0
USER = (NOBODY, NOBODY) if ROOT else (os.getuid(), os.getgid())
SERVICE = Service(name="bot", summary="", image="bot", command=("python",))


def placement(host: Host, service: Service = SERVICE) -> Placement:
    return host.placement(service, home="/home/ann", image="june/bot:1", ports={}, keep=False)


def with_secret(source: Path) -> Service:
    return replace(SERVICE, secrets=(Secret("token", source, "TOKEN_FILE"),))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "docker"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    source = tmp_path / "token"
    source.write_text("s3cr3t")
    return source


def test_a_secret_is_copied_for_the_containers_user_alone(folder: Path, secret: Path) -> None:
    host = Host({}, folder)
    host.own(with_secret(secret))
    copy = placement(host, with_secret(secret)).secrets["token"]
    seen = copy.stat()
    assert copy.read_text() == "s3cr3t"
    assert stat.S_IMODE(seen.st_mode) == 0o400
    assert (seen.st_uid, seen.st_gid) == USER
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700


def test_a_copy_is_replaced_by_the_next_and_what_a_container_sees_of_the_old_stays(
    folder: Path, secret: Path
) -> None:
    host = Host({}, folder)
    host.own(with_secret(secret))
    copy = placement(host, with_secret(secret)).secrets["token"]
    with copy.open() as mounted:
        secret.write_text("an0th3r")
        host.own(with_secret(secret))
        assert mounted.read() == "s3cr3t"
    assert copy.read_text() == "an0th3r"


def test_where_a_container_belongs_is_said_without_making_anything(folder: Path, secret: Path) -> None:
    place = placement(Host({"JUNE_CA_BUNDLE": "/ca.pem"}, folder), with_secret(secret))
    assert (place.uid, place.gid, place.home) == (os.getuid(), os.getgid(), "/home/ann")
    assert place.authority == folder / "authorities.pem"
    assert not folder.exists()


@pytest.mark.parametrize("kind", ["missing", "a folder", "of another"])
def test_a_secret_that_cannot_be_read_is_named_and_nothing_is_left(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    source = tmp_path / "it"
    if kind == "a folder":
        source.mkdir()
    elif kind == "of another":
        source.touch(mode=0o000)
        if ROOT:
            pytest.skip("root may read every file")
    with pytest.raises(MachineLacks, match=f"the secret file {source} cannot be read") as caught:
        Host({}, folder).own(with_secret(source))
    assert caught.value.code == "secret-unreadable"
    assert not folder.exists()


def test_the_copies_of_one_workload_go_and_those_of_others_stay(folder: Path, secret: Path) -> None:
    host = Host({}, folder)
    other = replace(with_secret(secret), name="other")
    host.own(with_secret(secret))
    host.own(other)
    host.disown("bot")
    assert not placement(host, with_secret(secret)).secrets["token"].exists()
    assert placement(host, other).secrets["token"].exists()
    host.disown("bot")
    host.disown("never-there")


def test_a_state_folder_that_cannot_be_written_is_explained(secret: Path) -> None:
    with pytest.raises(MachineLacks, match="cannot make"):
        Host({}, Path("/proc/no/such")).own(with_secret(secret))


def mounting(source: Path) -> Service:
    return replace(SERVICE, mounts=(Mount(source, "/models", "M"),))


def test_a_mount_that_is_not_there_is_named_before_docker_makes_an_empty_folder_of_it(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(MachineLacks, match="gone is to be seen in a container and is not there") as caught:
        Host({}, folder).own(mounting(tmp_path / "gone"))
    assert caught.value.code == "mount-missing"


@pytest.mark.skipif(not ROOT, reason="a caller who is not root runs containers as themselves")
@pytest.mark.parametrize("mode", [0o700, 0o750, 0o704])
def test_what_only_root_may_read_is_named_when_root_calls(folder: Path, tmp_path: Path, mode: int) -> None:
    models = tmp_path / "my models"
    models.mkdir()
    models.chmod(mode)
    with pytest.raises(MachineLacks, match="may be read by root alone") as caught:
        Host({}, folder).own(mounting(models))
    assert caught.value.hint == f"chmod -R o+rX '{models}'"
    models.chmod(0o755)
    Host({}, folder).own(mounting(models))


@pytest.mark.parametrize(
    ("environ", "given"),
    [
        ({}, {}),
        (
            {"HTTP_PROXY": "http://proxy:3128"},
            {"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "localhost,127.0.0.1"},
        ),
        ({"HTTPS_PROXY": "http://ann:pw@proxy:3128"}, {}),
        ({"https_proxy": "ann:pw@proxy:3128"}, {}),
        ({"http_proxy": "http://ann@proxy:3128", "NO_PROXY": "lan"}, {"NO_PROXY": "lan"}),
        (
            {"https_proxy": "http://proxy:1", "no_proxy": "lan"},
            {"https_proxy": "http://proxy:1", "no_proxy": "lan"},
        ),
        ({"HTTP_PROXY": "", "PATH": "/bin", "PROXY": "http://x"}, {}),
        ({"HTTP_PROXY": "http://[odd"}, {"HTTP_PROXY": "http://[odd", "NO_PROXY": "localhost,127.0.0.1"}),
    ],
)
def test_containers_see_proxies_but_no_password(
    folder: Path, environ: dict[str, str], given: dict[str, str]
) -> None:
    assert placement(Host(environ, folder)).proxies == given


def test_a_private_authority_is_added_to_those_this_host_trusts(folder: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(PEM)
    host = Host({"JUNE_CA_BUNDLE": str(bundle)}, folder)
    host.own(SERVICE)
    authority = placement(host).authority
    assert authority is not None
    content = authority.read_text()
    assert content.endswith(PEM + "\n")
    own = next((Path(path).read_text() for path in TRUSTED if Path(path).is_file()), "")
    assert own in content
    assert [path.name for path in folder.iterdir()] == ["authorities.pem"]


def test_a_container_of_another_user_may_read_the_authorities_whatever_the_umask(
    folder: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(PEM)
    before = os.umask(0o077)
    try:
        Host({"JUNE_CA_BUNDLE": str(bundle)}, folder).own(SERVICE)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "authorities.pem").stat().st_mode) == 0o644


def test_the_authorities_of_a_python_that_looks_elsewhere_are_the_systems(tmp_path: Path) -> None:
    """As one that brings its own OpenSSL: what it would trust is a file that is not there."""
    if not any(os.access(path, os.R_OK) for path in TRUSTED):
        pytest.skip("this system keeps no file of authorities")
    bundle = tmp_path / "ca.pem"
    bundle.write_text(PEM)
    code = """
import sys
from pathlib import Path
from june_cli.engine.host import Host
from june_cli.spec import Service
Host({"JUNE_CA_BUNDLE": sys.argv[1]}, Path(sys.argv[2])).own(Service("s", "", "", ()))
"""
    environ = {**os.environ, "SSL_CERT_FILE": str(tmp_path / "absent.pem")}
    words = [sys.executable, "-c", code, str(bundle), str(tmp_path / "docker")]
    subprocess.run(words, env=environ, check=True)
    assert (tmp_path / "docker/authorities.pem").read_text().count("BEGIN CERTIFICATE") > 1


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot be read: No such file"), ("no certificate", "holds no PEM")]
)
def test_an_authority_that_is_none_is_named(
    folder: Path, tmp_path: Path, content: str | None, said: str
) -> None:
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    with pytest.raises(MachineLacks, match=f"JUNE_CA_BUNDLE names {bundle}, which {said}") as caught:
        Host({"JUNE_CA_BUNDLE": str(bundle)}, folder).own(SERVICE)
    assert caught.value.code == "ca-unreadable"


@pytest.fixture
def cdi(tmp_path: Path) -> Path:
    (tmp_path / "cdi").mkdir()
    return tmp_path / "cdi"


@pytest.mark.parametrize(
    ("runtime", "specification", "how"),
    [
        ("nvidia-container-runtime", "nvidia.yaml", "request"),
        ("nvidia-container-runtime-hook", "", "request"),
        ("", "nvidia.yaml", "cdi"),
        ("", "k8s.nvidia.com-gpu.json", "cdi"),
        ("", "intel.yaml", "request"),
        ("", "", "request"),
    ],
)
def test_a_gpu_is_asked_for_in_the_way_this_host_is_set_up_for(
    folder: Path, tmp_path: Path, cdi: Path, runtime: str, specification: str, how: str
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    if runtime:
        (programs / runtime).touch(mode=0o755)
    if specification:
        (cdi / specification).touch()
    folders = (str(tmp_path / "absent"), str(cdi))
    host = Host({"PATH": str(programs)}, folder, cdi_folders=folders)
    assert placement(host, replace(SERVICE, gpu=Gpu())).gpus == how
    assert placement(host).gpus == "request"


def test_the_lines_for_a_shell_make_what_june_would_have_made(
    folder: Path, secret: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "my ca.pem"
    bundle.write_text(PEM)
    by_june, by_hand = folder, tmp_path / "by hand"

    def made(where: Path) -> dict[str, Any]:
        files = [path for path in where.rglob("*") if path.is_file()]
        return {
            str(p.relative_to(where)): (p.read_text().split(), p.stat().st_mode & 0o777, p.stat().st_uid)
            for p in files
        }

    environ = {"JUNE_CA_BUNDLE": str(bundle)}
    Host(environ, by_june).own(with_secret(secret))
    lines = Host(environ, by_hand).lines([with_secret(secret)])
    subprocess.run(["sh", "-euc", "umask 077\n" + "\n".join(lines)], check=True)
    assert made(by_hand) == made(by_june)


def test_without_secrets_and_authorities_no_lines_are_needed(folder: Path) -> None:
    assert Host({}, folder).lines([SERVICE]) == []


def test_a_line_names_paths_with_spaces_as_one_word(folder: Path, tmp_path: Path) -> None:
    (line,) = Host({}, folder).lines([with_secret(tmp_path / "my token")])
    assert str(tmp_path / "my token") in shlex.split(line)
