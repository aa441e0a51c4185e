"""Print the dashboard: ``python -m fcplug_metrics > dashboard.json``, to import into Grafana."""

import sys
from importlib.resources import files

sys.stdout.write((files("fcplug_metrics") / "dashboard.json").read_text("utf-8"))
