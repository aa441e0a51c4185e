"""``functions.yaml``: read, checked and turned into typed values; every mistake keeps its line."""
