"""Threads, deadlines, limits and the event loop that invocations run on."""
