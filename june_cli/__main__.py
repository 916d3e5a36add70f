"""Where the `june` program begins: a Ctrl-C during the first imports must end it quietly too."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run `june` with the words of this process and end with its exit code."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from june_cli.main import run

    sys.exit(run(sys.argv[1:], os.environ))


if __name__ == "__main__":
    main()
