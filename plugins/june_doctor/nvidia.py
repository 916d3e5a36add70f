"""Checks of the GPU itself: driver, kind, memory, slices."""

from __future__ import annotations

from collections.abc import Sequence

from june_cli import gpu
from june_cli.checks import Finding, Host, Needs, fails, fine, note, unknown
from june_cli.errors import JuneError, MachineLacks
from june_cli.gpu import Accelerator, gib
from june_doctor import install
from june_doctor.needed import for_cuda, said

# The oldest driver for each CUDA (NVIDIA, CUDA Compatibility: minor version compatibility), and the newest
# CUDA among the images that June pins. Data centre cards have a way around it; it is not relied upon.
DRIVERS = {13: 580, 12: 525}
CUDA = 13
# CUDA 13 has dropped everything before Turing. For some quantizations TensorRT-LLM has kernels for certain
# cards alone (its MoE developer guide); FP8 is that of Qwen's own repositories, in blocks of 128.
OLDEST = (7, 5)
KERNELS = {"fp8": ((9, 0), (10, 0), (10, 3), (12, 0)), "nvfp4": ((10, 0), (10, 3), (12, 0), (12, 1))}
BITS = {"fp8": 8, "int8": 8, "nvfp4": 5}  # of a weight, scales and layers left in 16 bits included
UNIFIED_RESERVE = 16 * 1024**3  # of memory that the GPU shares: the system and page cache live there too
SMALLER = "june --profile tiny serve"  # runs anywhere
DISPLAY = "0x03"  # the PCI class of graphics and compute cards
NVIDIA = "0x10de"


@for_cuda
def driver(host: Host) -> Finding:
    """Present, running, of one piece, and new enough."""
    try:
        found = accelerators(host)
    except MachineLacks as error:
        return _lacking(host, error)
    version = found[0].driver
    major = int(version.partition(".")[0]) if version.partition(".")[0].isdigit() else 0
    names = ", ".join(f"{one.name}" for one in found)
    if not major:
        return note(f"{names}; the driver does not tell its version")
    if major < DRIVERS[CUDA]:
        able = next(
            (f"CUDA {cuda}" for cuda, oldest in DRIVERS.items() if major >= oldest), "no CUDA of June's"
        )
        return fails(
            f"driver {version} runs {able}; June's images are CUDA {CUDA}: {DRIVERS[CUDA]} or later",
            install.command(host, "driver"),
        )
    return fine(f"driver {version}, {names}")


@for_cuda
def compute(host: Host) -> Finding:
    """A kernel that was not built for a card fails late, in the middle of loading a model."""
    try:
        found = accelerators(host)
    except MachineLacks as error:
        return _not_known(host, error)
    kinds = ", ".join(f"{one.name} {_numbered(one.compute_capability)}" for one in found)
    for role, quant in host.needs.cuda.items():
        able = [one for one in found if _runs(one, quant)]
        if len(able) == len(found):
            continue
        listed = KERNELS.get(quant.lower())
        wanted = ", ".join(map(_numbered, listed)) if listed else f"{_numbered(OLDEST)} or later"
        text = f"{kinds}; the model of {role}{f' in {quant}' if listed else ''} runs on {wanted}"
        return note(text) if able else fails(text, _another(host, found))
    return fine(kinds)


@for_cuda
def memory(host: Host) -> Finding:
    """Less than the services ask for can never work; less than that free may, once something ends."""
    try:
        found = accelerators(host)
    except MachineLacks as error:
        return _not_known(host, error)
    needed = sum(_asked(host.needs, role) for role in host.needs.cuda)
    shown = "; ".join(_sizes(one) for one in found)
    totals = [_usable(one, one.memory_bytes) for one in found if one.memory_bytes is not None]
    if not totals:
        return note(f"{shown}: whether the models fit cannot be told")
    if needed > max(totals):
        return fails(f"{shown}; this profile needs {gib(needed)} at least", _another(host, found))
    free = [_usable(one, one.free_bytes) for one in found if one.free_bytes is not None]
    if free and needed > max(free):
        used = "nvidia-smi --query-compute-apps=pid,process_name,used_memory --format=csv"
        return note(f"{shown}; this profile needs {gib(needed)}: something has to end first", used)
    return fine(shown)


@for_cuda
def mig(host: Host) -> Finding:
    """With MIG on, a card without instances cannot be used at all, and one with them only in parts."""
    try:
        split = [one for one in accelerators(host) if one.mig]
    except JuneError as error:
        return _not_known(host, error)
    if not split:
        return fine("off")
    for one in split:
        if one.slices is None:
            return unknown(f"on for GPU {one.index}, and nvidia-smi does not list its parts", "sudo reboot")
        if not one.slices:
            off = f"sudo nvidia-smi -i {one.index} -mig 0"
            return fails(
                f"on for GPU {one.index}, {one.name}, which has no instances: nothing can use it", off
            )
    parts = ", ".join(f"GPU {one.index}: {', '.join(one.slices or ())}" for one in split)
    return note(f"on: a service gets one part ({parts})")


def accelerators(host: Host) -> tuple[Accelerator, ...]:
    """The GPUs of the host, or the MachineLacks that says why there are none."""
    return gpu.accelerators(host.tool, host.read)


def _lacking(host: Host, error: MachineLacks) -> Finding:
    if error.code != "gpu-driver-missing":
        return fails(said(error), error.hint)
    if _has_card(host):
        return fails("an NVIDIA card is here, and its driver is not", install.command(host, "driver"))
    return fails("this machine has no NVIDIA GPU", SMALLER)


def _not_known(host: Host, error: JuneError) -> Finding:
    fix = _lacking(host, error).fix if isinstance(error, MachineLacks) else "sudo reboot"
    return unknown("not known: no NVIDIA driver answers", fix)


def _has_card(host: Host) -> bool:
    for vendor in host.glob("/sys/bus/pci/devices/*/vendor"):
        kind = host.read(vendor.removesuffix("vendor") + "class")
        if host.read(vendor).strip() == NVIDIA and kind.startswith(DISPLAY):
            return True
    return False


def _numbered(capability: tuple[int, int] | None) -> str:
    return ".".join(map(str, capability)) if capability else "(not told)"


def _runs(one: Accelerator, quant: str) -> bool:
    """A card that is newer than every one in the list is believed."""
    capability, listed = one.compute_capability, KERNELS.get(quant.lower())
    if capability is None:
        return True
    if listed is None:
        return capability >= OLDEST
    return capability in listed or capability[0] > listed[-1][0]


def _another(host: Host, found: Sequence[Accelerator]) -> str:
    """What mends a machine that does not suit a profile is another profile."""
    gb10 = any(one.unified for one in found) and host.needs.profile != "spark"
    return "june --profile spark doctor" if gb10 else SMALLER


def _asked(needs: Needs, role: str) -> int:
    """What the service says that it needs, or else what its model's weights take by themselves."""
    service = needs.services.get(role)
    if service and service.gpu and service.gpu.memory_bytes:
        return service.gpu.memory_bytes
    models = (model.parameters for model in needs.models if model.role == role)
    return next(models, 0) * BITS.get(needs.cuda[role].lower(), 16) // 8


def _usable(one: Accelerator, size: int) -> int:
    return size - UNIFIED_RESERVE if one.unified else size


def _sizes(one: Accelerator) -> str:
    if one.memory_bytes is None:
        return f"{one.name} does not tell its memory"
    free = f", {gib(one.free_bytes)} free" if one.free_bytes is not None else ""
    shared = " shared with the system" if one.unified else ""
    return f"{one.name}: {gib(one.memory_bytes)}{shared}{free}"
