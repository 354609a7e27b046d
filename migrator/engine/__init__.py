"""Thin shells around the pure core: one per verb, threads and stores inside."""
