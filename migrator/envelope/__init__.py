"""The encrypted object: a Crypt4GH v1 codec in a strict profile. Bytes in, bytes out.

Owns the format on the page ``migrator/docs/object-format.md`` and nothing else: no clock, network, disk or
randomness. Entropy is an argument, so that the same arguments always give the same bytes.
"""
