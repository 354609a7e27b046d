"""Store drivers, one protocol each."""
