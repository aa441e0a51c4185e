"""Commands for development; nothing that serves imports them."""
