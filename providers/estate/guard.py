"""The proof that an estate is only read: every request passes here, and what could change something does not leave.

``GET`` and ``HEAD`` pass. Some APIs log in or read by ``POST``, and one changes things by ``GET``: what passes
besides is a list per API, by full match of the URL. The same gate refuses unverified TLS, plain http to another
machine and redirects to another host, and bounds the size of answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter

from providers.site_rules import is_loopback

__all__ = ["RULES", "Guard", "GuardedAdapter", "Refused", "Rules", "guarded_session"]

_READING: Final = frozenset({"GET", "HEAD"})
_MOST_BYTES: Final = 64 * 1024 * 1024
_PIECE: Final = 256 * 1024
_TIMEOUT: Final = (10.0, 60.0)


class Refused(Exception):
    """A request was stopped before it left; nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What one API may be asked.

    Attributes:
        posts: Full matches of URLs (without their query) that may be posted to.
        query: What the query of a ``GET`` must match, for an API that changes things by ``GET``.
    """

    posts: tuple[re.Pattern[str], ...] = ()
    query: re.Pattern[str] | None = None

    def allow(self, method: str, url: str) -> bool:
        """Whether a request may leave."""
        parts = urlsplit(url)
        if method in _READING:
            return self.query is None or self.query.search(parts.query) is not None
        bare = f"{parts.scheme}://{parts.netloc}{parts.path}"
        return method == "POST" and any(one.fullmatch(bare) for one in self.posts)


RULES: Final[Mapping[str, Rules]] = {
    # https://docs.openstack.org/api-ref/identity/v3/ "Authentication and token management"
    "openstack": Rules(posts=(re.compile(r"https?://[^/]+(?:/[\w.-]+)*/v3/auth/tokens"),)),
    # https://learn.microsoft.com/rest/api/azure/ "Acquire an access token"
    "azure": Rules(posts=(re.compile(r"https://login\.[\w.-]+/[\w.-]+/oauth2/token"),)),
    # https://docs.outscale.com/api: every call is a POST; those that read begin with Read.
    "outscale": Rules(
        posts=(
            re.compile(r"https://api\.[a-z0-9-]+\.[a-z0-9.-]+/api/[\w.]+/Read(?:Vms|Volumes|Images|Nets)"),
        )
    ),
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference: what reads begins with Describe.
    "ec2": Rules(
        query=re.compile(r"^(?!(?:.*&)?Action=(?!Describe))(?:.*&)?Action=Describe[A-Za-z]+(?:&|$)")
    ),
    "ovh": Rules(),
    "scaleway": Rules(),
    "dns": Rules(),
    "s3": Rules(),
    "azure_blob": Rules(),
    "swift": Rules(posts=(re.compile(r"https?://[^/]+(?:/[\w.-]+)*/v3/auth/tokens"),)),
}
"""API → what it may be asked beyond plain reads."""


class Guard:
    """One API's gate.

    Args:
        api: A key of ``RULES``.
        insecure_http: Let plain http through to other machines too.
        record: Told the method and the URL without its query of every request that leaves.
        below: Makes what sends the requests that pass; by default a plain ``HTTPAdapter``.
    """

    def __init__(
        self,
        api: str,
        *,
        insecure_http: bool = False,
        record: Callable[[str, str], None] | None = None,
        below: Callable[[], BaseAdapter] = HTTPAdapter,
    ) -> None:
        self.rules = RULES[api]
        self.insecure_http = insecure_http
        self.record = record
        self.below = below

    def check(self, method: str, url: str) -> None:
        """Let a request pass, or not.

        Raises:
            Refused: It could change something, or would travel in clear.
        """
        parts = urlsplit(url)
        if not self.rules.allow(method.upper(), url):
            raise Refused(f"{method.upper()} {parts.path} is not on the list of calls that only read")
        if parts.scheme != "https" and not (self.insecure_http or is_loopback(parts.hostname or "")):
            raise Refused("credentials do not travel over plain http to another machine")
        if self.record is not None:
            self.record(method.upper(), f"{parts.scheme}://{parts.netloc}{parts.path}")

    def on_boto_request(self, request: Any, **_: Any) -> None:
        """Handler of botocore's ``before-send``; returning None lets the request go."""
        self.check(request.method, request.url)


class GuardedAdapter(BaseAdapter):
    """The gate as a transport of ``requests``, which keystoneauth, openstacksdk and apache-libcloud speak."""

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self._guard = guard
        self._below = guard.below()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - the base's signature
        timeout: Any = None,
        verify: Any = True,  # noqa: FBT002 - see above
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Check, send, and read a bounded answer.

        Raises:
            Refused: The request may not leave, or the answer leads elsewhere or is too large.
        """
        del stream
        url = request.url or ""
        self._guard.check(request.method or "", url)
        if verify is False and urlsplit(url).scheme == "https":
            raise Refused("the certificate of the service must be verified")
        response = self._below.send(
            request, stream=True, timeout=timeout or _TIMEOUT, verify=verify, cert=cert, proxies=proxies
        )
        target = response.headers.get("location", "")
        if response.is_redirect and urlsplit(urljoin(url, target)).netloc != urlsplit(url).netloc:
            response.close()
            raise Refused("the service redirects to another host")
        _read_bounded(response)
        return response

    def close(self) -> None:
        """Release the connections."""
        self._below.close()


def guarded_session(guard: Guard) -> requests.Session:
    """A session whose every request passes the gate."""
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, GuardedAdapter(guard))
    return session


def _read_bounded(response: requests.Response) -> None:
    body = bytearray()
    for piece in response.iter_content(_PIECE):
        body += piece
        if len(body) > _MOST_BYTES:
            response.close()
            raise Refused(f"the answer has more than {_MOST_BYTES} bytes")
    # requests keeps a body that was read under this name; without it ``content`` would be gone.
    response._content = bytes(body)  # noqa: SLF001 - no public way to hand a body over
