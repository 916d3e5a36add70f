"""How June's errors travel over gRPC: a status that means the same, the code and the hint beside it."""

from __future__ import annotations

from typing import Any

import grpc

from june_cli.errors import BadInput, JuneError, MachineLacks, NotReady, UsageProblem

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
CODE_KEY = "june-code"
HINT_KEY = "june-hint-bin"
MAX_SAID = 1_000  # characters; HTTP/2 headers carry it, and gRPC gives up beyond 8 kB
EXIT_KEY = "june-exit"
STATUS: dict[type[JuneError], grpc.StatusCode] = {
    UsageProblem: grpc.StatusCode.INVALID_ARGUMENT,
    BadInput: grpc.StatusCode.INVALID_ARGUMENT,
    MachineLacks: grpc.StatusCode.FAILED_PRECONDITION,
    NotReady: grpc.StatusCode.UNAVAILABLE,
}


def rebuilt(error: Any) -> JuneError | None:
    """The JuneError that a server of ours explained a failed call with, rebuilt; None if it did not."""
    pairs = error.trailing_metadata() or ()
    trailing = {key: value for key, value in pairs}  # noqa: C416 - aio's Metadata is no mapping to dict()
    if CODE_KEY not in trailing:
        return None
    said = (error.code(), trailing.get(EXIT_KEY))
    kind = next((k for k, status in STATUS.items() if (status, str(k.exit_code)) == said), JuneError)
    hint = trailing.get(HINT_KEY, b"")
    return kind(trailing[CODE_KEY], error.details() or "", hint=hint.decode("utf-8", "replace"))
