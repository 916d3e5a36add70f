"""Single containers of one Docker Engine: make, look at, keep, end. When to do which, `docker.py` decides."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from june_cli.engine import daemon, inspection, logs
from june_cli.engine.container import KEPT, NETWORK
from june_cli.engine.signals import uninterrupted
from june_cli.errors import JuneError, MachineLacks

if TYPE_CHECKING:
    from docker import APIClient

    from june_cli.engine.inspection import Inspected

SAVED_LINES = 5000
SILENT_S = 5.0
# What `docker info` says that a kernel cannot do, and what the engine then leaves out of a container.
DISCARDED = {
    "MemoryLimit": {"Memory", "MemorySwap"},
    "SwapLimit": {"MemorySwap"},
    "PidsLimit": {"PidsLimit"},
    "CPUShares": {"CpuShares"},
}


class Containers:
    """The engine that the environment names, and its containers."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._lock, self._connecting = threading.Lock(), threading.Lock()
        self._connected: APIClient | None = None
        self._silence: MachineLacks | None = None
        self._silent_at = 0.0

    @cached_property
    def _address(self) -> str:
        return daemon.where(self._environ)

    @property
    def client(self) -> APIClient:
        """The connection, made on first use. One that hung a moment ago is not waited for again."""
        with self._connecting:
            if self._connected is None:
                if self._silence and time.monotonic() - self._silent_at < SILENT_S:
                    raise self._silence
                try:
                    self._connected = daemon.connect(self._environ)
                except MachineLacks as error:
                    self._silence, self._silent_at = error, time.monotonic()
                    raise
            return self._connected

    def explained(self) -> contextlib.AbstractContextManager[None]:
        """Say in June's words why the engine refused."""
        return daemon.explained(self._address)

    def require_answer(self) -> None:
        """MachineLacks, soon, when the engine hangs or is gone: a clean-up must not hang with it."""
        with self.explained():
            self.client.get(f"{self.client.base_url}/_ping", timeout=daemon.ANSWER_S)

    def inspected(self, which: str) -> Inspected | None:
        """A container by name or id; None when there is none."""
        from docker.errors import NotFound

        with self.explained():
            try:
                found: Inspected = self.client.inspect_container(which)
            except NotFound:
                return None
        return found

    def discarded(self) -> set[str]:
        """Settings that this engine cannot honour: that a container lacks them is nobody's doing."""
        with self.explained():
            said: dict[str, Any] = self.client.info()
        return {key for limit, keys in DISCARDED.items() if said.get(limit) is False for key in keys}

    def services(self, home: str) -> list[str]:
        """Names of the services of a home whose containers run."""
        with self.explained():
            label = [f"june.home={home}", "june.kind=service"]
            listed = self.client.containers(filters={"label": label})
        return sorted({one["Labels"]["june.service"] for one in listed})

    def labelled(self, home: str, service: str) -> Inspected | None:
        """The container that says of itself that it is this service of this home, whatever its name."""
        with self.explained():
            label = [f"june.home={home}", f"june.service={service}", "june.kind=service"]
            listed = self.client.containers(all=True, filters={"label": label})
        return self.inspected(listed[0]["Id"]) if listed else None

    def publisher(self, port: int) -> str:
        """The container that has a port of this host; empty when none has."""
        with self.explained():
            listed = self.client.containers(filters={"publish": str(port)})
        names = [one["Names"][0].removeprefix("/") for one in listed if _publishes(one, port)]
        return f"container {names[0]}" if names else ""

    def run(self, body: dict[str, Any], name: str) -> Inspected:
        """Create and start; one that does not start is removed again. Errors are the SDK's."""
        created = self.client.create_container_from_config(body, name)["Id"]
        try:
            self.client.start(created)
            found: Inspected = self.client.inspect_container(created)
        except BaseException:
            self.client.remove_container(created, force=True, v=True)
            raise
        return found

    def keep(self, found: Inspected) -> Inspected:
        """Have Docker bring it back after a crash and a reboot; returns what it is then."""
        if inspection.kept(found):
            return found
        from docker.errors import NotFound

        with self.explained():
            try:
                self.client.update_container(found["Id"], restart_policy={"Name": KEPT})
            except NotFound as error:
                raise _cannot_keep(inspection.name(found)) from error
        return self.inspected(str(found["Id"])) or found

    def end(self, found: Inspected, log: Path) -> None:
        """Stop politely, write its log down, remove it with its volumes."""
        from docker.errors import NotFound

        with self.explained(), contextlib.suppress(NotFound), uninterrupted():
            if inspection.lives(found):
                if found["State"].get("Paused"):
                    self.client.unpause(found["Id"])
                self.client.stop(found["Id"], timeout=found["Config"].get("StopTimeout"))
            with logs.opened(log) as sink:
                sink.write(self.client.logs(found["Id"], tail=SAVED_LINES))
            self.client.remove_container(found["Id"], force=True, v=True)

    def log_tail(self, found: Inspected, lines: int) -> list[str]:
        """The last lines it wrote."""
        with self.explained():
            said: bytes = self.client.logs(found["Id"], tail=lines)
        return said.decode("utf-8", "replace").splitlines()

    def follow(self, found: Inspected) -> Iterator[str]:
        """Every line it writes from now on, until it ends or the iterator is closed."""
        with self.explained():
            yield from logs.lines(self.client.logs(found["Id"], stream=True, follow=True, tail=0))

    def network(self) -> None:
        """June's network, made on first need.

        Docker lets two of one name be made at the same moment, and then refuses to use either. So whoever
        made one looks again, and takes its own away unless it is the first.
        """
        from docker.errors import APIError

        with self.explained(), self._lock:
            if self._networks():
                return
            created = self.client.create_network(NETWORK, labels={"june.network": NETWORK})["Id"]
            if self._networks()[0]["Id"] != created:
                with contextlib.suppress(APIError):
                    self.client.remove_network(created)

    def _networks(self) -> list[dict[str, Any]]:
        """All networks of June's name, the first made first."""
        found = [one for one in self.client.networks(names=[NETWORK]) if one["Name"] == NETWORK]
        return sorted(found, key=lambda one: (one.get("Created", ""), one["Id"]))

    def leave_network(self) -> None:
        """Remove June's network when nothing uses it; Docker itself refuses while something does."""
        with contextlib.suppress(JuneError), self.explained():
            if (self.client.inspect_network(NETWORK).get("Labels") or {}).get("june.network") == NETWORK:
                self.client.remove_network(NETWORK)


def _cannot_keep(name: str) -> MachineLacks:
    return MachineLacks(
        "cannot-keep",
        f"{name} cannot be left running: it was removed, or this is a Podman before 5.1, which cannot change "
        "whether a container stays.",
        hint="june serve --foreground, which stays itself",
    )


def _publishes(listed: Mapping[str, Any], port: int) -> bool:
    """The filter also knows ports inside containers."""
    return any(entry.get("PublicPort") == port for entry in listed.get("Ports") or ())
