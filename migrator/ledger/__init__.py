"""The wave's only truth: an append-only chain of events and the state they lead to, in one SQLite file."""
