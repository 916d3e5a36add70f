"""Makes images and removes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from june_cli import nearest
from june_cli.engine import image_store
from june_cli.errors import UsageProblem

if TYPE_CHECKING:
    from june_cli.invocation import Invocation


@dataclass(frozen=True)
class Built:
    """What is there now, by image; with `--dry-run` the lines that would make it."""

    images: dict[str, str]
    lines: Sequence[str] = ()

    def blocks(self) -> list[str]:
        """A line an image."""
        return [*self.lines] or [f"{name}: {reference}" for name, reference in self.images.items()]


@dataclass(frozen=True)
class Pruned:
    """What was removed, or would be with `--dry-run`, and what it took with it."""

    removed: Sequence[str]
    bytes: int

    def blocks(self) -> list[str]:
        """A line an image and the sum; layers shared with an image that stays are counted too."""
        return [*self.removed, f"{len(self.removed)} images, up to {self.bytes / 1e6:.0f} MB"]


def build(june: Invocation, names: Sequence[str] | None) -> Built:
    """Have the images: those named, or those that the profile's services need in Docker."""
    from june_cli.engine import docker

    engine = docker.of(june)
    wanted = list(dict.fromkeys(names or _of_profile(june)))
    references = {name: engine.images.reference(name) for name in wanted}
    if june.words.dry_run:
        steps = {step.tag: step.line for name in wanted for step in engine.images.builds(name)}
        pulls = [f"docker pull {references[n]}" for n in wanted if not engine.images.builds(n)]
        return Built(references, (*pulls, *steps.values()))
    engine.builder(june.out).ensure(wanted)
    return Built(references)


def _of_profile(june: Invocation) -> list[str]:
    roles = june.roles
    return [roles.service(role, "docker").image for role in roles.roles]


def prune(june: Invocation, everything: bool) -> Pruned:
    """Remove what no container uses and no service of this June needs."""
    from june_cli.engine import docker

    engine = docker.of(june)
    steps = [step.tag for name in engine.images.recipes for step in engine.images.builds(name)]
    wanted, users = set() if everything else set(steps), image_store.users(engine.client)
    removed, size = [], 0
    for image in image_store.held(engine.client):
        if set(image.tags) & wanted or image.id in users:
            continue
        label = " ".join(image.tags) or image.id.removeprefix("sha256:")[:12]
        with june.out.progress(f"Removing {label}"):
            if not june.words.dry_run and not image_store.remove(engine.client, image):
                continue
        removed.append(label)
        size += image.bytes
    return Pruned(removed, size)


def write_context(june: Invocation, tag: str) -> None:
    """The build context of a tag, or of the last build of a name, onto stdout."""
    from june_cli.engine.images import Images
    from june_cli.store.tls import authority

    images = Images.load()
    name = tag.removeprefix("june/").partition(":")[0]
    built = images.builds(name)
    steps = {**{step.tag: step for step in built}, **({name: built[-1]} if built else {})}
    if tag not in steps:
        hint = nearest.hint(tag, sorted(steps) or sorted(images.recipes))
        raise UsageProblem("image-unknown", f"June builds no image {tag!r}.", hint=hint)
    june.out.raw(steps[tag].context(authority(june.environ)))
