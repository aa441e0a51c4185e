"""From a name in ``functions.yaml`` to plugin objects whose hooks can be called."""
