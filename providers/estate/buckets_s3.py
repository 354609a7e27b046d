"""The buckets of an S3 site and the settings that decide who may read and for how long, through boto3.

Only list and get calls; botocore hands every request to the gate before it is sent. A setting that a store does
not have (``NotImplemented``) or does not tell (``AccessDenied``) is ``unknown``, never an assumed default.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from providers.estate.clean import clean_item
from providers.estate.failures import absence_of
from providers.estate.model import Absence, Item, Kind
from providers.estate.policies import allows_anyone, requires_tls
from providers.estate.source import Source

if TYPE_CHECKING:
    from providers.estate.guard import Guard
    from providers.secrets import Secret
    from providers.sites import Site

__all__ = ["open_s3"]

_NONE_SET: Final[Mapping[str, Mapping[str, Any]]] = {
    # Error code that means "not set" → the settings that follow from it.
    "NoSuchBucketPolicy": {"policy": "none", "tls_only": False, "policy_allows_anyone": False},
    "ObjectLockConfigurationNotFoundError": {"object_lock": "off"},
    "ObjectLockConfigurationNotFound": {"object_lock": "off"},
    "ServerSideEncryptionConfigurationNotFoundError": {"encryption": "none"},
    "NoSuchPublicAccessBlockConfiguration": {"public_access_block": "none"},
    "NoSuchLifecycleConfiguration": {"lifecycle": "none"},
    "NoSuchTagSet": {},
    "NoSuchCORSConfiguration": {"cors": "none"},
    "OwnershipControlsNotFoundError": {"ownership": "none"},
    "NoSuchWebsiteConfiguration": {"website": False},
}
_NOT_THERE: Final = frozenset(
    {"NotImplemented", "MethodNotAllowed", "XNotImplemented", "UnsupportedOperation", "InvalidRequest"}
)
_PUBLIC: Final = ("/AllUsers", "/AuthenticatedUsers")


def open_s3(
    site: Site, credentials: tuple[Secret | None, Secret | None, Secret | None], guard: Guard
) -> Source:
    """The store and its buckets; nothing is sent yet.

    Args:
        site: An S3 site.
        credentials: Access key, secret key, session token; None where the site leaves them to the AWS chain.
        guard: The gate.
    """
    import boto3  # noqa: PLC0415 - takes long to load
    from botocore.config import Config  # noqa: PLC0415 - see above

    access, secret, token = (one.reveal() if one else None for one in credentials)
    session = boto3.Session(
        profile_name=site.aws_profile,
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        aws_session_token=token,
        region_name=site.region,
    )
    addressing = "path" if site.addressing == "auto" else site.addressing
    client = session.client(
        "s3",
        endpoint_url=site.endpoint or None,
        verify=str(site.ca_bundle) if site.ca_bundle else None,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": addressing},
            retries={"total_max_attempts": 3, "mode": "standard"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=10,
            read_timeout=60,
        ),
    )
    client.meta.events.register("before-send.s3", guard.on_boto_request)
    return Source(
        asked=f"S3 at {site.endpoint or 'AWS'}",
        readers={
            Kind.STORES: lambda: [_store(client, site)],
            Kind.BUCKETS: lambda: [_bucket(client, one, site) for one in _listed(client)],
        },
        close=client.close,
    )


def _listed(client: Any) -> Iterable[Mapping[str, Any]]:
    for page in client.get_paginator("list_buckets").paginate():
        yield from page.get("Buckets", ())


def _store(client: Any, site: Site) -> Item:
    answer = client.list_buckets()
    owner = answer.get("Owner", {})
    return clean_item(
        identifier=site.endpoint or "aws",
        name=owner.get("DisplayName", ""),
        region=site.region,
        settings={"protocol": "s3", "owner": owner.get("ID"), "tls": site.endpoint.startswith("https://")},
    )


def _bucket(client: Any, listed: Mapping[str, Any], site: Site) -> Item:
    name = listed["Name"]
    settings: dict[str, Any] = {}
    unknown: dict[str, Absence] = {}
    tags: dict[str, str] = {}
    for told, operation, read in _CALLS:
        try:
            found = read(getattr(client, operation)(Bucket=name))
        except Exception as error:  # noqa: BLE001 - a store's odd answer must not hide the other settings
            code = _code(error)
            if code in _NONE_SET:
                found = dict(_NONE_SET[code])
            else:
                absence = Absence.NOT_SUPPORTED if code in _NOT_THERE else absence_of(error)
                unknown.update(dict.fromkeys(told, absence))
                continue
        tags.update(found.pop("tags", {}))
        settings.update(found)
        # A store that answers 200 with nothing in it has not told.
        unknown.update({field: Absence.FAILED for field in told if field not in found and field != "tags"})
    return clean_item(
        identifier=name,
        name=name,
        region=settings.pop("location", None) or site.region,
        created=listed.get("CreationDate"),
        tags=tags,
        settings=settings,
        unknown=unknown,
    )


def _code(error: Exception) -> str:
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _location(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {"location": answer.get("LocationConstraint") or ""}


def _versioning(answer: Mapping[str, Any]) -> dict[str, Any]:
    # S3 tells nothing of a bucket that was never versioned.
    return {
        "versioning": answer.get("Status", "never").lower(),
        "mfa_delete": answer.get("MFADelete", "Disabled").lower(),
    }


def _lock(answer: Mapping[str, Any]) -> dict[str, Any]:
    held = answer.get("ObjectLockConfiguration", {})
    if held.get("ObjectLockEnabled") != "Enabled":
        return {"object_lock": "off"}
    rule = held.get("Rule", {}).get("DefaultRetention", {})
    length = f"{rule['Days']} days" if "Days" in rule else f"{rule.get('Years')} years" if rule else ""
    return {"object_lock": f"{rule.get('Mode', '').lower()} {length}".strip() or "on, no default retention"}


def _encryption(answer: Mapping[str, Any]) -> dict[str, Any]:
    rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", ())
    found = {}
    for rule in rules:
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        if default:
            found["encryption"] = default.get("SSEAlgorithm", "none")
            found["encryption_key"] = default.get("KMSMasterKeyID")
            found["bucket_key"] = rule.get("BucketKeyEnabled")
    return found or {"encryption": "none"}


def _policy(answer: Mapping[str, Any]) -> dict[str, Any]:
    text = answer.get("Policy", "")
    document = json.loads(text)
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return {
        "policy": f"SHA-256 {hashlib.sha256(canonical.encode()).hexdigest()}",
        "tls_only": requires_tls(document),
        "policy_allows_anyone": allows_anyone(document),
    }


def _block(answer: Mapping[str, Any]) -> dict[str, Any]:
    held = answer.get("PublicAccessBlockConfiguration", {})
    return {"public_access_block": sorted(name for name, on in held.items() if on) or "none"}


def _acl(answer: Mapping[str, Any]) -> dict[str, Any]:
    grants = []
    public = False
    for grant in answer.get("Grants", ()):
        grantee = grant.get("Grantee", {})
        who = grantee.get("URI") or grantee.get("ID") or grantee.get("DisplayName") or "?"
        public = public or who.endswith(_PUBLIC)
        grants.append(f"{who.rsplit('/', 1)[-1]}={grant.get('Permission')}")
    return {"acl": sorted(grants) or "none", "acl_public": public}


def _lifecycle(answer: Mapping[str, Any]) -> dict[str, Any]:
    rules = [json.dumps(rule, sort_keys=True, default=str) for rule in answer.get("Rules", ())]
    return {"lifecycle": sorted(rules) or "none"}


def _tags(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {"tags": {one["Key"]: one["Value"] for one in answer.get("TagSet", ())}}


def _cors(answer: Mapping[str, Any]) -> dict[str, Any]:
    origins = {origin for rule in answer.get("CORSRules", ()) for origin in rule.get("AllowedOrigins", ())}
    return {"cors": sorted(origins) or "none"}


def _website(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {"website": bool(answer.get("IndexDocument") or answer.get("RedirectAllRequestsTo"))}


_CALLS: Final[tuple[tuple[tuple[str, ...], str, Callable[[Mapping[str, Any]], dict[str, Any]]], ...]] = (
    (("location",), "get_bucket_location", _location),
    (("versioning", "mfa_delete"), "get_bucket_versioning", _versioning),
    (("object_lock",), "get_object_lock_configuration", _lock),
    (("encryption",), "get_bucket_encryption", _encryption),
    (("policy", "tls_only", "policy_allows_anyone"), "get_bucket_policy", _policy),
    (("public_access_block",), "get_public_access_block", _block),
    (("acl", "acl_public"), "get_bucket_acl", _acl),
    (("lifecycle",), "get_bucket_lifecycle_configuration", _lifecycle),
    (("cors",), "get_bucket_cors", _cors),
    (("website",), "get_bucket_website", _website),
    (("tags",), "get_bucket_tagging", _tags),
)
"""Settings that a call tells, the call, and how its answer is read."""
