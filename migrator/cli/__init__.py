"""The ``havre`` command: composition root, parsing and printing only. Nothing imports it."""
