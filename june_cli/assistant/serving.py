"""How a June service starts and ends: one environment contract, one log, exit codes, a polite stop."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn, Protocol, TypeVar, cast

from june_cli.assistant import gpu
from june_cli.assistant.ports import PORT_TAKEN_EXIT, free_port
from june_cli.errors import JuneError

log = logging.getLogger("june")
LOG_CAP_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class Place:
    """What the engine told this service about where it runs."""

    name: str
    host: str
    port: int
    model_dir: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Place:
        """Read JUNE_SERVICE, JUNE_HOST, JUNE_PORT and JUNE_MODEL_DIR."""
        return cls(
            name=environ.get("JUNE_SERVICE", "june"),
            host=environ.get("JUNE_HOST", "127.0.0.1"),
            port=int(environ["JUNE_PORT"]),
            model_dir=Path(environ["JUNE_MODEL_DIR"]),
        )


class Named(Protocol):
    """A place: what every service is told is its name."""

    @property
    def name(self) -> str:
        """Of the service."""


P = TypeVar("P", bound=Named)


def program(main: Callable[[P], None], place_of: Callable[[Mapping[str, str]], P] | None = None) -> None:
    """Run a service's main with logging set up; end with June's exit codes and one line about why.

    `place_of` reads what the engine told it, where that is more than a `Place`.
    """
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    _bound_log(os.environ.get("JUNE_LOG_FILE"))
    try:
        place = (place_of or Place.of)(os.environ)
        if wants_gpu():
            gpu.require(place.name)
        main(cast(P, place))
    except JuneError as error:
        log.error("%s", error.message)
        sys.exit(error.exit_code)
    except KeyError as error:
        log.error("the variable %s is not set; an engine starts this service", error)
        sys.exit(2)


def wants_gpu() -> bool:
    """Whether this program was to run on a GPU: it then has one, or does not start."""
    return os.environ.get("JUNE_DEVICE") == "cuda"


def require_free(host: str, *ports: int) -> None:
    """End with the exit code of a taken port where somebody listens on one already.

    For servers that would not say so by themselves, or not in time.
    """
    for port in ports:
        if free_port(port, host) != port:
            log.error("port %d on %s is taken", port, host)
            sys.exit(PORT_TAKEN_EXIT)


def become(command: Sequence[str], environ: Mapping[str, str] | None = None) -> NoReturn:
    """This process becomes another program of its image: the engine then signals that one."""
    log.info("%s becomes %s", os.environ.get("JUNE_SERVICE", "june"), command[0])
    os.execvpe(command[0], list(command), environ or os.environ)  # noqa: S606 - nothing is started


def threads(environ: Mapping[str, str], fallback: int) -> int:
    """How many threads a model may use: JUNE_THREADS, else `fallback`, never more than this process has."""
    return max(1, min(int(environ.get("JUNE_THREADS") or 0) or fallback, cores()))


def cores() -> int:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def stop_asked() -> threading.Event:
    """Set when somebody asks this process to end."""
    asked = threading.Event()

    def end(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        asked.set()

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, end)
    return asked


def _bound_log(path: str | None) -> None:
    """Keep the log this process appends to from growing for ever: past 10 MB it is copied and emptied."""
    if not path:
        return
    target = Path(path)

    def watch() -> None:
        while not threading.Event().wait(30.0):
            with suppress(OSError):
                if target.stat().st_size > LOG_CAP_BYTES:
                    shutil.copyfile(target, target.with_name(target.name + ".1"))
                    os.truncate(target, 0)

    threading.Thread(target=watch, name="log-watch", daemon=True).start()
