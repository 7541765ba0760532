"""`python -m monitor` is `wanglou`."""

from monitor.cli import main

if __name__ == "__main__":
    main()
