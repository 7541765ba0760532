"""`python -m simulators`: the command of the neighbourhood that can burn."""

import signal
import sys


def _leave(number: int, frame: object) -> None:
    """A run is ended by a signal, and that is no failure; a tape that is cut off is one."""
    raise SystemExit(0 if sys.argv[1:2] == ["run"] else 128 + number)


if __name__ == "__main__":
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, _leave)  # before the imports: they take a moment, and people are quick
    from simulators.cli import main

    sys.exit(main())
