"""Whether this process really has the GPU that its service asked for, at its start and while it runs.

Asked of the driver's own library, the only one present in every container with a GPU. A container can lose
its GPUs while it runs (a daemon reload, a driver update): every call of the library fails from then on.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable

from june_cli.errors import MachineLacks

LIBRARY = "libnvidia-ml.so.1"
WATCH_S = 10.0


def problem() -> str:
    """Why no GPU answers here; empty when one does."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return "the NVIDIA driver's library is not in this container"
    status = library.nvmlInit_v2()
    if status:
        return f"the NVIDIA driver does not answer ({_said(library, status)})"
    try:
        count = ctypes.c_uint()
        status = library.nvmlDeviceGetCount_v2(ctypes.byref(count))
        if status:
            return f"the NVIDIA driver names no GPU ({_said(library, status)})"
        return "" if count.value else "the NVIDIA driver knows no GPU here"
    finally:
        library.nvmlShutdown()


def require(service: str) -> None:
    """MachineLacks, with exit code 3, where there is no GPU. Nothing goes on with a CPU in its place."""
    why = problem()
    if why:
        raise MachineLacks(
            "gpu-missing", f"{service} was to run on a GPU and has none: {why}.", hint="june doctor"
        )


def watch(lost: Callable[[str], None], every_s: float = WATCH_S) -> None:
    """Call `lost` once, with the reason, when the GPU is gone; from a thread that ends with the process."""

    def look() -> None:
        while not threading.Event().wait(every_s):
            why = problem()
            if why:
                lost(why)
                return

    threading.Thread(target=look, name="gpu-watch", daemon=True).start()


def _said(library: ctypes.CDLL, status: int) -> str:
    describe = library.nvmlErrorString
    describe.restype = ctypes.c_char_p
    text = describe(status)
    return text.decode("utf-8", "replace") if text else f"error {status}"
