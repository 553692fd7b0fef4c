"""``python -m d2lhelpers``: the command line."""

import sys

from .suite.cli import main

if __name__ == "__main__":
    sys.exit(main())
