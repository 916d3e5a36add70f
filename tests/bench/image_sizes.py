"""How large June's images are, beside what they cannot do without: their bare base and their unpacked wheels.

Why: an image is pulled, kept and backed up; package managers, caches and build tools must not stay in it.

How: the Docker Engine says how large an image and its base are. What the wheels take is the sum of the files
where images keep them, counted inside the image; the bytecode that was made of them counts for itself. The
rest is June's code, and whatever else there is. The figure is the image over its base and its wheels. Images
that are named are made first; without names those are measured that the engine has at June's present code.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

import docker
from measuring import Figure, invocation, parser, report

from june_cli.engine import daemon
from june_cli.engine.building import Builder
from june_cli.engine.docker import of

WHEELS = ("/opt/june/lib", "/opt/triton")
COUNT = """
import json, os, sys
plain = compiled = 0
for top in sys.argv[1:]:
    for folder, _, names in os.walk(top):
        for name in names:
            size = os.lstat(os.path.join(folder, name)).st_size
            if name.endswith(".pyc"):
                compiled += size
            else:
                plain += size
print(json.dumps({"wheels": plain, "bytecode": compiled}))
"""
COLUMNS = ("image", "base", "wheels", "bytecode", "rest")


@dataclass(frozen=True)
class Size:
    """One image, in megabytes."""

    tag: str
    image: float
    base: float
    wheels: float
    bytecode: float

    @property
    def rest(self) -> float:
        """What is none of the others."""
        return self.image - self.base - self.wheels - self.bytecode

    @property
    def figure(self) -> Figure:
        """What the image is beside what it needs."""
        sides = {column: getattr(self, column) for column in COLUMNS}
        return Figure(f"{self.tag}, MB", sides, self.image / (self.base + self.wheels))


def measured(client: docker.DockerClient, builder: Builder, tag: str, base: str) -> Size:
    """Ask the engine, and look into the image."""
    command = ["-c", COUNT, *WHEELS]
    said = client.containers.run(tag, command, entrypoint="python3", network_mode="none", remove=True)
    image, bare = (builder.inspected(reference) or {} for reference in (tag, base))
    counted: dict[str, Any] = {key: value / 1e6 for key, value in json.loads(said).items()}
    return Size(tag, image["Size"] / 1e6, bare["Size"] / 1e6, **counted)


def table(sizes: list[Size]) -> str:
    """A line an image."""
    lines = [f"{'MB':<28}" + "".join(f"{column:>10}" for column in COLUMNS) + f"{'ratio':>8}"]
    for size in sizes:
        cells = "".join(f"{getattr(size, column):10.1f}" for column in COLUMNS)
        lines.append(f"{size.tag:<28}{cells}{size.figure.value:8.3f}")
    return "\n".join(lines)


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("names", nargs="*", metavar="NAME", help="images, as `june image list` calls them")
    asked = options.parse_args()
    june = invocation(os.environ)
    engine = of(june)
    builder = engine.builder(june.out)
    builder.ensure(asked.names)
    present = [name for name in engine.images.recipes if builder.present(engine.images.reference(name))]
    names = asked.names or present
    client = docker.DockerClient(base_url=daemon.where(os.environ))
    sizes = [
        measured(client, builder, engine.images.reference(name), engine.images.upstream(name))
        for name in names
    ]
    client.close()
    missing = [name for name in engine.images.recipes if name not in present]
    if asked.json:
        report([size.figure for size in sizes], {"not on this engine": missing}, as_json=True)
        return
    print(table(sizes))
    print("not on this engine:", ", ".join(missing) or "none")


if __name__ == "__main__":
    main()
