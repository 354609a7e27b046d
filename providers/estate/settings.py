"""``[sites.NAME.estate]``: whom to ask what a site holds besides objects.

Without the table only the site's stores and buckets are asked (and, where the site names a cloud of
``clouds.yaml``, all of that cloud). Credentials stay in the environment variables that the table names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from providers.errors import ConfigInvalid, Unauthenticated
from providers.profile_read import refuse_unknown, table_of
from providers.secrets import Secret
from providers.site_rules import check_endpoint, refuse_literal_secrets

__all__ = ["COMPUTE", "DNS", "EstateSettings", "read_estate"]

COMPUTE: Final[Mapping[str, tuple[str, ...]]] = {
    "openstack": ("cloud",),
    "azure": ("tenant", "subscription", "user_env", "key_env"),
    "ec2": ("region", "user_env", "key_env"),
    "outscale": ("region", "user_env", "key_env"),
    "ovh": ("project", "user_env", "key_env", "consumer_key_env"),
    "scaleway": ("project", "key_env", "region"),
}
"""Cloud → the fields it cannot do without."""

DNS: Final[Mapping[str, tuple[str, ...]]] = {
    "gandi_live": ("dns_key_env",),
    "powerdns": ("dns_key_env", "dns_endpoint"),
    "route53": ("dns_user_env", "dns_key_env"),
}
"""DNS service → the fields it cannot do without."""

_FIELDS: Final = frozenset(
    {
        "compute",
        "cloud",
        "region",
        "tenant",
        "subscription",
        "project",
        "endpoint",
        "user_env",
        "key_env",
        "consumer_key_env",
        "dns",
        "dns_endpoint",
        "dns_user_env",
        "dns_key_env",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateSettings:
    """Whom to ask.

    Attributes:
        compute: A key of ``COMPUTE``, or empty.
        cloud: Name of a cloud in ``clouds.yaml`` (OpenStack).
        region: Region or zone, as the cloud names it.
        tenant: Directory (Azure).
        subscription: Subscription (Azure).
        project: Project (OVHcloud, Scaleway).
        endpoint: Base URL of the compute service where it is not the vendor's own (EC2 dialects).
        dns: A key of ``DNS``, or empty.
        dns_endpoint: Base URL of the DNS service where it is not the vendor's own.
        variables: Credential field without ``_env`` → name of the environment variable.
    """

    compute: str = ""
    cloud: str = ""
    region: str = ""
    tenant: str = ""
    subscription: str = ""
    project: str = ""
    endpoint: str = ""
    dns: str = ""
    dns_endpoint: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    def secret(self, name: str, environ: Mapping[str, str]) -> Secret | None:
        """The credential behind a field; None where the table does not name one.

        Raises:
            Unauthenticated: The variable is not set.
        """
        variable = self.variables.get(name)
        if variable is None:
            return None
        value = environ.get(variable)
        if not value:
            raise Unauthenticated(
                f"the environment variable {variable} is not set",
                hint=f"set {variable}, which the estate table names as {name}_env",
            )
        return Secret(value)


def read_estate(where: str, raw: object) -> EstateSettings | None:
    """Check the table of a site; None where there is none.

    Args:
        where: File and site, for messages.
        raw: What stands under ``estate``.

    Raises:
        ConfigInvalid: A field is unknown, missing, of a wrong type, or a credential itself.
    """
    if raw is None:
        return None
    where = f"{where}: [estate]"
    table: dict[str, Any] = table_of(where, raw)
    refuse_literal_secrets(where, table)
    refuse_unknown(where, table, _FIELDS)
    for name, value in table.items():
        if not isinstance(value, str) or not value:
            raise ConfigInvalid(f"{where}: field {name!r} must be text")
    if "cloud" in table:
        table.setdefault("compute", "openstack")
    _complete(where, table, "compute", COMPUTE)
    _complete(where, table, "dns", DNS)
    for name in ("endpoint", "dns_endpoint"):
        if name in table:
            table[name] = check_endpoint(where, table[name], insecure_http=False)
    variables = {name.removesuffix("_env"): value for name, value in table.items() if name.endswith("_env")}
    rest = {name: value for name, value in table.items() if not name.endswith("_env")}
    return EstateSettings(variables=variables, **rest)


def _complete(
    where: str, table: dict[str, Any], field_name: str, known: Mapping[str, tuple[str, ...]]
) -> None:
    chosen = table.get(field_name)
    if chosen is None:
        return
    if chosen not in known:
        raise ConfigInvalid(f"{where}: field {field_name!r} must be one of {', '.join(sorted(known))}")
    for needed in known[chosen]:
        if needed not in table:
            raise ConfigInvalid(f"{where}: {chosen} needs the field {needed!r}")
