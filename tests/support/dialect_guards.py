"""Checks of what protects objects: versions, locks, encryption, and the clean-up rule."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from support.dialect import BIG, TAIL, Subject, attempt, b64, check

__all__: list[str] = []


@check("versions")
def versions(s: Subject) -> str:
    bucket = s.new_bucket("versions")
    outcome = attempt(
        lambda: s.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    )
    if outcome != "accepted":
        return f"no: {outcome}"
    first = s.client.put_object(Bucket=bucket, Key="k", Body=b"1").get("VersionId")
    second = s.client.put_object(Bucket=bucket, Key="k", Body=b"2").get("VersionId")
    if not first or not second or first == second:
        return "lies: switched on, and no version ids"
    s.client.delete_object(Bucket=bucket, Key="k")
    old = s.client.get_object(Bucket=bucket, Key="k", VersionId=first)["Body"].read()
    listed = s.client.list_object_versions(Bucket=bucket)
    kept = (old, len(listed.get("Versions", ())), len(listed.get("DeleteMarkers", ())))
    return "yes" if kept == (b"1", 2, 1) else f"lies: {kept}"


def _locked(s: Subject, mode: str) -> str:
    """Write under a lock, and try to delete what is locked."""
    bucket: list[str] = []
    outcome = attempt(lambda: bucket.append(s.new_bucket("locked", lock=True)))
    if outcome != "accepted":
        return f"no: {outcome}"
    told: list[Any] = []
    outcome = attempt(
        lambda: told.append(
            s.client.put_object(
                Bucket=bucket[0],
                Key="k",
                Body=b"1",
                ObjectLockMode=mode,
                ObjectLockRetainUntilDate=datetime.now(UTC) + timedelta(days=1),
                ContentMD5=b64(hashlib.md5(b"1", usedforsecurity=False).digest()),
            )
        )
    )
    if outcome != "accepted":
        return f"no: {outcome}"
    version = told[0].get("VersionId")
    named = {"VersionId": version} if version else {}
    head = s.client.head_object(Bucket=bucket[0], Key="k").get("ObjectLockMode")
    deleted = attempt(lambda: s.client.delete_object(Bucket=bucket[0], Key="k", **named))
    if deleted != "accepted":
        return "yes"
    return f"lies: HEAD says {head}, and the delete works" if head else "lies: dropped, and the delete works"


@check("object lock (COMPLIANCE): a delete refused")
def lock_compliance(s: Subject) -> str:
    return _locked(s, "COMPLIANCE")


@check("object lock (GOVERNANCE): a delete refused")
def lock_governance(s: Subject) -> str:
    return _locked(s, "GOVERNANCE")


@check("legal hold: a delete refused")
def legal_hold(s: Subject) -> str:
    bucket: list[str] = []
    outcome = attempt(lambda: bucket.append(s.new_bucket("hold", lock=True)))
    if outcome != "accepted":
        return f"no: {outcome}"
    version = s.client.put_object(Bucket=bucket[0], Key="k", Body=b"1").get("VersionId")
    outcome = attempt(
        lambda: s.client.put_object_legal_hold(Bucket=bucket[0], Key="k", LegalHold={"Status": "ON"})
    )
    if outcome != "accepted":
        return f"no: {outcome}"
    named = {"VersionId": version} if version else {}
    deleted = attempt(lambda: s.client.delete_object(Bucket=bucket[0], Key="k", **named))
    return "lies: the delete works" if deleted == "accepted" else "yes"


@check("SSE-C: a read without the key refused")
def customer_key(s: Subject) -> str:
    key: dict[str, Any] = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}
    outcome = attempt(lambda: s.tls.put_object(Bucket=s.bucket, Key="sse-c", Body=b"secret", **key))
    if outcome != "accepted":
        return f"no: {outcome}"
    found: list[bytes] = []
    read = attempt(lambda: found.append(s.tls.get_object(Bucket=s.bucket, Key="sse-c")["Body"].read()))
    if read == "accepted":
        return "lies: the plain bytes" if found == [b"secret"] else "lies: other bytes"
    mine = attempt(lambda: s.tls.head_object(Bucket=s.bucket, Key="sse-c", **key))
    return "yes" if mine == "accepted" else f"no: with the key {mine}"


@check("GetObjectAttributes with parts")
def object_attributes(s: Subject) -> str:
    s.upload("attributes", BIG, TAIL)
    told: list[Any] = []
    outcome = attempt(
        lambda: told.append(
            s.client.get_object_attributes(
                Bucket=s.bucket, Key="attributes", ObjectAttributes=["ETag", "ObjectParts", "ObjectSize"]
            )
        )
    )
    if outcome == "refused 500":
        # boto3 says so of every 200 whose body is no XML.
        asked = {"x-amz-object-attributes": "ETag,ObjectSize"}
        if s.raw("GET", "attributes?attributes=", b"", asked, payload=None) == HTTPStatus.OK:
            return "lies: the object itself"
    if outcome != "accepted":
        return f"no: {outcome}"
    parts = (told[0].get("ObjectParts") or {}).get("TotalPartsCount")
    if told[0].get("ObjectSize") != len(BIG + TAIL):
        return "lies: another answer"
    return "yes" if parts == 2 else "part: no parts"


@check("lifecycle rule against unfinished uploads kept")
def lifecycle_abort(s: Subject) -> str:
    rule = {
        "ID": "a",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    outcome = attempt(
        lambda: s.client.put_bucket_lifecycle_configuration(
            Bucket=s.bucket, LifecycleConfiguration={"Rules": [rule]}
        )
    )
    if outcome != "accepted":
        return f"no: {outcome}"
    kept: list[Any] = []
    read = attempt(lambda: kept.extend(s.client.get_bucket_lifecycle_configuration(Bucket=s.bucket)["Rules"]))
    if read != "accepted":
        return "lies: accepted, and cannot be read"
    days = [one.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation") for one in kept]
    return "yes" if days == [7] else "lies: accepted and dropped"
