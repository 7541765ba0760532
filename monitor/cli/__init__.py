"""The command `wanglou`: commands.py runs and inspects the daemon, rules.py works on rule books, terminal.py is common ground.

Exit codes: 0 well, 1 failed, 2 a wrong argument, site file, rule book or test file (nothing was started).
"""

from monitor.cli.commands import app, main

__all__ = ["app", "main"]
