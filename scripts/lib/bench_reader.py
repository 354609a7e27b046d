"""Read one object in order, by one thread, and keep nothing: what `rclone cat --discard` does, done by havre.

bench_reader.py SITE BUCKET KEY SIZE        (sites from $HAVRE_CONFIG)
"""

import os
import sys

from providers.location import Location
from providers.model import Key, Span
from providers.sites import Sites, open_store

_PIECE = 16 * 1024 * 1024


def main() -> int:
    """Read it; 0 if every byte came."""
    site, bucket, key, size = sys.argv[1:]
    sites = Sites.load(None, os.environ)
    buffer = memoryview(bytearray(_PIECE))
    with open_store(Location(site, bucket), sites, environ=os.environ, read_only=True) as store:
        found = store.head(Key(key))
        for start in range(0, found.size, _PIECE):
            span = Span(start=start, length=min(_PIECE, found.size - start))
            store.read(Key(key), span=span, pin=found.pin, into=buffer)
    return 0 if found.size == int(size) else 1


if __name__ == "__main__":
    sys.exit(main())
