"""What clouds are and how their object stores are spoken to. Knows nothing of migration."""
