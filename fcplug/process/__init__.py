"""Processes that serve one socket: their supervisor, and what the kernel does for them."""
