"""A model that its server does not let go of: waited for, named, and by a repair got rid of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from june_model import loading
from june_model.served import Server

from june_cli.assistant.repository import ModelState
from june_cli.errors import NotReady
from june_cli.invocation import Invocation


@dataclass
class Leaving:
    """A model control whose one model is being unloaded for so many looks."""

    looks: int
    engine: Any = None
    running: Any = None
    asked: list[str] = field(default_factory=list)

    @property
    def repository(self) -> Leaving:
        return self

    def state(self, name: str) -> ModelState:
        self.asked.append(name)
        return ModelState(name, "1", "UNLOADING" if len(self.asked) <= self.looks else "UNAVAILABLE", "")


def let_go(triton: Leaving, *, repair: bool) -> Server:
    return loading._let_go(cast(Invocation, None), cast(Server, triton), "m", repair=repair)


def test_an_unload_under_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "LOOK_S", 0.0)
    triton = Leaving(looks=3)
    assert let_go(triton, repair=False) is cast(Server, triton)
    assert len(triton.asked) == 4


def test_one_that_never_ends_is_named_with_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "UNLOADING_S", 0.0)
    with pytest.raises(NotReady) as caught:
        let_go(Leaving(looks=10_000), repair=False)
    assert (caught.value.code, caught.value.hint) == ("model-not-unloaded", "june model load m --repair")


def test_a_repair_restarts_the_server_and_never_one_that_june_does_not_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loading, "UNLOADING_S", 0.0)
    with pytest.raises(NotReady, match="still being unloaded") as caught:
        let_go(Leaving(looks=10_000), repair=True)
    assert caught.value.hint == "restart that Triton"
    again = Leaving(looks=0)
    monkeypatch.setattr(loading, "_restarted", lambda *_: again)
    assert let_go(Leaving(looks=10_000, engine=object()), repair=True) is cast(Server, again)
