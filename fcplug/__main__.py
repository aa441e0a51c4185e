"""Run the command line: ``python -m fcplug``."""

import sys

from fcplug.cli import main

sys.exit(main())
