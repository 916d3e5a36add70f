"""Makes images be there: pulls those of others, builds June's own, one step a progress line."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from june_cli.engine.daemon import explained
from june_cli.engine.images import LABEL, Build, Images
from june_cli.errors import JuneError, MachineLacks
from june_cli.paths import made, writable
from june_cli.store import tls

if TYPE_CHECKING:
    from docker import APIClient

    from june_cli.output import Output

# Build arguments that a Docker Engine takes without the Dockerfile naming them, and keeps out of the history.
UPPER = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY")
PROXIES = (*UPPER, "http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
INDEXES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")
LAST_LINES = 12
ROOM_BYTES = 32 * 1024 * 1024  # a disk with less is the reason why a build failed
NOISE = re.compile(r"\s*$| ---> |Removing intermediate container ")  # what the builder says of itself
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
FETCHING = ("pip ", "apt-get ", "curl ", "FROM ", "ADD ")  # what in a step needs the network
STEP_SHOWN = 80  # characters of a step, which may be a page of shell


class Builder:
    """Builds and pulls with one Docker Engine."""

    def __init__(
        self, client: APIClient, images: Images, environ: Mapping[str, str], out: Output, digests: Path
    ) -> None:
        self._client, self._images, self._environ, self._out = client, images, environ, out
        self._digests = digests

    def ensure(self, names: Iterable[str]) -> None:
        """Every named image is on this engine afterwards.

        JuneError `image-build-failed` names the step that failed and shows its last lines; MachineLacks
        `image-unavailable` an image of others that is neither here nor to be had.
        """
        wanted: dict[str, Build] = {}
        for name in dict.fromkeys(names):
            if self.present(self._images.reference(name)):
                continue
            self.pulled(self._images.upstream(name))
            wanted |= {build.tag: build for build in self._images.builds(name)}
        missing = [build for build in wanted.values() if not self.present(build.tag)]
        for number, build in enumerate(missing, 1):
            self.build(build, f"{number}/{len(missing)}")
        if missing:
            self._sweep()

    def _sweep(self) -> None:
        """Remove what the stages that fetch wheels left: as large as an image, and of no further use."""
        with suppress(JuneError), explained(self._client.base_url):
            self._client.prune_images({"dangling": True, "label": [f"{LABEL}=wheels"]})

    def present(self, reference: str) -> bool:
        """Whether the engine has it."""
        return self.inspected(reference) is not None

    def inspected(self, reference: str) -> dict[str, Any] | None:
        """What the engine knows of an image; None when it has none of that name."""
        from docker.errors import ImageNotFound

        with explained(self._client.base_url):
            try:
                found: dict[str, Any] = self._client.inspect_image(reference)
            except ImageNotFound:
                return None
        return found

    def build(self, build: Build, number: str = "") -> None:
        """Build one image and tag it. Its intermediate containers are gone however it ends."""
        label = f"Building {build.tag}" + (f" ({number})" if number else "")
        said: deque[str] = deque(maxlen=LAST_LINES)
        step = "reading the context"
        with self._out.progress(label) as bar, explained(self._client.base_url):
            events = self._client.build(
                fileobj=io.BytesIO(build.context(tls.authority(self._environ))),
                custom_context=True,
                tag=build.tag,
                buildargs={**self._arguments(), build.argument: build.base},
                labels={LABEL: build.name},
                rm=True,
                forcerm=True,
                decode=True,
            )
            with closing(events):
                for event in events:
                    if "error" in event:
                        if self._disk_is_full():
                            raise _full(f"{build.tag} was not built")
                        raise _failed(build, step, [*said, str(event["error"])])
                    for line in str(event.get("stream", "")).splitlines():
                        if re.match(r"Step \d+/\d+ : ", line):
                            step = line
                            said.clear()
                            bar.update(text=" ".join(line.split())[:STEP_SHOWN])
                        elif not NOISE.match(line := COLOURS.sub("", line)):
                            said.append(line)

    def _disk_is_full(self) -> bool:
        """Whether the engine has no room left, which a program in a build may tell in words of its own."""
        with suppress(OSError, KeyError, JuneError), explained(self._client.base_url):
            return shutil.disk_usage(self._client.info()["DockerRootDir"]).free < ROOM_BYTES
        return False

    def pulled(self, reference: str) -> None:
        """Have an image of others, and remember the digest its tag had the first time."""
        found = self.inspected(reference)
        if found is None:
            self._pull(reference)
            found = self.inspected(reference) or {}
        self._remember(reference, found.get("RepoDigests") or [])

    def _pull(self, reference: str) -> None:
        from docker.errors import DockerException

        layers: dict[str, tuple[int, int]] = {}
        with self._out.progress(f"Pulling {reference}") as bar, explained(self._client.base_url):
            try:  # the SDK takes a tag or a digest off the reference
                with closing(self._client.pull(reference, stream=True, decode=True)) as events:
                    for event in events:
                        if "error" in event:
                            raise _unavailable(reference, str(event["error"]))
                        detail = event.get("progressDetail") or {}
                        if detail.get("total"):
                            layers[event["id"]] = (int(detail.get("current", 0)), int(detail["total"]))
                            done, total = (sum(values) for values in zip(*layers.values(), strict=True))
                            bar.update(text=f"{done / 1e6:.0f} of {total / 1e6:.0f} MB")
            except DockerException as error:
                why = getattr(error, "explanation", None) or error
                raise _unavailable(reference, str(why)) from error

    def _remember(self, reference: str, digests: Sequence[str]) -> None:
        if not digests:
            return  # made on this machine: there is no registry that could say otherwise
        known = recorded(self._digests)
        seen = [one.rpartition("@")[2] for one in digests]  # several: of all registries it has a name of
        before = known.get(reference)
        if before is None:
            made(self._digests.parent)
            with writable(self._digests.parent):
                temporary = self._digests.with_suffix(f".{os.getpid()}")
                temporary.write_text(json.dumps({**known, reference: seen[0]}, indent=1), "utf-8")
                temporary.replace(self._digests)
        elif before not in seen:
            self._out.note(
                f"{reference} is not the image June first saw: "
                f"it was {before[:19]} and is {seen[0][:19]} now."
            )

    def _arguments(self) -> dict[str, str]:
        return {name: self._environ[name] for name in (*PROXIES, *INDEXES) if self._environ.get(name)}


def recorded(path: Path) -> dict[str, str]:
    """The digest each tag had when this home first saw it."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in content.items()} if isinstance(content, dict) else {}


def _failed(build: Build, step: str, said: Sequence[str]) -> JuneError:
    if "no space left" in "\n".join(said).lower():
        return _full(f"{build.tag} was not built")
    lines = "\n".join(f"    {line}" for line in said)
    fetches = any(word in step for word in FETCHING)
    return JuneError(
        "image-build-failed",
        f"{build.tag} could not be built. It failed at: {step}\n{lines}",
        hint="a build needs the network; behind a proxy, HTTPS_PROXY and JUNE_CA_BUNDLE reach it"
        if fetches
        else "",
    )


def _full(what: str) -> MachineLacks:
    hint = "june image prune; docker system df"
    return MachineLacks("disk-full", f"Docker's disk is full; {what}.", hint=hint)


def _unavailable(reference: str, why: str) -> MachineLacks:
    if "no space left" in why.lower():
        return _full(f"{reference} was not pulled")
    return MachineLacks(
        "image-unavailable",
        f"the image {reference} is not on this machine and cannot be pulled: {why.strip()[:300]}.",
        hint=f"docker pull {reference}; without a network, docker load it from a file",
    )
