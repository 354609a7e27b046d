"""Promises that guard data: a body that only its key opens, a version that nobody may delete.

Both are accepted and ignored by some stores, so that only the violation shows anything.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from providers.probe.exam import NotTried
from providers.probe.objects import BODY
from providers.probe.wire import refused, told

if TYPE_CHECKING:
    from providers.model import RawAnswer
    from providers.probe.exam import Exam

__all__ = ["run"]

_MODES: Final = ("GOVERNANCE", "COMPLIANCE")


def run(exam: Exam) -> None:
    """Try both, where the protocol has them."""
    if exam.protocol != "s3":
        exam.skip("tried over S3 only", "sse-c", "lock")
        return
    tries = _Secrecy(exam)
    exam.check("sse-c", tries.customer_key)
    exam.check("lock", tries.lock)


class _Secrecy:
    def __init__(self, exam: Exam) -> None:
        self._exam = exam
        self._place = exam.place

    def customer_key(self) -> tuple[bool, str]:
        if not self._exam.private:
            raise NotTried("the key would travel in clear: over https only")
        secret = secrets.token_bytes(32)
        headers = {
            "x-amz-server-side-encryption-customer-algorithm": "AES256",
            "x-amz-server-side-encryption-customer-key": b64encode(secret).decode(),
            "x-amz-server-side-encryption-customer-key-md5": b64encode(
                hashlib.md5(secret, usedforsecurity=False).digest()
            ).decode(),
        }
        key = self._place.noted("sse-c")
        written = self._place.send("PUT", key, headers=headers, body=BODY)
        if refused(written):
            return False, told(written)
        with_key = self._place.send("GET", key, headers=headers)
        if with_key.body != BODY:
            return False, f"not readable with the key: {told(with_key)}"
        without = self._place.send("GET", key)
        if not refused(without, forbidding=True):
            return False, "read without the key: " + (
                "the plain bytes" if without.body == BODY else "other bytes"
            )
        return True, told(without)

    def lock(self) -> tuple[bool, str]:
        if not self._exam.options.lock:
            raise NotTried("only with --lock: the object stays until its retention ends")
        configured = self._place.send("GET", None, query={"object-lock": ""})
        if not configured.accepted or b"Enabled" not in configured.body:
            raise NotTried(f"the bucket has no object lock: {told(configured)}")
        for mode in _MODES:
            outcome = self._locked(mode, configured)
            if outcome is not None:
                return outcome
        return False, "no mode of retention is taken"

    def _locked(self, mode: str, configured: RawAnswer) -> tuple[bool, str] | None:
        """Write under retention and try to delete that version; None where the store refuses the mode."""
        seconds = self._exam.options.lock_seconds
        until = _now(configured) + timedelta(seconds=seconds)
        key = self._place.noted(f"lock-{mode.lower()}")
        headers = {
            "x-amz-object-lock-mode": mode,
            "x-amz-object-lock-retain-until-date": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "content-md5": b64encode(hashlib.md5(BODY, usedforsecurity=False).digest()).decode(),
        }
        written = self._place.send("PUT", key, headers=headers, body=BODY)
        if refused(written, forbidding=True):
            return None
        version = written.headers.get("x-amz-version-id")
        query = {"versionId": version} if version else {}
        deleted = self._place.send("DELETE", key, query=query)
        if not refused(deleted, forbidding=True):
            return False, f"{mode}: the version was deleted: {told(deleted)}"
        still = self._place.send("GET", key, query=query)
        held = still.body == BODY
        # It cannot be removed before: the probe leaves nothing behind if it waits.
        self._exam.options.sleep(seconds + 1)
        return held, f"{mode}: {told(deleted)}" if held else f"{mode}: refused and gone all the same"


def _now(answer: RawAnswer) -> datetime:
    """The store's own time, by which a retention ends."""
    try:
        return parsedate_to_datetime(answer.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError):
        return datetime.now(UTC)
