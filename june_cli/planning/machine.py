"""The memory a plan has to fit into: of this machine, or of one that is only named."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from june_cli import gpu, nearest
from june_cli.errors import MachineLacks, UsageProblem
from june_cli.gpu import Accelerator

GB, GIB = 1000**3, 1024**3
MIB = 1024**2
# Of unified memory and of a CPU's, what everything else on the machine needs.
RESERVED_UNIFIED, RESERVED_CPU = 16 * GIB, 1 * GIB
SHARE = 0.95  # of a discrete GPU's free memory: the rest is lost to its allocator
UNTOLD = (1, 0)  # the compute capability of a GPU whose driver does not tell it


@dataclass(frozen=True)
class Machine:
    """Where a model is to run. `have` is what may be used of `memory`; capability (0, 0) is a CPU."""

    name: str
    memory: int
    have: int
    capability: tuple[int, int]
    unified: bool = False
    note: str = ""

    @property
    def is_cpu(self) -> bool:
        """Whether there is no GPU."""
        return self.capability == (0, 0)

    def idle(self) -> Machine:
        """The same with nothing running on it that takes memory: more than this it never has."""
        if self.unified or self.is_cpu:
            most = self.memory - (RESERVED_UNIFIED if self.unified else RESERVED_CPU)
        else:
            most = int(self.memory * SHARE)
        return replace(self, have=max(self.have, most))


# Memory in MiB as nvidia-smi tells it of an idle card, and compute capability.
CARDS: Mapping[str, tuple[int, tuple[int, int]]] = {
    "h200": (143_771, (9, 0)),
    "h100": (81_559, (9, 0)),
    "b200": (183_359, (10, 0)),
    "a100-80": (81_920, (8, 0)),
    "a100-40": (40_960, (8, 0)),
    "rtx5090": (32_607, (12, 0)),
    "rtx-pro-6000": (97_887, (12, 0)),
    "rtx4090": (24_564, (8, 9)),
    "rtx3090": (24_576, (8, 6)),
    "l40s": (46_068, (8, 9)),
    "l4": (23_034, (8, 9)),
    "a10": (23_028, (8, 6)),
    "t4": (15_360, (7, 5)),
}
GB10 = 127_600_748 * 1024  # MemTotal of a DGX Spark
GB10_USED = 4 * GIB  # by an idle system


def of(spec: str, read: gpu.Read | None = None) -> Machine:
    """The machine that `--gpu` names: a card, `gb10`, `cpu`, `cpu-16` (GiB), `a100-40:20` (a MIG slice).

    UsageProblem offers the nearest name.
    """
    text = spec.lower()
    if text == "cpu":
        return cpu(read)
    if found := re.fullmatch(r"cpu-(\d+)", text):
        memory = int(found[1]) * GIB
        return Machine(text, memory, memory - RESERVED_CPU, (0, 0))
    if text == "gb10":
        return Machine(text, GB10, GB10 - GB10_USED - RESERVED_UNIFIED, gpu.GB10, unified=True)
    card, _, slice_gib = text.partition(":")
    if card in CARDS and (not slice_gib or slice_gib.isdigit()):
        memory, capability = CARDS[card]
        size = int(slice_gib) * GIB if slice_gib else memory * MIB
        return Machine(text, size, int(size * SHARE), capability, note="a MIG slice" if slice_gib else "")
    known = [*CARDS, "gb10", "cpu"]
    raise UsageProblem("gpu-unknown", f"June knows no GPU {spec!r}.", hint=nearest.hint(text, known))


def here(tool: gpu.Tool | None = None, read: gpu.Read | None = None) -> Machine:
    """This machine: its first GPU, else its CPU."""
    try:
        return first_gpu(tool, read)
    except MachineLacks as error:
        return cpu(read, note=error.message)


def first_gpu(tool: gpu.Tool | None = None, read: gpu.Read | None = None) -> Machine:
    """The GPU that services get: a container that asks for one is given the first. MachineLacks: why not."""
    return from_accelerator(gpu.accelerators(tool, read)[0])


def from_accelerator(found: Accelerator) -> Machine:
    """A GPU as nvidia-smi tells of it, or the first slice of one that MIG splits: a program sees no more.

    MachineLacks where its memory is not told (`gpu-memory-unknown`), or it has no slice (`gpu-mig-empty`).
    """
    if found.mig and found.slices is not None:
        return _from_slice(found, found.slices)
    if found.memory_bytes is None:
        raise MachineLacks(
            "gpu-memory-unknown",
            f"the driver does not tell how much memory {found.name} has.",
            hint="june model plan NAME --gpu CARD plans for a named card",
        )
    free = found.memory_bytes if found.free_bytes is None else found.free_bytes
    have = free - RESERVED_UNIFIED if found.unified else int(free * SHARE)
    note = "MIG is on: a slice has less" if found.mig else ""
    capability = found.compute_capability or UNTOLD
    return Machine(_named(found), found.memory_bytes, max(0, have), capability, found.unified, note)


def _from_slice(found: Accelerator, slices: Sequence[str]) -> Machine:
    """A slice by its name, which says in GB, rounded, what memory it has; how much is free is not told."""
    if not slices:
        raise MachineLacks(
            "gpu-mig-empty",
            f"MIG is on for {found.name}, which has no slices: nothing can use it.",
            hint=f"sudo nvidia-smi -i {found.index} -mig 0",
        )
    said = re.search(r"(\d+)gb", slices[0])
    if said is None:
        return from_accelerator(replace(found, slices=None))
    size, capability = int(said[1]) * GB, found.compute_capability or UNTOLD
    return Machine(f"{_named(found)} {slices[0]}", size, int(size * SHARE), capability, note="a MIG slice")


def _named(found: Accelerator) -> str:
    return found.name.removeprefix("NVIDIA ").lower() or "gpu"


def cpu(read: gpu.Read | None = None, note: str = "") -> Machine:
    """The CPU of this machine, with what memory is available now."""
    total, available = (known or 0 for known in gpu.system_memory(read))
    return Machine("cpu", total, max(0, available - RESERVED_CPU), (0, 0), note=note)
