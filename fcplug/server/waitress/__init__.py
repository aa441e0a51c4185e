"""waitress with our own event loop, parser and threads; strict, limited, drained at the end."""
