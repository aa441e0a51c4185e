"""Processes that share one socket: the supervisor, its children, and what the kernel does."""
