"""The job that lays an `llmapi` entry out: `python3 -m june_model.job_layout`, in NVIDIA's Triton image.

The model's program has to be the image's own, so it is copied out of it. Not run in that image yet.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from june_cli.assistant import job, trtllm
from june_cli.errors import JuneError


def main() -> int:
    """Write JUNE_OUT/entry for JUNE_MODEL_NAME, whose weights the server will see in JUNE_WEIGHTS."""
    environ = os.environ
    entry = Path(environ["JUNE_OUT"]) / "entry"
    shipped = Path(environ.get("JUNE_SHIPPED") or trtllm.SHIPPED)
    try:
        told = trtllm.settings(environ)
        trtllm.write_entry(entry, environ["JUNE_MODEL_NAME"], environ["JUNE_WEIGHTS"], told, shipped)
        files = sorted(str(path.relative_to(entry)) for path in entry.rglob("*") if path.is_file())
        job.result({"files": files})
    except JuneError as error:
        job.failed(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
