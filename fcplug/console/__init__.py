"""The console of the local platform: pages in a browser that show what happens, and call."""
