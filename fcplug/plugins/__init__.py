"""Load plugins: from names in ``functions.yaml`` to objects whose hooks can be called."""
