"""What each check says of machines whose tools' answers were written down: one line a fact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from june_doctor.checks import CHECKS

from june_cli.checks import Finding, Host
from june_cli.spec import Gpu, Service
from june_cli.store.catalog import Catalog

Machine = Callable[..., Host]
RUN = {check.id: check.run for check in CHECKS}
GIB = 1024**3
DOCKER = ("docker.answers", "docker.permission", "docker.version", "docker.storage", "docker.disk")
NVIDIA = ("nvidia.driver", "nvidia.compute", "nvidia.memory", "nvidia.mig")
PASSTHROUGH = ("nvidia.toolkit", "nvidia.cdi")
CDI = "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
RESTART = "sudo systemctl restart docker"
TINY = "june --profile tiny serve"

# machine, check, mark, part of the message, the fix
TABLE = [
    ("h200", "docker.version", "ok", "Docker Engine 28.5.1", ""),
    ("h200", "docker.disk", "ok", "1397.0 GiB are free", ""),
    ("h200", "nvidia.driver", "ok", "driver 580.95.05, NVIDIA H200", ""),
    ("h200", "nvidia.compute", "ok", "NVIDIA H200 9.0", ""),
    ("h200", "nvidia.memory", "ok", "NVIDIA H200: 140.4 GiB, 139.8 GiB free", ""),
    ("h200", "nvidia.mig", "ok", "off", ""),
    ("h200", "nvidia.toolkit", "ok", "Toolkit 1.18.0; Docker knows its runtime", ""),
    ("h200", "nvidia.cdi", "ok", "/var/run/cdi/nvidia.yaml", ""),
    ("h200", "clock", "ok", "2026-11-24", ""),
    ("gb10", "nvidia.memory", "ok", "NVIDIA GB10: 121.7 GiB shared with the system, 110.0 GiB free", ""),
    ("gb10", "nvidia.mig", "ok", "off", ""),
    ("thor", "nvidia.memory", "note", "NVIDIA Thor does not tell its memory", ""),
    ("rtx4090-535", "nvidia.driver", "fails", "535.183.01 runs CUDA 12", "sudo ubuntu-drivers install"),
    ("rtx4090-535", "nvidia.cdi", "note", "is of another driver", CDI),
    ("gtx1080", "nvidia.compute", "fails", "GTX 1080 6.1; the model of llm runs on 7.5 or later", TINY),
    ("mixed", "nvidia.compute", "note", "Quadro P400 6.1, NVIDIA GeForce RTX 4090 8.9", ""),
    ("a100-mig", "nvidia.mig", "note", "GPU 0: 3g.40gb, 4g.40gb", ""),
    ("a100-mig", "nvidia.memory", "ok", "NVIDIA A100-SXM4-80GB: 80.0 GiB", ""),
    ("a100-mig-empty", "nvidia.mig", "fails", "on for GPU 0", "sudo nvidia-smi -i 0 -mig 0"),
    ("mismatch", "nvidia.driver", "fails", "updated while the old one runs", "sudo reboot"),
    ("unloaded", "nvidia.driver", "fails", "kernel module is not loaded", "sudo modprobe nvidia"),
    ("hangs", "nvidia.driver", "fails", "did not answer within 20 s", "sudo reboot"),
    ("hangs", "docker.answers", "fails", "does not answer", RESTART),
    ("no-driver", "nvidia.driver", "fails", "its driver is not", "sudo apt-get install -y nvidia-driver"),
    (
        *("no-driver", "nvidia.toolkit", "fails", "is not installed"),
        "sudo apt-get install -y nvidia-container-toolkit",
    ),
    ("no-driver", "clock", "ok", "nothing here tells", ""),
    ("laptop", "docker.answers", "fails", "no Docker Engine answers", "sudo dnf install -y moby-engine"),
    ("laptop", "nvidia.driver", "fails", "no NVIDIA GPU", TINY),
    ("stopped", "docker.answers", "fails", "no Docker Engine answers", "sudo systemctl start docker"),
    (
        "denied",
        "docker.permission",
        "fails",
        "after the command, log in again",
        "sudo usermod -aG docker $USER",
    ),
    ("denied", "docker.answers", "unknown", "while you may not use it", "sudo usermod -aG docker $USER"),
    ("remote", "docker.answers", "fails", "on another machine", "docker context use default"),
    ("no-sdk", "docker.answers", "fails", "Python package docker", "pip install 'june-cli[docker]'"),
    ("too-old", "docker.version", "fails", "API version is 1.40", "sudo apt-get install -y docker.io"),
    ("vfs", "docker.version", "fails", "19.03.15 is older than 20.10", "sudo apt-get install -y docker.io"),
    ("vfs", "docker.storage", "fails", "copies every layer", "sudoedit /etc/docker/daemon.json"),
    ("vfs", "docker.disk", "fails", "0.9 GiB are free", "docker system prune"),
    ("no-cdi", "docker.storage", "fails", "without d_type", "sudoedit /etc/docker/daemon.json"),
    ("podman", "docker.version", "ok", "Podman 4.9.3", ""),
    ("podman", "docker.disk", "note", "not to be seen from here", ""),
    ("podman", "nvidia.toolkit", "ok", "containers get the GPU by CDI", ""),
    ("podman", "nvidia.cdi", "fails", "is of another driver", CDI),
    ("no-cdi", "nvidia.cdi", "fails", "there is no CDI specification", CDI),
    ("rootless", "nvidia.toolkit", "fails", "rootless Docker cannot use it", "sudo nvidia-ctk config --set"),
    ("untold", "nvidia.toolkit", "note", "has not been told", "sudo nvidia-ctk runtime configure"),
    ("untold", "nvidia.cdi", "note", "--gpus does without", CDI),
]


@pytest.mark.parametrize(("name", "check", "mark", "message", "fix"), TABLE)
def test_a_machine_is_diagnosed(
    machine: Machine, name: str, check: str, mark: str, message: str, fix: str
) -> None:
    found = RUN[check](machine(name))
    assert (found.mark, message in found.message) == (mark, True), found
    assert found.fix.startswith(fix), found
    assert bool(found.fix) == bool(fix), found


@pytest.mark.parametrize("name", sorted({row[0] for row in TABLE}))
def test_every_failure_names_one_command_and_no_remark_is_mistaken_for_one(
    machine: Machine, name: str
) -> None:
    host = machine(name)
    for check in (*DOCKER, *NVIDIA, *PASSTHROUGH, "clock"):
        found = RUN[check](host)
        assert found.message
        assert "\n" not in found.message + found.fix
        assert bool(found.fix) or found.ok, (check, found)


@pytest.mark.parametrize("name", sorted({row[0] for row in TABLE}))
def test_a_profile_for_the_cpu_in_processes_needs_neither_docker_nor_a_gpu(
    machine: Machine, name: str
) -> None:
    host = machine(name, profile="tiny", engine="process", cuda={})
    for check in (*DOCKER, *NVIDIA, *PASSTHROUGH):
        found = RUN[check](host)
        assert found.ok
        assert not found.fix
        assert found.mark == "ok" or found.message.startswith("not needed by profile tiny"), found


def test_in_docker_on_the_cpu_only_docker_is_needed(machine: Machine) -> None:
    host = machine("laptop", profile="tiny", cuda={})
    marks = {check: RUN[check](host).mark for check in (*DOCKER, *NVIDIA, *PASSTHROUGH)}
    assert marks["docker.answers"] == "fails"
    assert {marks[check] for check in DOCKER[1:]} == {"unknown"}
    assert {marks[check] for check in (*NVIDIA, *PASSTHROUGH)} == {"unneeded"}


@pytest.mark.parametrize("name", ["hangs", "mismatch", "unloaded", "laptop"])
def test_what_cannot_be_told_names_what_mends_the_cause(machine: Machine, name: str) -> None:
    host = machine(name)
    cause = RUN["nvidia.driver"](host)
    for check in NVIDIA[1:]:
        found = RUN[check](host)
        assert (found.mark, found.fix) == ("unknown", cause.fix)
        assert "0 GB" not in found.message


def _wanting(memory_bytes: int) -> dict[str, Any]:
    gpu = Gpu(memory_bytes=memory_bytes)
    return {"services": {"llm": Service("llm", "a model", "llm", ("serve",), gpu=gpu)}, "cuda": {"llm": ""}}


@pytest.mark.parametrize(
    ("name", "wanted", "mark"),
    [
        ("h200", 31 * GIB, "ok"),
        ("h200", 200 * GIB, "fails"),
        ("rtx4090-535", 24 * GIB, "fails"),
        ("rtx4090-535", 23 * GIB, "note"),
        ("rtx4090-535", 20 * GIB, "ok"),
        ("gb10", 61 * GIB, "ok"),
        ("gb10", 120 * GIB, "fails"),
        ("gb10-busy", 61 * GIB, "note"),
        ("gb10-busy", 10 * GIB, "ok"),
        ("thor", 61 * GIB, "note"),
    ],
)
def test_memory_is_compared_with_what_the_services_ask_for(
    machine: Machine, name: str, wanted: int, mark: str
) -> None:
    assert RUN["nvidia.memory"](machine(name, **_wanting(wanted))).mark == mark


@pytest.mark.parametrize(
    ("name", "quant", "mark"),
    [
        ("h200", "FP8", "ok"),
        ("h200", "NVFP4", "fails"),
        ("gb10", "NVFP4", "ok"),
        ("gb10", "FP8", "fails"),
        ("rtx4090-535", "FP8", "fails"),
        ("a100-mig", "fp8", "fails"),
        ("a100-mig", "bf16", "ok"),
        ("h200", "something-new", "ok"),
    ],
)
def test_a_quantization_asks_for_a_kind_of_card(machine: Machine, name: str, quant: str, mark: str) -> None:
    assert RUN["nvidia.compute"](machine(name, cuda={"llm": quant, "stt": ""})).mark == mark


def test_a_spark_that_is_asked_for_another_machines_profile_has_one_of_its_own(machine: Machine) -> None:
    found = RUN["nvidia.compute"](machine("gb10", cuda={"llm": "FP8"}))
    assert found.fix == "june --profile spark doctor"
    assert "the model of llm in FP8 runs on 9.0, 10.0, 10.3, 12.0" in found.message
    assert RUN["nvidia.compute"](machine("gb10", profile="spark", cuda={"llm": "FP8"})).fix == TINY


@pytest.mark.parametrize(
    ("name", "profile", "mark"),
    [
        *(("h200", "cuda", "ok"), ("rtx4090-535", "cuda", "fails"), ("a100-mig", "cuda", "ok")),
        *(("gb10", "spark", "ok"), ("gb10-busy", "spark", "note")),
    ],
)
def test_weights_count_where_a_service_states_no_memory(
    machine: Machine, name: str, profile: str, mark: str
) -> None:
    model = "qwen3-30b-a3b-nvfp4" if profile == "spark" else "qwen3-30b-a3b-thinking-2507-fp8"
    found = Catalog.load().get(model)
    needs = {"profile": profile, "models": (found,), "cuda": {"llm": found.quant}}
    assert RUN["nvidia.memory"](machine(name, **needs)).mark == mark


def test_a_docker_host_that_leads_nowhere_is_let_go_of(machine: Machine) -> None:
    host = machine("stopped", environ={"DOCKER_HOST": "unix:///nonexistent"})
    assert RUN["docker.answers"](host).fix == "unset DOCKER_HOST"


@pytest.mark.parametrize(
    ("free", "cuda", "mark"),
    [
        (1, {}, "fails"),
        (5, {}, "note"),
        (20, {}, "ok"),
        (5, {"llm": ""}, "fails"),
        (20, {"llm": ""}, "note"),
        (100, {"llm": ""}, "ok"),
    ],
)
def test_images_for_a_gpu_need_more_room(
    machine: Machine, free: int, cuda: dict[str, str], mark: str
) -> None:
    from dataclasses import replace

    host = replace(machine("h200", cuda=cuda), free_bytes=lambda _: free * GIB)
    assert RUN["docker.disk"](host).mark == mark


def test_the_clock_of_a_board_without_a_battery(machine: Machine) -> None:
    from dataclasses import replace

    found = RUN["clock"](replace(machine("h200"), now=lambda: 3600.0))
    assert (found.mark, found.fix) == ("fails", "sudo timedatectl set-ntp true")
    assert "1970-01-01 01:00" in found.message


def test_ids_are_stable() -> None:
    assert [check.id for check in CHECKS] == [
        *("profile", "python.version", "python.packages"),
        *DOCKER,
        *NVIDIA,
        *PASSTHROUGH,
        *("ports.free", "models.store", "models.present", "models.disk", "models.partial", "state.folder"),
        *("clock", "proxy", "ca"),
    ]
    assert all(check.summary for check in CHECKS)


def test_a_remark_where_it_is_needed_stays_what_it_is() -> None:
    found = Finding("fails", "broken", "mend")
    assert found.where(True, "not needed") is found
    assert found.where(False, "not needed") == Finding("unneeded", "not needed (broken)")
