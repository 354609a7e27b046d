"""Custody: private keys that a server keeps, or keeps shut."""
