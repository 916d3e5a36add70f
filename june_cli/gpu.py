"""What accelerators this host has, as `nvidia-smi` tells it; why there are none, where it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from june_cli.engine import run
from june_cli.engine.run import Finished
from june_cli.errors import JuneError, MachineLacks

Tool = Callable[[Sequence[str], float], Finished]  # a program and its time limit
Read = Callable[[str], str]  # a system file; empty where it cannot be read

PROGRAMS = ("nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi")  # WSL keeps its own outside PATH
FIELDS = (
    "index",
    "uuid",
    "name",
    "compute_cap",
    "memory.total",
    "memory.free",
    "driver_version",
    "mig.mode.current",
)
LIMIT_S = 20.0  # without its persistence daemon the driver wakes every card first: seconds each
GB10 = (12, 1)
MIB = 1024 * 1024
REFUSED = re.compile(r'Field "([^"]+)" is not a valid field')


@dataclass(frozen=True)
class Accelerator:
    """One GPU. What the driver does not tell is None, never zero.

    `unified`: the GPU has no memory of its own, so both numbers are the whole machine's, and what it takes
    every other program loses. `slices`: the names of a split card's parts, `3g.40gb`, in the driver's order.
    """

    index: int
    uuid: str
    name: str
    compute_capability: tuple[int, int] | None
    memory_bytes: int | None
    free_bytes: int | None
    driver: str
    mig: bool
    unified: bool
    slices: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Trouble:
    """What nvidia-smi says when it cannot do its work, and what that means."""

    says: str
    code: str
    message: str
    hint: str


TROUBLES = (
    Trouble(
        "driver/library version mismatch",
        "gpu-driver-mismatch",
        "the NVIDIA driver was updated while the old one runs: its library and its kernel module differ.",
        "sudo reboot",
    ),
    Trouble(
        "couldn't communicate with the nvidia driver",
        "gpu-driver-unloaded",
        "the NVIDIA driver is installed, and its kernel module is not loaded.",
        "sudo modprobe nvidia",
    ),
    Trouble(
        "no devices were found",
        "gpu-none",
        "the NVIDIA driver runs and finds no GPU: the card fell off the bus, or wants the open "
        "kernel modules (NVRM in the kernel log says which).",
        "sudo reboot",
    ),
    Trouble(
        "nvml: insufficient permissions",
        "gpu-permission",
        "you may not use the NVIDIA devices of this machine.",
        "sudo usermod -aG video,render $USER",
    ),
    Trouble("gpu is lost", "gpu-lost", "a GPU has fallen off the bus.", "sudo reboot"),
    Trouble(
        "gpu requires reset", "gpu-lost", "a GPU has failed and needs a reset.", "sudo nvidia-smi --gpu-reset"
    ),
    Trouble(
        "nvml: unknown error", "gpu-driver-lost", "the NVIDIA driver does not answer any more.", "sudo reboot"
    ),
)


def accelerators(tool: Tool | None = None, read: Read | None = None) -> tuple[Accelerator, ...]:
    """The GPUs of this host, one or more.

    MachineLacks says why there are none: `gpu-driver-missing`, `gpu-driver-mismatch`, `gpu-driver-unloaded`,
    `gpu-driver-silent`, `gpu-driver-lost`, `gpu-driver-fails`, `gpu-none`, `gpu-lost`, `gpu-permission`,
    `gpu-unreadable`; its hint is the one command that mends it.
    """
    tool, read = tool or _run, read or _read
    fields = list(FIELDS)
    said = _asked(fields, tool)
    while refused := REFUSED.search(said.stdout + said.stderr):  # an older driver knows fewer fields
        if refused[1] not in fields:
            break
        fields.remove(refused[1])
        said = _asked(fields, tool)
    _require_healthy(said)
    rows = [dict(zip(fields, cells, strict=True)) for cells in _rows(said.stdout, len(fields))]
    if not rows:
        raise MachineLacks(
            "gpu-unreadable",
            f"nvidia-smi says something June does not understand: {said.stdout.strip()[:200]!r}.",
            hint="pip install --upgrade june-cli",
        )
    found = tuple(_accelerator(row, read) for row in rows)
    return _with_slices(found, tool) if any(one.mig for one in found) else found


def gib(size: int) -> str:
    """A size for people."""
    return f"{size / 1024**3:.1f} GiB"


def _run(command: Sequence[str], limit_s: float) -> Finished:
    return run.run(command, timeout_s=limit_s)


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""


def _asked(fields: Sequence[str], tool: Tool) -> Finished:
    return _told([f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"], tool)


def _told(words: Sequence[str], tool: Tool) -> Finished:
    for program in PROGRAMS:
        try:
            return tool([program, *words], LIMIT_S)
        except JuneError as error:
            if error.code == "timeout":
                raise MachineLacks(
                    "gpu-driver-silent",
                    f"nvidia-smi did not answer within {LIMIT_S:.0f} s: the NVIDIA driver hangs.",
                    hint="sudo reboot",
                ) from error
            if error.code != "program-missing":
                raise
    raise MachineLacks(
        "gpu-driver-missing",
        "there is no NVIDIA driver here: nvidia-smi is not installed.",
        hint="june doctor",
    )


def _require_healthy(said: Finished) -> None:
    text = f"{said.stdout}\n{said.stderr}"  # it complains on stdout
    for trouble in TROUBLES:
        if trouble.says in text.lower():
            raise MachineLacks(trouble.code, trouble.message, hint=trouble.hint)
    if said.returncode:
        first = next((line.strip() for line in text.splitlines() if line.strip()), "it says nothing")
        raise MachineLacks(
            "gpu-driver-fails",
            f"nvidia-smi ended with exit code {said.returncode}: {first[:200].rstrip('.')}.",
            hint="sudo reboot",
        )


def _rows(text: str, width: int) -> list[list[str]]:
    """The lines that are records: warnings about a worn card are printed among them."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    return [cells for cells in rows if len(cells) == width and cells[0].isdigit()]


def _accelerator(row: Mapping[str, str], read: Read) -> Accelerator:
    name = row.get("name", "")
    capability = _capability(row.get("compute_cap", ""))
    unified = capability == GB10 or re.search(r"\bGB10\b", name) is not None
    memory = system_memory(read) if unified else (_mib(row, "memory.total"), _mib(row, "memory.free"))
    return Accelerator(
        index=int(row["index"]),
        uuid=row.get("uuid", ""),
        name=name,
        compute_capability=capability,
        memory_bytes=memory[0],
        free_bytes=memory[1],
        driver=row.get("driver_version", ""),
        mig=row.get("mig.mode.current", "") == "Enabled",
        unified=unified,
    )


def _with_slices(found: Sequence[Accelerator], tool: Tool) -> tuple[Accelerator, ...]:
    """The same, with the parts of those that are split, which only the list of all devices names."""
    try:
        listed = _told(["-L"], tool).stdout
    except JuneError:
        listed = ""
    return tuple(replace(one, slices=_slices(listed, one)) if one.mig else one for one in found)


def _slices(listed: str, one: Accelerator) -> tuple[str, ...] | None:
    """Lines of two columns in, below the card's own; None where the card is not listed."""
    _, its, rest = listed.partition(f"(UUID: {one.uuid})")
    own = re.split(r"^GPU ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return tuple(re.findall(r"^\s+MIG (\S+)", own, re.MULTILINE)) if its else None


def _capability(text: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def _mib(row: Mapping[str, str], field: str) -> int | None:
    """`[N/A]`, `[Not Supported]` and `[Insufficient Permissions]` are no numbers."""
    text = row.get(field, "")
    return int(text) * MIB if text.isdigit() and int(text) else None


def system_memory(read: Read | None = None) -> tuple[int | None, int | None]:
    """MemTotal and MemAvailable: the driver counts the page cache as used, which it gives back when asked."""
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB$", (read or _read)("/proc/meminfo"), re.MULTILINE))
    total, available = (found.get(name) for name in ("MemTotal", "MemAvailable"))
    return (int(total) * 1024 if total else None, int(available) * 1024 if available else None)
