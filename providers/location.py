"""Where objects lie, as a person writes it: ``site:bucket/prefix``, or a local path (``./dir``, ``/dir``).

A location never carries credentials; they belong to the site's environment. Parsing is pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from providers.errors import ConfigInvalid

__all__ = ["SITE_NAME", "Location"]

SITE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_BUCKET: Final = re.compile(r"[A-Za-z0-9$_][A-Za-z0-9._-]*")
_FORM: Final = "a location is site:bucket/prefix, or a local path such as ./dir or /dir"
_LOCAL_STARTS: Final = ("/", "./", "../", "~/")
_NO_CREDENTIALS: Final = "credentials come from the environment variables that the site in havre.toml names"


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a store. ``Location.parse(str(location))`` gives the same location back.

    Attributes:
        site: Name of the site in the configuration; None for a local path.
        bucket: The bucket (container), or the local path as written, without a trailing slash.
        prefix: What every key of this place begins with: empty, or ends with ``/``. Empty for local paths.
    """

    site: str | None
    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        if self.site is None:
            return self.bucket
        return f"{self.site}:{self.bucket}/{self.prefix}" if self.prefix else self.place

    @property
    def place(self) -> str:
        """Site and bucket, or the local path: what messages name. Holds no object's key."""
        return self.bucket if self.site is None else f"{self.site}:{self.bucket}"

    @property
    def is_local(self) -> bool:
        """Whether this is a path of this machine."""
        return self.site is None

    @classmethod
    def parse(cls, text: str) -> Location:
        """Read a location.

        A prefix names a folder: ``site:bucket/a`` holds ``a/x`` and not ``ab``.

        Raises:
            ConfigInvalid: The text is no location; text that may hold a credential is not repeated.
        """
        if not text:
            raise ConfigInvalid("the location is empty", hint=_FORM)
        if not text.isprintable():
            raise ConfigInvalid("the location contains a control or unprintable character", hint=_FORM)
        if text in {".", "..", "~"} or text.startswith(_LOCAL_STARTS):
            return cls(None, text.rstrip("/") or "/")
        return cls._parse_site(text)

    @classmethod
    def _parse_site(cls, text: str) -> Location:
        if "://" in text:
            raise ConfigInvalid("a location is not a URL", hint=f"{_FORM}; the site holds the endpoint")
        if "?" in text:
            raise ConfigInvalid("a location has no '?' part", hint=_NO_CREDENTIALS)
        site, colon, rest = text.partition(":")
        bucket, _, prefix = rest.partition("/")
        if "@" in site or "@" in bucket:
            raise ConfigInvalid("a location has no 'user@' part", hint=_NO_CREDENTIALS)
        if not colon:
            raise ConfigInvalid(
                f"{text!r} is no location",
                hint=f"write ./{text} for a local directory, or site:bucket/prefix",
            )
        if SITE_NAME.fullmatch(site) is None:
            raise ConfigInvalid(f"{site!r} cannot be the name of a site", hint=_FORM)
        if _BUCKET.fullmatch(bucket) is None:
            problem = f"{bucket!r} cannot be the name of a bucket" if bucket else "the bucket is missing"
            raise ConfigInvalid(f"site {site!r}: {problem}", hint=_FORM)
        return cls(site, bucket, prefix if not prefix or prefix.endswith("/") else f"{prefix}/")
