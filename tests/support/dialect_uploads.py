"""Checks of uploads in parts."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from support.dialect import BIG, TAIL, Subject, attempt, b64, check

__all__: list[str] = []

_ROUNDS, _CREATORS = 6, 4


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


@check("an object in parts, whole and with the usual etag")
def multipart_etag(s: Subject) -> str:
    told = s.upload("parts/two", BIG, TAIL).get("ETag", "").strip('"')
    if s.get("parts/two") != BIG + TAIL:
        return "lies: other bytes"
    wanted = f"{hashlib.md5(_md5(BIG) + _md5(TAIL), usedforsecurity=False).hexdigest()}-2"
    head = s.head("parts/two")["ETag"].strip('"')
    if told == head == wanted:
        return "yes"
    if told != head:
        return f"part: Complete says {'nothing' if not told else 'another etag'}, HEAD {'the usual' if head == wanted else 'its own'}"
    return "part: an etag of its own"


@check("unfinished uploads listed")
def uploads_listed(s: Subject) -> str:
    key = "listed/a+b c"
    upload = s.begin(key)
    outcome: dict[str, Any] = {}

    def look() -> None:
        outcome["found"] = [
            (entry["Key"], entry["UploadId"])
            for entry in s.client.list_multipart_uploads(Bucket=s.bucket, Prefix="listed/").get("Uploads", ())
        ]

    seen = attempt(look)
    attempt(lambda: s.client.abort_multipart_upload(Bucket=s.bucket, Key=key, UploadId=upload))
    if seen != "accepted":
        return f"no: {seen}"
    return "yes" if outcome["found"] == [(key, upload)] else f"lies: {len(outcome['found'])} of 1"


@check("parts listed, a part sent twice once")
def parts_listed(s: Subject) -> str:
    key = "listed-parts"
    upload = s.begin(key)
    s.part(key, upload, 1, BIG)
    s.part(key, upload, 2, TAIL)
    replaced = attempt(lambda: s.part(key, upload, 2, TAIL + b"1"))
    found: list[tuple[int, int]] = []

    def look() -> None:
        answer = s.client.list_parts(Bucket=s.bucket, Key=key, UploadId=upload)
        found.extend((part["PartNumber"], part["Size"]) for part in answer.get("Parts", ()))

    seen = attempt(look)
    attempt(lambda: s.client.abort_multipart_upload(Bucket=s.bucket, Key=key, UploadId=upload))
    if seen != "accepted":
        return f"no: {seen}"
    if replaced != "accepted":
        return f"part: another body for a part is {replaced}"
    wanted = [(1, len(BIG)), (2, len(TAIL) + 1)]
    if found == wanted:
        return "yes"
    return "part: both are listed, in either order" if set(wanted) < set(found) else "lies: not what was sent"


@check("wrong x-amz-checksum-sha256 of a part refused")
def part_checksum(s: Subject) -> str:
    key = "part-sum"
    opened: list[str] = []
    outcome = attempt(lambda: opened.append(s.begin(key, ChecksumAlgorithm="SHA256")))
    if outcome != "accepted":
        return f"no: {outcome}"
    wrong = b64(hashlib.sha256(b"zz").digest())
    sent = attempt(lambda: s.part(key, opened[0], 1, TAIL, ChecksumSHA256=wrong))
    attempt(lambda: s.client.abort_multipart_upload(Bucket=s.bucket, Key=key, UploadId=opened[0]))
    return "lies: accepted" if sent == "accepted" else f"{'no' if '501' in sent else 'yes'}: {sent}"


@check("wrong SHA-256 of a part refused at Complete")
def composite_checksum(s: Subject) -> str:
    key = "composite-sum"
    opened: list[str] = []
    outcome = attempt(lambda: opened.append(s.begin(key, ChecksumAlgorithm="SHA256")))
    if outcome != "accepted":
        return f"no: {outcome}"
    upload = opened[0]
    right = b64(hashlib.sha256(TAIL).digest())
    sent: list[dict[str, Any]] = []
    outcome = attempt(lambda: sent.append(s.part(key, upload, 1, TAIL, ChecksumSHA256=right)))
    if outcome != "accepted":
        return f"no: a right one is {outcome}"
    wrong = {**sent[0], "ChecksumSHA256": b64(hashlib.sha256(b"zz").digest())}
    completed = attempt(lambda: s.complete(key, upload, [wrong]))
    attempt(lambda: s.client.abort_multipart_upload(Bucket=s.bucket, Key=key, UploadId=upload))
    return "lies: accepted" if completed == "accepted" else "yes"


@check("wrong etag of a part refused at Complete")
def wrong_part_etag(s: Subject) -> str:
    key = "wrong-etag"
    upload = s.begin(key)
    s.part(key, upload, 1, TAIL)
    outcome = attempt(lambda: s.complete(key, upload, [{"PartNumber": 1, "ETag": '"' + "0" * 32 + '"'}]))
    attempt(lambda: s.client.abort_multipart_upload(Bucket=s.bucket, Key=key, UploadId=upload))
    return "lies: accepted" if outcome == "accepted" else "yes"


@check("parts out of order refused at Complete")
def part_order(s: Subject) -> str:
    key = "order"
    upload = s.begin(key)
    parts = [s.part(key, upload, 1, BIG), s.part(key, upload, 2, TAIL)]
    outcome = attempt(lambda: s.complete(key, upload, parts[::-1]))
    if outcome != "accepted":
        attempt(lambda: s.client.abort_multipart_upload(Bucket=s.bucket, Key=key, UploadId=upload))
        return "yes"
    return "lies: parts are put in order" if s.get(key) == BIG + TAIL else "lies: the body is out of order"


@check("second Complete after a lost answer")
def second_complete(s: Subject) -> str:
    key = "twice"
    upload = s.begin(key)
    parts = [s.part(key, upload, 1, TAIL)]
    s.complete(key, upload, parts)
    outcome = attempt(lambda: s.complete(key, upload, parts))
    if s.get(key) != TAIL:
        return "lies: the object is gone"
    return "yes" if outcome == "accepted" else f"no: {outcome}"


@check("an upload that failed to complete can be completed still")
def failed_complete(s: Subject) -> str:
    key = "failed-complete"
    upload = s.begin(key)
    parts = [s.part(key, upload, 1, TAIL)]
    invented = [*parts, {"PartNumber": 2, "ETag": parts[0]["ETag"]}]
    outcome = attempt(lambda: s.complete(key, upload, invented))
    if outcome == "accepted":
        return "lies: a part that was never sent is accepted"
    again = attempt(lambda: s.complete(key, upload, parts))
    return "yes" if again == "accepted" else f"no: {again}"


@check("second abort answered as an unknown upload")
def second_abort(s: Subject) -> str:
    upload = s.begin("aborted")

    def abort() -> None:
        s.client.abort_multipart_upload(Bucket=s.bucket, Key="aborted", UploadId=upload)

    first, second = attempt(abort), attempt(abort)
    if first != "accepted":
        return f"no: {first}"
    return "no: 204 again" if second == "accepted" else "yes"


@check("a part one byte too small refused")
def small_part(s: Subject) -> str:
    outcome = attempt(lambda: s.upload("small-part", BIG[:-1], b"x"))
    return "lies: accepted" if outcome == "accepted" else "yes"


@check("part 10,001 refused")
def last_part_number(s: Subject) -> str:
    upload = s.begin("numbers")

    def send(number: int) -> str:
        return attempt(lambda: s.part("numbers", upload, number, b"x"))

    beyond, thousand, last = send(10_001), send(1_001), send(10_000)
    attempt(lambda: s.client.abort_multipart_upload(Bucket=s.bucket, Key="numbers", UploadId=upload))
    if thousand != "accepted":
        return "part: no more than 1,000"
    if last != "accepted":
        return f"part: 10,000 is {last}"
    return "lies: accepted" if beyond == "accepted" else "yes"


@check("parts of unequal size taken")
def unequal_parts(s: Subject) -> str:
    outcome = attempt(lambda: s.upload("unequal", BIG + TAIL, BIG, TAIL))
    if outcome != "accepted":
        return f"no: {outcome}"
    return "yes" if s.get("unequal") == BIG + TAIL + BIG + TAIL else "lies: other bytes"


def _fence(s: Subject, key: str) -> str:
    s.put(key, b"first")
    outcome = attempt(lambda: s.upload(key, TAIL, IfNoneMatch="*"))
    if outcome == "accepted":
        return "lies: replaced" if s.get(key) == TAIL else "lies: accepted and dropped"
    fresh = attempt(lambda: s.upload(f"{key}-new", TAIL, IfNoneMatch="*"))
    return "yes" if fresh == "accepted" else f"no: {fresh}"


@check("create-if-absent on Complete (If-None-Match: *)")
def complete_if_absent(s: Subject) -> str:
    return _fence(s, "fenced-parts")


@check("... one winner among concurrent completions", settled=False)
def complete_if_absent_atomic(s: Subject) -> str:
    if _fence(s, "race-fenced-parts") != "yes":
        return "no: not honoured at all"
    doubles = 0
    with ThreadPoolExecutor(_CREATORS) as pool:
        for number in range(_ROUNDS):
            key = f"parts-race/{number}"
            made = []
            for _ in range(_CREATORS):
                upload = s.begin(key)
                made.append((upload, [s.part(key, upload, 1, TAIL)]))
            won = list(
                pool.map(
                    lambda one, key=key: attempt(lambda: s.complete(key, one[0], one[1], IfNoneMatch="*")),
                    made,
                )
            )
            doubles += won.count("accepted") > 1
    return "lies: more than one winner" if doubles else "yes"


@check("a part copied from another object")
def part_copy(s: Subject) -> str:
    s.upload("copied/source", BIG, TAIL)
    upload = s.begin("copied/target")
    made: list[dict[str, Any]] = []

    def copy() -> None:
        answer = s.client.upload_part_copy(
            Bucket=s.bucket,
            Key="copied/target",
            UploadId=upload,
            PartNumber=1,
            CopySource={"Bucket": s.bucket, "Key": "copied/source"},
            CopySourceRange="bytes=10-5242999",
        )
        made.append({"PartNumber": 1, "ETag": answer.get("CopyPartResult", {}).get("ETag")})

    outcome = attempt(copy)
    if outcome == "accepted" and made[0]["ETag"] is None:
        attempt(
            lambda: s.client.abort_multipart_upload(Bucket=s.bucket, Key="copied/target", UploadId=upload)
        )
        return "lies: the source is ignored, an empty part is stored"
    if outcome == "accepted":
        outcome = attempt(lambda: s.complete("copied/target", upload, made))
    if outcome != "accepted":
        attempt(
            lambda: s.client.abort_multipart_upload(Bucket=s.bucket, Key="copied/target", UploadId=upload)
        )
        return f"no: {outcome}"
    return "yes" if s.get("copied/target") == (BIG + TAIL)[10:5_243_000] else "lies: other bytes"


@check("UploadPartCopy under a stale x-amz-copy-source-if-match refused")
def part_copy_stale(s: Subject) -> str:
    s.put("copied/changed", b"the first body")
    stale = s.head("copied/changed")["ETag"]
    s.put("copied/changed", b"another body")
    upload = s.begin("copied/stale")

    def copy() -> None:
        answer = s.client.upload_part_copy(
            Bucket=s.bucket,
            Key="copied/stale",
            UploadId=upload,
            PartNumber=1,
            CopySource={"Bucket": s.bucket, "Key": "copied/changed"},
            CopySourceIfMatch=stale,
        )
        made.append(answer.get("CopyPartResult", {}).get("ETag"))

    made: list[str | None] = []
    outcome = attempt(copy)
    attempt(lambda: s.client.abort_multipart_upload(Bucket=s.bucket, Key="copied/stale", UploadId=upload))
    if outcome != "accepted":
        return "yes" if outcome.startswith("refused 412") else f"no: {outcome}"
    return "lies: copied all the same" if made[0] else "no: nothing is copied"


@check("GET of one part by its number")
def get_part(s: Subject) -> str:
    s.upload("by-number", BIG, TAIL)
    found: list[bytes] = []
    outcome = attempt(lambda: found.append(s.get("by-number", PartNumber=2)))
    if outcome != "accepted":
        return f"no: {outcome}"
    return "yes" if found[0] == TAIL else "lies: other bytes"
