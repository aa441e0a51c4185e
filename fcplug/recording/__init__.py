"""Recorded requests: their file, what is removed from them, and the answers of another run."""
