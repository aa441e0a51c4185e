"""Function Compute on this machine: it starts and calls any custom runtime as FC does."""
