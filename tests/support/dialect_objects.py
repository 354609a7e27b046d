"""Checks of single objects, of keys and of listings."""

from __future__ import annotations

import hashlib
import io
import socket
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from support.dialect import Subject, attempt, b64, check, signed_headers

__all__ = ["ODD_KEYS"]

_WRONG = b64(hashlib.sha256(b"other bytes").digest())
_ROUNDS, _CREATORS = 6, 4
ODD_KEYS = {
    "space": "a b",
    "plus": "a+b",
    "percent": "100%25 %zz",
    "a//b": "a//b",
    "dir/ with a body": "dir/",
    "emoji": "😀/é漢",
    "./ piece": "a/./b",
    "../ piece": "a/../b",
    "quotes and <>&": "a&<>'\"b",
    "?#;=@:": "q?#;=@:,!$*()~",
    "backslash": "a\\b",
    "tab": "a\tb",
    "newline": "a\nb",
    "control": "a\x01b",
    "decomposed": "e\u0301",
    "255-byte piece": "w" * 255,
    "256-byte piece": "w" * 256,
    "1,024 bytes": "/".join(["s" * 127] * 8)[:1020],
    "%2F": "a%2Fb",
    "trailing space": "x ",
}


@check("bytes, ranges, 416 and empty objects")
def bytes_and_ranges(s: Subject) -> str:
    s.put("basic", b"0123456789")
    s.put("empty", b"")
    if s.get("basic", Range="bytes=2-4") != b"234" or s.get("empty") != b"":
        return "lies: other bytes"
    if s.head("empty")["ContentLength"] != 0:
        return "lies: an empty object is not empty"
    last: list[bytes] = []
    suffix = attempt(lambda: last.append(s.get("basic", Range="bytes=-3")))
    past = attempt(lambda: s.get("basic", Range="bytes=50-60"))
    if suffix == "accepted" and last != [b"789"]:
        return "lies: other bytes for the last three"
    odd = [f"the last bytes are {suffix}"] if suffix != "accepted" else []
    odd += [] if past.startswith("refused 416") else [f"a range past the end is {past}"]
    return f"part: {'; '.join(odd)}" if odd else "yes"


@check("metadata and content headers kept")
def attributes_kept(s: Subject) -> str:
    told = {
        "ContentType": "text/x-a",
        "ContentEncoding": "gzip",
        "ContentLanguage": "fr",
        "ContentDisposition": "attachment",
        "CacheControl": "no-cache",
        "Metadata": {"site": "h-7"},
    }
    outcome = attempt(lambda: s.put("described", b"x", **told))
    if outcome != "accepted":
        return f"no: {outcome}"
    head = s.head("described")
    lost = [name for name, value in told.items() if head.get(name) != value]
    return "yes" if not lost else f"lies: {', '.join(sorted(lost))} lost"


@check("wrong signature refused")
def bad_signature(s: Subject) -> str:
    with closing(replace(s.server, secret_key="wrong" * 8).client()) as client:
        outcome = attempt(lambda: client.put_object(Bucket=s.bucket, Key="intruder", Body=b"x"))
    return "yes" if outcome.startswith("refused 40") else f"lies: {outcome}"


@check("wrong region in the signature refused")
def wrong_region(s: Subject) -> str:
    with closing(replace(s.server, region="xx-nowhere-9").client()) as client:
        outcome = attempt(lambda: client.put_object(Bucket=s.bucket, Key="region", Body=b"x"))
    return "no: accepted" if outcome == "accepted" else "yes"


@check("body held against x-amz-content-sha256")
def payload_digest(s: Subject) -> str:
    status = s.raw("PUT", "tampered", b"BBBB", {}, payload=hashlib.sha256(b"AAAA").hexdigest())
    return "yes" if status >= 400 else "lies: accepted"


@check("wrong Content-MD5 refused")
def wrong_md5(s: Subject) -> str:
    md5 = b64(hashlib.md5(b"abd", usedforsecurity=False).digest())
    outcome = attempt(lambda: s.put("md5", b"abc", ContentMD5=md5))
    return "lies: accepted" if outcome == "accepted" else "yes"


@check("boto3 as it comes, over https (a trailer)")
def default_over_tls(s: Subject) -> str:
    body = b"x" * 70_000
    outcome = attempt(
        lambda: s.default.put_object(Bucket=s.bucket, Key="default", Body=io.BytesIO(body), ContentType="a/b")
    )
    if outcome != "accepted":
        return f"no: {outcome}"
    if s.get("default") != body:
        return "lies: the framing is stored in the object"
    encoding = s.head("default").get("ContentEncoding")
    return f"part: Content-Encoding {encoding} stays" if encoding else "yes"


@check("wrong checksum in a trailer refused")
def wrong_trailer(s: Subject) -> str:
    def send(value: str) -> int:
        framed = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + value.encode() + b"\r\n\r\n"
        headers = {
            "x-amz-trailer": "x-amz-checksum-crc32",
            "x-amz-decoded-content-length": "5",
            "Content-Encoding": "aws-chunked",
        }
        return s.raw("PUT", "trailer", framed, headers, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")

    right = send(b64(zlib.crc32(b"hello").to_bytes(4, "big")))
    if right >= 400:
        return f"no: trailers are refused ({right})"
    return "yes" if send("AAAAAA==") >= 400 else "lies: accepted"


@check("wrong x-amz-checksum-sha256 refused")
def wrong_sha256(s: Subject) -> str:
    outcome = attempt(lambda: s.put("sha256", b"payload", ChecksumSHA256=_WRONG))
    if outcome == "accepted":
        return "lies: accepted"
    right = attempt(
        lambda: s.put("sha256", b"payload", ChecksumSHA256=b64(hashlib.sha256(b"payload").digest()))
    )
    return "yes" if right == "accepted" else f"no: a right one is {right}"


@check("SHA-256 told on HEAD")
def sha256_on_head(s: Subject) -> str:
    value = b64(hashlib.sha256(b"payload").digest())
    outcome = attempt(lambda: s.put("told", b"payload", ChecksumSHA256=value))
    if outcome != "accepted":
        return f"no: {outcome}"
    found = s.head("told", ChecksumMode="ENABLED").get("ChecksumSHA256")
    if found is None:
        return "no: not told"
    attempt(lambda: s.put("untrue", b"payload", ChecksumSHA256=_WRONG))
    if attempt(lambda: s.head("untrue")) == "accepted":
        echoed = s.head("untrue", ChecksumMode="ENABLED").get("ChecksumSHA256") == _WRONG
        return "lies: a wrong one is told too" if echoed else "yes"
    return "yes" if found == value else f"lies: {found}"


def _fence(s: Subject, key: str) -> str:
    s.put(key, b"first")
    outcome = attempt(lambda: s.put(key, b"second", IfNoneMatch="*"))
    if outcome == "accepted":
        return "lies: replaced" if s.get(key) == b"second" else "lies: accepted and dropped"
    fresh = attempt(lambda: s.put(f"{key}-new", b"first", IfNoneMatch="*"))
    return "yes" if fresh == "accepted" else f"no: {fresh}"


@check("create-if-absent on put (If-None-Match: *)")
def put_if_absent(s: Subject) -> str:
    return _fence(s, "fenced")


@check("... one winner among concurrent creators", settled=False)
def put_if_absent_atomic(s: Subject) -> str:
    if _fence(s, "race-fenced") != "yes":
        return "no: not honoured at all"
    doubles = 0
    with ThreadPoolExecutor(_CREATORS) as pool:
        for number in range(_ROUNDS):
            key = f"race/{number}"
            won = list(
                pool.map(
                    lambda _, key=key: attempt(lambda: s.put(key, b"x" * 2000, IfNoneMatch="*")),
                    range(_CREATORS),
                )
            )
            doubles += won.count("accepted") > 1
    return "lies: more than one winner" if doubles else "yes"


@check("stale If-Match on put refused")
def stale_if_match(s: Subject) -> str:
    s.put("matched", b"first")
    outcome = attempt(lambda: s.put("matched", b"second", IfMatch='"' + "0" * 32 + '"'))
    if outcome == "accepted":
        return "lies: accepted"
    current = attempt(lambda: s.put("matched", b"second", IfMatch=s.head("matched")["ETag"]))
    return "yes" if current == "accepted" else f"no: the current one is {current}"


@check("stale If-Match on get refused")
def stale_if_match_on_get(s: Subject) -> str:
    s.put("pinned", b"first")
    outcome = attempt(lambda: s.get("pinned", IfMatch='"' + "0" * 32 + '"'))
    return "lies: accepted" if outcome == "accepted" else "yes"


@check("tags kept")
def tags(s: Subject) -> str:
    outcome = attempt(lambda: s.put("tagged", b"x", Tagging="a=1&b=x%20y"))
    if outcome != "accepted":
        return f"no: {outcome}"
    try:
        found = s.client.get_object_tagging(Bucket=s.bucket, Key="tagged")["TagSet"]
    except (ClientError, BotoCoreError):
        return "lies: accepted, and cannot be read"
    pairs = {tag["Key"]: tag["Value"] for tag in found}
    return "yes" if pairs == {"a": "1", "b": "x y"} else "lies: accepted and dropped"


@check("listing in pages, each key once")
def list_pages(s: Subject) -> str:
    keys = [f"page/{number:03}" for number in range(25)]
    for key in keys:
        s.put(key, b"")
    seen: list[str] = []
    token: dict[str, Any] = {}
    for _ in range(10):
        page = s.client.list_objects_v2(Bucket=s.bucket, Prefix="page/", MaxKeys=10, **token)
        seen += [entry["Key"] for entry in page.get("Contents", ())]
        if not page.get("IsTruncated"):
            break
        token = {"ContinuationToken": page["NextContinuationToken"]}
    return "yes" if sorted(seen) == keys else f"lies: {len(seen)} entries of {len(keys)} keys"


@check("listing in the order of UTF-8 bytes")
def list_order(s: Subject) -> str:
    for key in ("order/a", "order/A", "order/a-", "order/b/c", "order/b-", "order/é", "order/_"):
        s.put(key, b"")
    found = [entry["Key"] for entry in s.client.list_objects_v2(Bucket=s.bucket, Prefix="order/")["Contents"]]
    return "yes" if found == sorted(found, key=str.encode) else "lies: another order"


@check("awkward keys come back as they were given")
def odd_keys(s: Subject) -> str:
    client, bucket = s.client, s.new_bucket("odd")
    refused, wrong, unlisted = [], [], []
    for name, key in ODD_KEYS.items():
        body = name.encode()
        try:
            client.put_object(Bucket=bucket, Key=key, Body=body)
        except (ClientError, BotoCoreError):
            refused.append(name)
            continue
        try:
            same = client.get_object(Bucket=bucket, Key=key)["Body"].read() == body
            listed = client.list_objects_v2(Bucket=bucket)
            if not same:
                wrong.append(name)
            elif key not in [entry["Key"] for entry in listed.get("Contents", ())]:
                unlisted.append(name)
        except (ClientError, BotoCoreError):
            unlisted.append(name)
        finally:
            attempt(lambda key=key: client.delete_object(Bucket=bucket, Key=key))  # type: ignore[misc]
    told = [
        f"{what} {', '.join(names)}"
        for what, names in (
            ("refused", refused),
            ("another body:", wrong),
            ("not listed as given:", unlisted),
        )
        if names
    ]
    if not told:
        return "yes"
    return ("lies: " if wrong or unlisted else "part: ") + "; ".join(told)


@check("`x` beside `x/y`")
def nested_keys(s: Subject) -> str:
    outcomes = []
    for first, second in (("nest/x", "nest/x/y"), ("tsen/x/y", "tsen/x")):
        s.put(first, b"first")
        outcome = attempt(lambda second=second: s.put(second, b"second"))  # type: ignore[misc]
        if attempt(lambda first=first: s.head(first)) != "accepted" or s.get(first) != b"first":  # type: ignore[misc]
            return "lies: the second destroys the first"
        outcomes.append(outcome)
    return "yes" if set(outcomes) == {"accepted"} else f"no: {', '.join(sorted(set(outcomes)))}"


@check("a put that was cut leaves nothing")
def cut_put(s: Subject) -> str:
    place = urlsplit(s.server.endpoint)
    assert place.hostname is not None
    assert place.port is not None
    url = f"{s.server.endpoint}/{s.bucket}/cut"
    signed = signed_headers(s.server, "PUT", url, {"Host": place.netloc}, payload="UNSIGNED-PAYLOAD")
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    head = f"PUT /{s.bucket}/cut HTTP/1.1\r\n{lines}Content-Length: 2000000\r\n\r\n"
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(head.encode() + b"z" * 1_000_000)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(10)
        try:
            while connection.recv(65_536):  # until the server has dealt with it
                pass
        except OSError:
            pass
    return "no: a short object is visible" if attempt(lambda: s.head("cut")) == "accepted" else "yes"


@check("put into a bucket that is not there refused")
def missing_bucket(s: Subject) -> str:
    outcome = attempt(lambda: s.client.put_object(Bucket=f"{s.bucket}-none", Key="a", Body=b""))
    return "lies: makes the bucket" if outcome == "accepted" else "yes"
