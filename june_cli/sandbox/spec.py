"""A worker of the sandbox, as the engine sees it: what holds whatever the code in it does."""

from __future__ import annotations

from dataclasses import replace

from june_cli.spec import Relaxed, Worker

ROOT = "/jail"
SCRATCH = f"{ROOT}/scratch"  # all that can be written to
IN_CONTAINERS = ("JUNE_SANDBOX_ROOT", "JUNE_SANDBOX_SCRATCH")
MIB = 1024 * 1024
MEMORY_BYTES = 2048 * MIB  # a sample's, and what the judge makes of an answer
SAMPLE_BYTES = 512 * MIB  # of address space, for each process of a sample
SCRATCH_BYTES = 64 * MIB
FILE_BYTES = 16 * MIB
# A sample's processes and threads, and the most of a whole worker.
PROCESSES, ALL_PROCESSES = 16, 64
# What the spawner needs to give a sample a user, a folder and a root of its own, and to end it. None of them
# is left once it has become that user.
RIGHTS = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SYS_CHROOT")


def worker() -> Worker:
    """One worker: no network, nothing to write to but a small folder in memory, one processor."""
    return Worker(
        name="sandbox",
        summary="runs and judges code that nobody trusts",
        image="sandbox",
        command=("python", "-m", "june_cli.sandbox.worker"),
        env=(
            ("JUNE_SANDBOX_ROOT", ROOT),
            ("JUNE_SANDBOX_SCRATCH", SCRATCH),
            ("JUNE_SANDBOX_MEMORY_BYTES", str(SAMPLE_BYTES)),
            ("JUNE_SANDBOX_PROCESSES", str(PROCESSES)),
            ("JUNE_SANDBOX_FILE_BYTES", str(FILE_BYTES)),
        ),
        memory_bytes=MEMORY_BYTES,
        tmpfs=((SCRATCH, SCRATCH_BYTES),),
        processes=ALL_PROCESSES,
        rights=RIGHTS,
        relaxed=(Relaxed("root-user", "the spawner becomes another user for every sample"),),
    )


def unboxed() -> Worker:
    """The same without a container: limits for each process, and nothing else."""
    boxed = worker()
    told = tuple((name, value) for name, value in boxed.env if name not in IN_CONTAINERS)
    return replace(boxed, env=told, rights=(), relaxed=())
