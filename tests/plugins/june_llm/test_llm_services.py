"""The services of the language model, as the profile would ask for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from june_llm.services import SERVICES

from june_cli.errors import UsageProblem
from june_cli.spec import Choice


def choice(device: str = "cpu", role: str = "llm") -> Choice:
    return Choice(role=role, model="tiny", path=Path("/models/tiny"), loader="gguf", device=device)  # type: ignore[arg-type]


def test_both_servers_see_the_same_model_under_the_same_variables() -> None:
    openai, triton = SERVICES["llm"](choice()), SERVICES["llm-triton"](choice())
    assert openai.mounts == triton.mounts
    assert openai.env == triton.env
    assert (openai.api, triton.api) == ("openai", "triton")


def test_a_running_service_has_the_name_of_its_role() -> None:
    assert {SERVICES[name](choice(role="other")).name for name in ("llm", "llm-triton")} == {"other"}


def test_triton_has_its_three_ports_and_must_write_a_token() -> None:
    service = SERVICES["llm-triton"](choice())
    assert {(p.name, p.number, p.env) for p in service.ports} == {
        ("http", 8000, "JUNE_PORT"),
        ("grpc", 8001, "JUNE_GRPC_PORT"),
        ("metrics", 8002, "JUNE_METRICS_PORT"),
    }
    assert (service.ready.kind, service.ready.model, service.ready.port) == ("triton", "tiny", "http")
    assert service.shm_bytes >= 64 * 1024**2


def test_llama_cpp_alone_has_no_form_for_gpus() -> None:
    with pytest.raises(UsageProblem):
        SERVICES["llm"](choice("cuda"))
