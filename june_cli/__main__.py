"""Where the `june` program begins: a Ctrl-C during the first imports must end it quietly too."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run `june` with the words of this process and end with its exit code."""
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for signum in ending:
        if signal.getsignal(signum) != signal.SIG_IGN:  # nohup wants it ignored
            signal.signal(signum, lambda number, _: os._exit(128 + number))
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # the caller closed it (`>&-`)
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    from june_cli.main import run

    code = run(sys.argv[1:], os.environ)
    # All is done and said. The interpreter puts handlers back to "die" at its end, unless they say "ignore".
    for signum in ending:
        signal.signal(signum, signal.SIG_IGN)
    sys.exit(code)


if __name__ == "__main__":
    main()
