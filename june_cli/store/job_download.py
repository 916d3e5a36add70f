"""The job that downloads or mends one model: `python -m june_cli.store.job_download`, told by JUNE_MODEL.

Nothing else in June reaches the network for models.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path

from june_cli.assistant import job
from june_cli.errors import JuneError
from june_cli.store import catalog, repair, writer

TELL_S = 0.25


def main() -> int:
    """Download, telling how far it is; the result says where the model lies."""
    logging.disable(logging.WARNING)  # libraries' own words about tries that June tells of itself
    model = catalog.from_data(json.loads(os.environ["JUNE_MODEL"]))
    told = 0.0

    def report(done: int, total: int, text: str) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told > TELL_S:
            told = now
            job.event("progress", done=done, total=total, text=text)

    try:
        act = repair.repair if os.environ.get("JUNE_REPAIR") else writer.download
        folder = act(model, Path(os.environ["JUNE_STORE"]), os.environ, report)
        job.result({"folder": str(folder)})
    except JuneError as error:
        job.failed(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # the june that wanted it was killed: what has come so far is kept
        code = 1
    os._exit(code)  # a thread that waits for a server must not hold the end up
