"""Load plugins: from names in ``functions.yaml`` to callable hooks."""
