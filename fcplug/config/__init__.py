"""Reads ``functions.yaml``, checks it, and returns typed values; reports mistakes by line."""
