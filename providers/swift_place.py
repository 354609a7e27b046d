"""Where a Swift account is and who lets us in, read from a site's table; free of SDK imports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from providers.errors import ConfigInvalid
from providers.site_rules import check_endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SwiftPlace", "swift_place"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwiftPlace:
    """A Swift account: a cloud of ``clouds.yaml``, or an address of temp auth.

    Attributes:
        cloud: Name of the cloud, or None.
        auth_url: Address of temp auth (version 1), or None.
        region: Region of the cloud's catalogue, or None for what ``clouds.yaml`` says.
        endpoint: Storage URL to use instead of the one that authentication tells, or None.
        insecure_http: Plain http to another machine is let through.
    """

    cloud: str | None = None
    auth_url: str | None = None
    region: str | None = None
    endpoint: str | None = None
    insecure_http: bool = False

    @property
    def pace(self) -> str:
        """What its users share a pace by."""
        return self.endpoint or self.auth_url or f"cloud:{self.cloud}:{self.region or ''}"


def swift_place(where: str, table: Mapping[str, Any]) -> SwiftPlace:
    """Read a site's table whose names and types are checked already.

    Raises:
        ConfigInvalid: It names neither a cloud nor an address, or an address that makes no sense.
    """
    cloud, auth_url, endpoint = table.get("cloud"), table.get("auth_url"), table.get("endpoint")
    insecure = bool(table.get("insecure_http", False))
    if cloud is None and auth_url is None:
        raise ConfigInvalid(
            f"{where}: field 'cloud' is required",
            hint="name a cloud of clouds.yaml, or auth_url with user_env and key_env for temp auth",
        )
    if cloud is None and "key_env" not in table:
        raise ConfigInvalid(f"{where}: field 'auth_url' needs 'user_env' and 'key_env' beside it")
    return SwiftPlace(
        cloud=cloud,
        auth_url=None if auth_url is None else check_endpoint(where, auth_url, insecure_http=insecure),
        region=table.get("region"),
        endpoint=None if endpoint is None else check_endpoint(where, endpoint, insecure_http=insecure),
        insecure_http=insecure,
    )
