"""Move a health data warehouse, provably: plan, transfer, verify, restore."""

__version__ = "0.1.0"
