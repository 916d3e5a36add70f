"""What is asked of a worker, and what it answers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

Reason = Literal[
    "passed",
    "wrong answer",
    "exception",
    "timeout",
    "memory",
    "syntax",
    "no code",
    "unfinished",
    "forbidden",
    "infrastructure",
]


@dataclass(frozen=True)
class Tests:
    """What decides about a sample. Trusted.

    setup: run by the judge first. asserts: then run by the judge, one after another, where `names` stand for
    what the sample defines. cases: calls of `names[0]`, each compared with what `reference` answers to it, by
    the rule `oracle` within `atol`; the first `base` of them are the benchmark's original ones. known: the
    digests of those answers, which took `reference_s`, from an earlier verdict: what matches one is right.
    inside: `asserts` run in the sample's own process, for those tasks whose tests look at things that cannot
    be carried: a sample could fool such tests.
    """

    names: tuple[str, ...]
    setup: str = ""
    asserts: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    base: int = 0
    known: tuple[str, ...] = ()
    reference_s: float = 0.0
    reference: str = ""
    atol: float = 0.0
    oracle: str = ""
    inside: bool = False


@dataclass(frozen=True)
class Request:
    """A sample, a whole program, and its tests. `timeout_s` is of the processor; of the clock, twice that."""

    id: str
    source: str
    tests: Tests
    timeout_s: float = 3.0

    def encoded(self) -> bytes:
        """For the wire."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decoded(cls, content: bytes) -> Request:
        """As it was sent."""
        data = json.loads(content)
        tests = data.pop("tests")
        for name in ("names", "asserts", "cases", "known"):
            tests[name] = tuple(tests[name])
        return cls(**data, tests=Tests(**tests))


@dataclass(frozen=True)
class Verdict:
    """How a sample did. seconds: by the clock, from start to end; cpu_s, peak_bytes: of its process.

    learned, reference_s: what a request may know about its reference the next time.
    """

    id: str
    passed: bool
    reason: Reason
    detail: str = ""
    seconds: float = 0.0
    cpu_s: float = 0.0
    peak_bytes: int = 0
    calls: int = 0
    clean: bool = True
    base_passed: bool = False
    learned: tuple[str, ...] = ()
    reference_s: float = 0.0

    def encoded(self) -> bytes:
        """For the wire."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decoded(cls, content: bytes) -> Verdict:
        """As it was sent."""
        return cls(**json.loads(content))
