"""What one run of `june` was asked: commands receive it as `ctx.obj`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from june_cli import plugins
from june_cli.config import Config
from june_cli.output import Output
from june_cli.paths import Paths
from june_cli.plugins import Plugin
from june_cli.words import GlobalWords

if TYPE_CHECKING:
    from june_cli.engine import Engine
    from june_cli.roles import Roles
    from june_cli.services import Companion


@dataclass
class Invocation:
    """The global words, the environment, and what follows from them, each made on first use."""

    words: GlobalWords
    environ: Mapping[str, str]
    out: Output
    known: dict[str, Plugin] = field(default_factory=plugins.found)
    given_engine: Engine | None = None
    _engines: dict[str, Engine] = field(default_factory=dict)
    _chosen: dict[str, Engine] = field(default_factory=dict)

    @cached_property
    def paths(self) -> Paths:
        """Where this run keeps things."""
        return Paths.of(self.environ)

    @cached_property
    def config(self) -> Config:
        """The layered configuration; raises UsageProblem when a file cannot be read."""
        flags = {"engine": self.words.engine, "profile": self.words.profile}
        return Config.load(self.paths, self.environ, list(self.known), {"june": flags})

    @cached_property
    def roles(self) -> Roles:
        """The profile's roles and the engine that runs them."""
        from june_cli.roles import Roles

        return Roles.of(self)

    @cached_property
    def companions(self) -> dict[str, Companion]:
        """Services beside the profile's, by name."""
        from june_cli import services

        return services.companions(self.known)

    def engine_of(self, role: str) -> Engine:
        """Where the service of a role, or a companion, runs or would."""
        from june_cli import engine

        if self.given_engine:
            return self.given_engine
        if role not in self._chosen:
            self._chosen[role] = engine.chosen(self, role)
        return self._chosen[role]

    def engine_named(self, name: str) -> Engine:
        """One engine, made once a run."""
        from june_cli import engine

        if self.given_engine:
            return self.given_engine
        if name not in self._engines:
            self._engines[name] = engine.named(name, self)
        return self._engines[name]
