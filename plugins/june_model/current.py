"""Whether a product of `june model build` is still for the model, the GPU and the server that are here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from june_cli.planning import machine as machines
from june_cli.planning.machine import Machine
from june_cli.store.catalog import Model
from june_model import gpu_building, identity
from june_model.identity import Identity

if TYPE_CHECKING:
    from june_cli.invocation import Invocation


def machine(june: Invocation) -> Machine:
    """What the profile's language model runs on."""
    return machines.here() if june.roles.role("llm").device == "cuda" else machines.cpu()


def require(june: Invocation, made: Identity, known: Model, here: Machine) -> None:
    """JuneError that names the rebuild where it is not. Without a GPU here its engine says so, not this."""
    if june.roles.role("llm").device == "cpu":
        identity.require_current(made, revision=known.revision, capability="cpu", image="")
        return
    capability = "" if here.is_cpu else f"{here.capability[0]}.{here.capability[1]}"
    service = june.roles.service("llm", june.engine_of("llm").name)
    image = gpu_building.image_of(june, service.image)
    identity.require_current(made, revision=known.revision, capability=capability, image=image)
