"""``python -m nbtolerance``."""

import sys

from .cli import main

sys.exit(main())
