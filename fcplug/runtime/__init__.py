"""The functions of a configuration: which one answers a call, and how an edit takes effect."""
