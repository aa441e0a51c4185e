"""Run the command line: ``python -m fcplug``."""

import gc
import sys

gc.disable()  # until it serves: what imports make stays

from fcplug.cli import main  # noqa: E402

sys.exit(main())
