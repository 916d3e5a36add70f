"""Profiles: from a role (stt, llm, tts) to the model that fills it and the Service that serves it."""

from __future__ import annotations

import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from june_cli import nearest, services
from june_cli.assistant import weights
from june_cli.config import CoreSettings, Layer, typed
from june_cli.errors import UsageProblem
from june_cli.paths import expanded
from june_cli.plugins import Plugin
from june_cli.spec import Choice, Limits, Service
from june_cli.store.catalog import Catalog, Model

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

ROLES = ("stt", "llm", "tts")


@dataclass(frozen=True)
class Role:
    """One line of a profile. `path` and `loader` are for a model of one's own, outside the catalog.

    `docker_service` is the service in its place when it runs in Docker, where another server suits better.
    """

    service: str
    docker_service: str = ""
    model: str = ""
    path: str = ""
    loader: str = ""
    quant: str = ""
    device: Literal["cpu", "cuda"] = "cpu"
    image: str = ""
    threads: int = 0
    memory_bytes: int = 0
    context_tokens: int = 0


@dataclass(frozen=True)
class Roles:
    """The profile of this run, its engine, and the one that flag, variable or configuration ask for."""

    profile: str
    engine: str
    engine_asked: str
    roles: Mapping[str, Role]
    catalog: Catalog
    models: Path
    repository: Path
    prepared: Path
    plugins: Mapping[str, Plugin]
    everyone: Mapping[str, tuple[str, ...]]  # the catalog's models that each profile names

    @classmethod
    def of(cls, invocation: Invocation) -> Roles:
        """Resolve the profile that flag, JUNE_PROFILE, configuration or default name."""
        core = invocation.config.section("june", CoreSettings)
        known = _profiles(invocation.config.tables("profiles"))
        if core.profile not in known:
            hint = nearest.hint(core.profile, sorted(known))
            raise UsageProblem("profile-unknown", f"there is no profile {core.profile!r}.", hint=hint)
        profile = dict(known[core.profile])
        return cls(
            profile=core.profile,
            engine=str(profile.get("engine", "process")),
            engine_asked=core.engine,
            roles={name: _role(core.profile, name, profile[name]) for name in ROLES if name in profile},
            catalog=Catalog.load(invocation.paths),
            models=invocation.paths.models,
            repository=invocation.paths.repository,
            prepared=invocation.paths.prepared,
            plugins=invocation.known,
            everyone={name: _models(name, content) for name, content in known.items()},
        )

    def role(self, name: str) -> Role:
        """One role; UsageProblem when the profile leaves it empty."""
        if name not in self.roles:
            raise UsageProblem(
                "role-empty",
                f"profile {self.profile!r} names nothing for {name}.",
                hint=f"add [profiles.{self.profile}.{name}] to the configuration",
            )
        return self.roles[name]

    def model(self, name: str) -> Model | None:
        """The catalog's entry for a role; None when the role points at a folder of one's own."""
        role = self.role(name)
        return None if role.path else self.catalog.get(role.model)

    def model_name(self, name: str) -> str:
        """What to call the model of a role: its catalog name, or its folder's."""
        role = self.role(name)
        return role.model or Path(role.path).name

    def own_folder(self, name: str) -> Path:
        """The folder a role's `path` names, for a model outside the catalog."""
        return expanded(self.role(name).path).absolute()

    def refuse_large_on_cpu(self, name: str) -> None:
        """MachineLacks when the role's model is too large for the CPU it is to run on, whatever flags say."""
        if self.role(name).device == "cpu":
            model = self.model(name)
            count = model.parameters if model else weights.parameters(self.own_folder(name))
            weights.refuse_large_on_cpu(count, self.model_name(name))

    def service(self, name: str, engine: str) -> Service:
        """The Service that serves a role in one engine, made for the role's model."""
        role, model = self.role(name), self.model(name)
        folder = model.folder(self.models) if model else self.own_folder(name)
        choice = Choice(
            role=name,
            model=self.model_name(name),
            path=folder,
            loader=role.loader or (model.loader if model else ""),
            quant=role.quant or (model.quant if model else ""),
            device=role.device,
            image=role.image,
            limits=Limits(role.threads, role.memory_bytes, role.context_tokens),
            repository=self.repository,
            prepared=self.prepared,
        )
        wanted = role.docker_service if engine == "docker" and role.docker_service else role.service
        return services.get(wanted, choice, self.plugins)


def _profiles(tables: list[tuple[Layer, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    text = files("june_cli").joinpath("profiles.toml").read_text("utf-8")
    known: dict[str, dict[str, Any]] = tomllib.loads(text)
    for layer, table in tables:
        for profile, content in table.items():
            if not isinstance(content, dict):
                where = layer.where("profiles", profile)
                raise UsageProblem("config-invalid", f"{where}: [profiles.{profile}] must be a section.")
            merged = known.setdefault(profile, {})
            for key, value in content.items():
                _check(layer, profile, key, value)
                merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
    return known


def _check(layer: Layer, profile: str, key: str, value: Any) -> None:
    where = layer.where(f"profiles.{profile}")
    allowed = [*ROLES, "engine", "summary"]
    if key not in allowed:
        hint = nearest.hint(key, allowed)
        raise UsageProblem("config-invalid", f"{where}: unknown {key!r} in a profile.", hint=hint)
    if key not in ROLES:
        return
    kinds = typing.get_type_hints(Role)
    for name, given in value.items() if isinstance(value, dict) else ():
        line = layer.where(f"profiles.{profile}.{key}", name)
        if name not in kinds:
            hint = nearest.hint(name, sorted(kinds))
            raise UsageProblem("config-invalid", f"{line}: unknown {name!r} for a role.", hint=hint)
        if isinstance(typed(given, kinds[name], line, name), int) and given < 0:
            raise UsageProblem("config-invalid", f"{line}: {name} must not be negative.")


def _models(profile: str, content: Mapping[str, Any]) -> tuple[str, ...]:
    roles = [_role(profile, name, content[name]) for name in ROLES if name in content]
    return tuple(role.model for role in roles if role.model and not role.path)


def _role(profile: str, name: str, content: Any) -> Role:
    try:
        return Role(**{"service": name, **content})
    except TypeError as error:
        raise UsageProblem("config-invalid", f"[profiles.{profile}.{name}] must be a section.") from error
