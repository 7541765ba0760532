"""`python -m simulators`: the command of the neighbourhood that can burn."""

import sys

from simulators.cli import main

if __name__ == "__main__":
    sys.exit(main())
