"""What this host adds to a container: its user, copies of secrets, proxies, a private authority, GPUs."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from june_cli.engine.building import PROXIES
from june_cli.engine.container import Placement, runs_as
from june_cli.errors import MachineLacks
from june_cli.paths import made, shared, writable
from june_cli.spec import Workload
from june_cli.store import tls

CDI_FOLDERS = ("/etc/cdi", "/var/run/cdi")
LOOPBACK = "localhost,127.0.0.1"


class Host:
    """Makes what containers are given of this machine, and takes it away again."""

    def __init__(
        self, environ: Mapping[str, str], folder: Path, cdi_folders: Sequence[str] = CDI_FOLDERS
    ) -> None:
        self._environ, self._folder, self._cdi_folders = environ, folder, cdi_folders

    def placement(
        self, workload: Workload, *, home: str, image: str, ports: Mapping[str, int], keep: bool
    ) -> Placement:
        """Where a workload's container belongs. Makes nothing: `own` does."""
        return Placement(
            home=home,
            image=image,
            ports=ports,
            uid=os.getuid(),
            gid=os.getgid(),
            keep=keep,
            gpus=self._gpus() if workload.gpu else "request",
            secrets={s.name: self._secret(workload.name, s.name) for s in workload.secrets},
            proxies=_proxies(self._environ),
            authority=self._authority if self._environ.get("JUNE_CA_BUNDLE") else None,
        )

    def own(self, workload: Workload) -> None:
        """Make the copies of secrets and the authority's file that its container will see."""
        user = runs_as(os.getuid(), os.getgid())
        for mount in workload.mounts:
            if mount.private:
                _private(mount.source, user)
                continue
            if mount.made:
                shared(mount.source)
                if not mount.read_only and os.getuid() == 0:
                    os.chown(mount.source, *user)
            _require_readable(mount.source)
        for secret in workload.secrets:
            _copied(secret.source, self._secret(workload.name, secret.name), user)
        extra = tls.authority(self._environ)
        if extra:
            made(self._folder)
            with writable(self._folder):  # whole or not at all, and readable whoever the container runs as
                temporary = self._authority.with_suffix(f".{os.getpid()}")
                temporary.write_bytes(tls.trusted() + extra)
                temporary.chmod(0o644)
                temporary.replace(self._authority)

    def disown(self, name: str) -> None:
        """Remove the copies of a workload's secrets."""
        shutil.rmtree(self._folder / "secrets" / name, ignore_errors=True)

    def lines(self, workloads: Sequence[Workload]) -> list[str]:
        """The same, for a shell: what has to be there before the containers are."""
        user = runs_as(os.getuid(), os.getgid())
        lines = []
        for workload in workloads:
            owner = f" -o {user[0]} -g {user[1]}" if os.getuid() == 0 else ""
            for mount in (m for m in workload.mounts if m.made and not m.source.is_dir()):
                rights = "0700" if mount.private else "0755"
                rights += "" if mount.read_only else owner
                lines.append(f"install -d -m {rights} {shlex.quote(str(mount.source))}")
            for secret in workload.secrets:
                target = self._secret(workload.name, secret.name)
                lines.append(
                    f"install -D -m 0400{owner} {shlex.quote(str(secret.source))} {shlex.quote(str(target))}"
                )
        if self._environ.get("JUNE_CA_BUNDLE"):
            trusted = shlex.join([*tls.trusted_files(), self._environ["JUNE_CA_BUNDLE"]])
            lines.append(f"mkdir -p -m 0700 {shlex.quote(str(self._folder))}")
            file = shlex.quote(str(self._authority))
            lines.append(f"cat {trusted} > {file} && chmod 0644 {file}")
        return lines

    def _gpus(self) -> Literal["request", "cdi"]:
        """`--gpus` needs NVIDIA's container runtime; without it, a CDI specification will do."""
        programs = ("nvidia-container-runtime", "nvidia-container-runtime-hook")
        if any(shutil.which(program, path=self._environ.get("PATH")) for program in programs):
            return "request"
        specified = any(any(Path(folder).glob("*nvidia*")) for folder in self._cdi_folders)
        return "cdi" if specified else "request"

    @property
    def _authority(self) -> Path:
        return self._folder / "authorities.pem"

    def _secret(self, workload: str, name: str) -> Path:
        return self._folder / "secrets" / workload / name


def _private(folder: Path, user: tuple[int, int]) -> None:
    """A folder that a container writes to, which nobody but its user may read."""
    made(folder)
    if os.getuid() == 0:
        with writable(folder):
            os.chown(folder, *user)


def _copied(source: Path, target: Path, user: tuple[int, int]) -> None:
    """A copy that only the container's user may read; never more open than that, not even for a moment."""
    try:
        content = source.read_bytes()
    except OSError as error:
        raise MachineLacks(
            "secret-unreadable", f"the secret file {source} cannot be read: {error.strerror}."
        ) from error
    made(target.parent)
    with writable(target.parent):
        target.unlink(missing_ok=True)
        with os.fdopen(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o400), "wb") as sink:
            sink.write(content)
        if os.getuid() == 0:
            os.chown(target, *user)


def _require_readable(source: Path) -> None:
    """Root's containers run as nobody: what they are to read must be readable by everybody."""
    try:
        mode = source.stat().st_mode
    except OSError as error:
        raise MachineLacks(
            "mount-missing", f"{source} is to be seen in a container and is not there."
        ) from error
    needed = (stat.S_IROTH | stat.S_IXOTH) if stat.S_ISDIR(mode) else stat.S_IROTH
    if os.getuid() == 0 and mode & needed != needed:
        raise MachineLacks(
            "mount-unreadable",
            f"{source} may be read by root alone, and June's containers do not run as root.",
            hint=f"chmod -R o+rX {shlex.quote(str(source))}",
        )


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The proxy settings a container may see: none with a password, which `docker inspect` would show."""
    found = {name: environ[name] for name in PROXIES if environ.get(name) and "@" not in environ[name]}
    if found and not any(name.lower() == "no_proxy" for name in found):
        found["NO_PROXY"] = LOOPBACK
    return found
