"""What a product of `june model build` was made of and for: held against what is here before a load."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from june_cli.errors import JuneError

FILE = "june-build.json"


@dataclass(frozen=True)
class Identity:
    """`image` is NVIDIA's image the product is for, with its digest once known; empty on a CPU.

    `capability` is the GPU's, as 9.0, or `cpu`. `engine` says that a TensorRT engine was built.
    """

    model: str
    revision: str
    quant: str
    server: str
    capability: str
    tensor_parallel: int
    context_tokens: int
    image: str = ""
    sequences: int = 0
    engine: bool = False

    def write(self, folder: Path) -> None:
        """Beside the product."""
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1), "utf-8")


def read(folder: Path) -> Identity | None:
    """What a product was made of; None for one that June did not build."""
    try:
        return Identity(**json.loads((folder / FILE).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def require_current(made: Identity, *, revision: str, capability: str, image: str) -> None:
    """JuneError `entry-outdated` for a product of another revision, GPU or server; it names the rebuild.

    What is not known here, empty, refuses nothing. Of an image the digest is compared where both are known.
    """
    why = ""
    if made.revision != revision:
        why = f"it was built of {made.model} {made.revision[:12]}; now it is {revision[:12]}"
    elif capability and made.capability != capability:
        why = f"it was built for {_gpu(made.capability)}; this is {_gpu(capability)}"
    elif image and made.image and not _same_image(made.image, image):
        why = f"it was built for {made.image[:90]}; the server is {image[:90]}"
    if why:
        again = f"june model build {made.model}" + (" --trt-engine" if made.engine else "")
        raise JuneError(
            "entry-outdated", f"{made.model} cannot be served as it was built: {why}.", hint=again
        )


def _gpu(capability: str) -> str:
    return "a CPU" if capability == "cpu" else f"compute capability {capability}"


def _same_image(one: str, other: str) -> bool:
    (name, _, digest), (known, _, seen) = one.partition("@"), other.partition("@")
    return name == known and (not digest or not seen or digest == seen)
