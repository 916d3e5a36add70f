"""What nvidia-smi says, as it was written down, and what June makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from june_cli import gpu
from june_cli.engine.run import Finished
from june_cli.errors import JuneError, MachineLacks
from june_cli.gpu import Accelerator, accelerators

MIB = 1024**2
MEMINFO = "MemTotal:       127600748 kB\nMemFree:         9211844 kB\nMemAvailable:   115343360 kB\n"
H200 = "0, GPU-5f1d7a1e, NVIDIA H200, 9.0, 143771, 143151, 580.95.05, Disabled"
GB10 = "0, GPU-0b6d2f0a, NVIDIA GB10, 12.1, {total}, {free}, 580.95.05, [N/A]"
Tool = Callable[[Sequence[str], float], Finished]


def says(stdout: str, returncode: int = 0, stderr: str = "") -> Tool:
    return lambda *_: Finished(returncode, stdout, stderr)


def nothing(path: str) -> str:
    del path
    return ""


def test_a_card_with_its_own_memory() -> None:
    assert accelerators(says(f"{H200}\n"), nothing) == (
        Accelerator(
            index=0,
            uuid="GPU-5f1d7a1e",
            name="NVIDIA H200",
            compute_capability=(9, 0),
            memory_bytes=143_771 * MIB,
            free_bytes=143_151 * MIB,
            driver="580.95.05",
            mig=False,
            unified=False,
        ),
    )


@pytest.mark.parametrize(
    ("total", "free"),
    [("[N/A]", "[N/A]"), ("[Not Supported]", "[Not Supported]"), ("N/A", "0"), ("124610", "9000")],
)
def test_gb10_shares_the_systems_memory_whatever_nvidia_smi_says_of_it(total: str, free: str) -> None:
    (one,) = accelerators(says(GB10.format(total=total, free=free)), {"/proc/meminfo": MEMINFO}.__getitem__)
    assert one.unified
    assert one.memory_bytes == 127_600_748 * 1024
    assert one.free_bytes == 115_343_360 * 1024


def test_gb10_without_meminfo_has_an_unknown_memory_and_not_none() -> None:
    (one,) = accelerators(says(GB10.format(total="[N/A]", free="[N/A]")), nothing)
    assert (one.memory_bytes, one.free_bytes, one.unified) == (None, None, True)


def test_only_gb10_is_taken_for_unified() -> None:
    thor = "0, GPU-2ad1ba50, NVIDIA Thor, 11.0, [N/A], [N/A], 580.00, [N/A]"
    (one,) = accelerators(says(thor), {"/proc/meminfo": MEMINFO}.__getitem__)
    assert (one.memory_bytes, one.free_bytes, one.unified) == (None, None, False)


def test_gb100_is_not_gb10() -> None:
    (one,) = accelerators(says(H200.replace("H200", "GB100").replace("9.0", "10.0")), nothing)
    assert not one.unified


def test_mig_hides_the_memory_from_those_who_may_not_see_it() -> None:
    line = "0, GPU-74c9, NVIDIA A100-SXM4-80GB, 8.0, 81920, [Insufficient Permissions], 550.90.07, Enabled"
    (one,) = accelerators(says(line), nothing)
    assert (one.mig, one.memory_bytes, one.free_bytes) == (True, 81920 * MIB, None)


def test_several_cards_and_a_warning_among_them() -> None:
    second = H200.replace("0, GPU", "1, GPU")
    text = f"{H200}\n{second}\nWARNING: infoROM is corrupted at gpu 0000:19:00.0\n"
    assert [one.index for one in accelerators(says(text), nothing)] == [0, 1]


def test_an_old_driver_is_asked_for_less() -> None:
    asked: list[str] = []

    def old(command: Sequence[str], limit_s: float) -> Finished:
        del limit_s
        fields = command[1].removeprefix("--query-gpu=").split(",")
        asked.append(command[1])
        for unknown in ("compute_cap", "mig.mode.current"):
            if unknown in fields:
                return Finished(2, f'Field "{unknown}" is not a valid field to query.\n\n', "")
        return Finished(0, "0, GPU-1, Tesla V100-SXM2-16GB, 16160, 16157, 418.226.00\n", "")

    (one,) = accelerators(old, nothing)
    assert len(asked) == 3
    assert (one.compute_capability, one.mig, one.memory_bytes) == (None, False, 16_160 * MIB)
    assert one.driver == "418.226.00"


def test_a_field_that_was_never_asked_for_ends_the_asking() -> None:
    with pytest.raises(MachineLacks) as lacking:
        accelerators(says('Field "other" is not a valid field to query.', 2), nothing)
    assert lacking.value.code == "gpu-driver-fails"


MISMATCH = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.95\n"
UNLOADED = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running.\n\n"
)
LOST = (
    "Unable to determine the device handle for GPU0000:19:00.0: GPU is lost.  "
    "Reboot the system to recover this GPU\n"
)


@pytest.mark.parametrize(
    ("stdout", "returncode", "code", "hint"),
    [
        (MISMATCH, 18, "gpu-driver-mismatch", "sudo reboot"),
        (UNLOADED, 9, "gpu-driver-unloaded", "sudo modprobe nvidia"),
        ("No devices were found\n", 6, "gpu-none", "sudo reboot"),
        ("No devices were found\n", 0, "gpu-none", "sudo reboot"),
        (LOST, 15, "gpu-lost", "sudo reboot"),
        ("0, GPU-1, [GPU is lost], [GPU is lost], [GPU is lost], 1, 1, 1\n", 0, "gpu-lost", "sudo reboot"),
        ("0, GPU-1, [GPU requires reset], 9.0, 1, 1, 1, 1\n", 0, "gpu-lost", "sudo nvidia-smi --gpu-reset"),
        ("Failed to initialize NVML: Unknown Error\n", 255, "gpu-driver-lost", "sudo reboot"),
        (
            *("Failed to initialize NVML: Insufficient Permissions\n", 4, "gpu-permission"),
            "sudo usermod -aG video,render $USER",
        ),
        ("Segmentation fault.\n", 139, "gpu-driver-fails", "sudo reboot"),
        ("", 1, "gpu-driver-fails", "sudo reboot"),
        ("", 0, "gpu-unreadable", "pip install --upgrade june-cli"),
        ("\x00\xff, ,,\n", 0, "gpu-unreadable", "pip install --upgrade june-cli"),
    ],
)
def test_a_driver_that_does_not_work_is_explained(stdout: str, returncode: int, code: str, hint: str) -> None:
    with pytest.raises(MachineLacks) as lacking:
        accelerators(says(stdout, returncode), nothing)
    assert (lacking.value.code, lacking.value.hint) == (code, hint)
    assert "0 GB" not in lacking.value.message


def refuses(code: str) -> Tool:
    def tool(command: Sequence[str], limit_s: float) -> Finished:
        del limit_s
        raise JuneError(code, f"{command[0]} cannot be run.")

    return tool


@pytest.mark.parametrize(
    ("code", "becomes"), [("timeout", "gpu-driver-silent"), ("program-missing", "gpu-driver-missing")]
)
def test_a_driver_that_hangs_or_is_not_there_is_explained(code: str, becomes: str) -> None:
    with pytest.raises(MachineLacks) as lacking:
        accelerators(refuses(code), nothing)
    assert lacking.value.code == becomes


def test_whatever_else_stops_the_asking_is_passed_on() -> None:
    with pytest.raises(JuneError, match="cannot be run"):
        accelerators(refuses("interrupted"), nothing)


def test_wsl_keeps_it_outside_path() -> None:
    def tool(command: Sequence[str], limit_s: float) -> Finished:
        if command[0] == "nvidia-smi":
            return refuses("program-missing")(command, limit_s)
        return Finished(0, H200, "")

    assert accelerators(tool, nothing)[0].name == "NVIDIA H200"


def test_sizes_are_written_for_people() -> None:
    assert gpu.gib(127_600_748 * 1024) == "121.7 GiB"


def test_this_machine_is_asked_without_a_seam() -> None:
    try:
        assert accelerators()
    except MachineLacks as lacking:
        assert lacking.code.startswith("gpu-")
