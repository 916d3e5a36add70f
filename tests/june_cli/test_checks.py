"""Checks are found in every plugin; one that cannot be asked is reported and stops nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from june_cli.checks import Check, Host, Needs, fails, fine, note, offered, unknown
from june_cli.errors import JuneError
from june_cli.paths import Paths
from june_cli.plugins import BrokenPlugin, Plugin


@dataclass(frozen=True)
class Given(Plugin):
    """A plugin whose checks.py holds what the test gives."""

    checks: Any = ()

    def part(self, module: str, attribute: str, default: Any = None) -> Any:
        assert (module, attribute, default) == ("checks", "CHECKS", ())
        if isinstance(self.checks, Exception):
            raise BrokenPlugin(self, self.checks)
        return self.checks


def plugin(name: str, checks: Any, distribution: str = "june-cli") -> Given:
    return Given(name, f"june_{name}", distribution, "1.0", checks=checks)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    def not_asked(*words: Any) -> Any:
        raise AssertionError(words)

    paths = Paths.of({"JUNE_HOME": str(tmp_path)})
    return Host(
        {}, paths, Needs("tiny", "process"), not_asked, not_asked, dict, not_asked, not_asked, tmp_path
    )


SPEED = Check("net.speed", "The network is fast.", lambda _: fine("fast"))
LIGHT = Check("light", "It is bright.", lambda _: fine("bright"))


def test_checks_keep_the_order_of_plugins_and_their_own() -> None:
    found = offered([plugin("b", (SPEED,)), plugin("none", ()), plugin("a", (LIGHT,), "other")])
    assert [(one.check.id, one.distribution) for one in found] == [
        ("net.speed", "june-cli"),
        ("light", "other"),
    ]


@pytest.mark.parametrize(
    ("checks", "says"),
    [
        (ImportError("no module named torch"), "no module named torch"),
        ([LIGHT], "no tuple of Check"),
        (("light",), "no tuple of Check"),
        (None, "no tuple of Check"),
        ((LIGHT, LIGHT), "a second check 'light'"),
        ((SPEED,), "a second check 'net.speed'"),
    ],
)
def test_a_plugin_that_cannot_be_asked_is_a_check_that_fails(host: Host, checks: Any, says: str) -> None:
    found = offered([plugin("first", (SPEED,)), plugin("bad", checks, "june-bad")])
    assert [one.check.id for one in found] == ["net.speed", "plugin.bad"]
    finding = found[1].check.run(host)
    assert (finding.mark, finding.fix) == ("fails", "pip install --upgrade june-bad")
    assert says in finding.message


def test_only_what_needs_mending_is_not_ok() -> None:
    assert [f.ok for f in (fine("a"), note("b", "c"), fails("d", "e"), unknown("f", "g"))] == [
        True,
        True,
        False,
        False,
    ]


def test_where_it_is_not_needed_a_failure_is_a_remark_without_a_command() -> None:
    for finding in (fails("gone", "fetch it"), note("gone", "fetch it")):
        elsewhere = finding.where(False, "not needed by profile tiny")
        assert (elsewhere.ok, elsewhere.fix) == (True, "")
        assert elsewhere.message == "not needed by profile tiny (gone)"
    assert unknown("not told", "fix").where(False, "not needed").message == "not needed"
    assert fine("here").where(False, "not needed") == fine("here")


def test_system_files_are_read_below_the_root(host: Host, tmp_path: Path) -> None:
    (tmp_path / "etc/cdi").mkdir(parents=True)
    (tmp_path / "etc/cdi/nvidia.yaml").write_bytes(b"kind: \xff")
    assert host.glob("/etc/cdi/*nvidia*") == ["/etc/cdi/nvidia.yaml"]
    assert host.read("/etc/cdi/nvidia.yaml") == "kind: �"
    assert host.read("/etc/nothing") == ""
    assert host.read("/etc") == ""


def test_needs_say_whether_anything_runs_in_docker(host: Host) -> None:
    assert not host.needs.docker
    assert replace(host.needs, engine="docker").docker


def test_a_broken_profile_keeps_its_error() -> None:
    needs = Needs("mine", "process", problems={"llm": JuneError("service-unknown", "no such service.")})
    assert needs.problems["llm"].code == "service-unknown"
