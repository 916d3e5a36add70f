"""The errors people and scripts see: a stable code, one sentence, a hint, an exit code."""

from __future__ import annotations


class JuneError(Exception):
    """Something failed that the person at the terminal can understand (exit code 1).

    `code` is stable and meant for scripts, `message` and `hint` may change. The hint says what to do next.
    """

    exit_code = 1

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[JuneError], tuple[str, str], dict[str, str]]:
        return type(self), (self.code, self.message), {"hint": self.hint}


class UsageProblem(JuneError):
    """The words of the command, a configuration file or an input say something June cannot take."""

    exit_code = 2


class BadInput(JuneError):
    """What a file, a stream or a recording holds cannot be used: corrupt, empty, too long, without a word."""


class MachineLacks(JuneError):
    """This machine lacks something: a package, a program, disk space, a permission, the network."""

    exit_code = 3


class NotReady(JuneError):
    """A service is not there, not ready in time, or was lost while it was needed."""

    exit_code = 4
