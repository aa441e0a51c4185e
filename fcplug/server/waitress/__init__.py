"""waitress with our own event loop, parser and threads: strict, bounded, drained at the end."""
