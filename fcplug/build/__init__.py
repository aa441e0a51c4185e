"""A code package for Function Compute: what goes into it, for which image, and the archive."""
