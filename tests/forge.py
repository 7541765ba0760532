"""A process that has loaded the command line once, and forks one of itself for each command: its arguments, folder, files and exit code.

Started by tests/commands.py, with the environment that its commands shall have. Knows nothing of what they do.
"""

from __future__ import annotations

import json
import os
import sys

from monitor.cli import main


def serve() -> None:
    """Read commands from standard input, one a line; say each one's process id, then how it ended. Ends with its input."""
    while asked := sys.stdin.readline():
        arguments, folder, out, err = json.loads(asked)
        child = os.fork()
        if child == 0:
            become(arguments, folder, out, err)
            return main()
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return None


def become(arguments: list[str], folder: str, out: str, err: str) -> None:
    """What this process is from now on."""
    os.chdir(folder)
    for path, number in ((os.devnull, 0), (out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_RDWR), number)
    sys.argv = ["wanglou", *arguments]


if __name__ == "__main__":
    serve()
