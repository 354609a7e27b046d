"""Drivers that hold a driver: retry, limit, observe, read-only."""
