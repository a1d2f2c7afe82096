"""`python -m tfviz`, and the command `tfviz`: light, so that an interrupt while all else is imported is heard."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM end the process with one line: nothing has begun, and imports may not let go."""

    def leave(*_: object) -> None:
        os.write(2, b"\ntfviz: interrupted before anything was done.\n")
        os._exit(130)

    signals = [
        which for which in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(which) != signal.SIG_IGN
    ]
    before = [signal.signal(which, leave) for which in signals]
    try:
        yield
    finally:
        for which, handler in zip(signals, before, strict=True):
            signal.signal(which, handler)


def main() -> int:
    """Run the command; returns the exit status."""
    try:
        with leaving_at_once():
            from tfviz import cli
    except ModuleNotFoundError as error:
        package = (error.name or str(error)).partition(".")[0]
        print(f"tfviz: {package} is not installed: pip install -r requirements.txt", file=sys.stderr)
        return 2
    status = cli.main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done; what Python takes down now may take a second
    return status


if __name__ == "__main__":
    sys.exit(main())
