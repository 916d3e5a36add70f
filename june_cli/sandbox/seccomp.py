"""A filter in the kernel of the calls that a process may make (seccomp), put together here. Linux."""

from __future__ import annotations

import ctypes
import errno
import struct
from dataclasses import dataclass, field

from june_cli.sandbox.syscalls import AUDIT, NEW_PROCESS, SIGNALS, denied, numbers

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
# Of linux/filter.h: load a word, jump if equal, if at least, if a bit is set, return.
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# Of linux/seccomp.h: what to return, and where things are in struct seccomp_data.
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER_AT, ARCH_AT, FIRST_ARGUMENT_AT = 0, 4, 16
X32 = 0x40000000  # from here on the other numbers of x86-64, which nothing needs
CLONE_THREAD = 0x00010000
OWN = 0x5EED5EED  # in place of the number of the process that is filtered


@dataclass
class Program:
    """Lines with names to jump to; a jump that names nothing goes on with the next line."""

    lines: list[tuple[int, int, str, str]] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)

    def line(self, code: int, value: int, yes: str = "", no: str = "") -> None:
        """Add one."""
        self.lines.append((code, value, yes, no))

    def place(self, name: str) -> None:
        """The next line has a name."""
        self.places[name] = len(self.lines)

    def assembled(self) -> bytes:
        """As the kernel takes it."""
        made = b""
        for at, (code, value, yes, no) in enumerate(self.lines, 1):
            made += struct.pack("HBBI", code, self._jump(yes, at), self._jump(no, at), value)
        return made

    def _jump(self, name: str, at: int) -> int:
        return self.places[name] - at if name else 0


def program(machine: str, *, processes: bool) -> bytes:
    """The filter for samples, to be fitted to each; none for a processor that is not known.

    What no solution needs fails with EPERM; so does a signal to any other process, and, unless `processes`,
    the start of one.
    """
    if machine not in AUDIT:
        return b""
    made = Program()
    made.line(LOAD, ARCH_AT)
    made.line(EQUAL, AUDIT[machine], no="kill")
    made.line(LOAD, NUMBER_AT)
    made.line(AT_LEAST, X32, yes="refuse")
    for number in numbers(machine, SIGNALS):
        made.line(EQUAL, number, yes="signal")
    if not processes:
        clone, clone3, *forks = numbers(machine, NEW_PROCESS)
        made.line(EQUAL, clone, yes="clone")
        made.line(EQUAL, clone3, yes="unknown")
        for number in forks:
            made.line(EQUAL, number, yes="refuse")
    for number in denied(machine):
        made.line(EQUAL, number, yes="refuse")
    made.line(RETURN, ALLOW)
    made.place("signal")
    made.line(LOAD, FIRST_ARGUMENT_AT)
    made.line(EQUAL, OWN, yes="allow", no="refuse")
    made.place("clone")
    made.line(LOAD, FIRST_ARGUMENT_AT)
    made.line(ANY_BIT, CLONE_THREAD, yes="allow", no="refuse")
    for name, value in (
        ("allow", ALLOW),
        ("unknown", ERRNO | errno.ENOSYS),  # so that the C library asks for the older call
        ("refuse", ERRNO | errno.EPERM),
        ("kill", KILL),
    ):
        made.place(name)
        made.line(RETURN, value)
    return made.assembled()


def install(code: bytes, own: int) -> None:
    """Have the kernel use a filter from now on, for the process `own`, which is this, and all it starts."""
    if not code:
        return
    code = code.replace(struct.pack("I", OWN), struct.pack("I", own))
    lines = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(lines))
    pointed = ctypes.create_string_buffer(header, len(header))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(pointed))


def prctl(option: int, value: int, address: int = 0) -> None:
    """OSError when the kernel refuses."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(address), 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")
