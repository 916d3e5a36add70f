"""Single containers of one Docker Engine: make, look at, keep, end. When to do which, `docker.py` decides."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from june_cli.engine import daemon, inspection, logs
from june_cli.engine.container import KEPT, NETWORK
from june_cli.engine.signals import uninterrupted

if TYPE_CHECKING:
    from docker import APIClient

    from june_cli.engine.inspection import Inspected

SAVED_LINES = 5000


class Containers:
    """The engine that the environment names, and its containers."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    @cached_property
    def client(self) -> APIClient:
        """The connection, made on first use."""
        return daemon.connect(self._environ)

    def explained(self) -> contextlib.AbstractContextManager[None]:
        """Say in June's words why the engine refused."""
        return daemon.explained(self.client.base_url)

    def inspected(self, which: str) -> Inspected | None:
        """A container by name or id; None when there is none."""
        from docker.errors import NotFound

        with self.explained():
            try:
                found: Inspected = self.client.inspect_container(which)
            except NotFound:
                return None
        return found

    def services(self, home: str) -> list[str]:
        """Names of the services of a home whose containers run."""
        with self.explained():
            label = [f"june.home={home}", "june.kind=service"]
            listed = self.client.containers(filters={"label": label})
        return sorted({one["Labels"]["june.service"] for one in listed})

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
        with self.explained():
            self.client.update_container(found["Id"], restart_policy={"Name": KEPT})
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
            stream = self.client.logs(found["Id"], stream=True, follow=True, tail=0)
        yield from logs.lines(stream)

    def network(self) -> None:
        """June's network, made on first need."""
        from docker.errors import APIError

        with contextlib.suppress(APIError):  # it is there, or another june has just made it
            self.client.create_network(NETWORK, check_duplicate=True, labels={"june.network": NETWORK})

    def leave_network(self) -> None:
        """Remove June's network when nothing uses it; Docker itself refuses while something does."""
        from docker.errors import APIError

        with contextlib.suppress(APIError):
            if (self.client.inspect_network(NETWORK).get("Labels") or {}).get("june.network") == NETWORK:
                self.client.remove_network(NETWORK)
