"""What pages show of real runs: each output is captured, and a test holds the pages to it.

``make captures`` runs everything and writes the outputs into the pages.
"""
