"""The public keys of a plan, read and checked."""

from __future__ import annotations

import base64
import binascii

from migrator.core.plan import Plan
from migrator.envelope.errors import EnvelopeError
from migrator.envelope.keys import Recipient
from migrator.errors import PlanInvalid

__all__ = ["read_recipients", "write_recipient"]


def read_recipients(plan: Plan) -> tuple[Recipient, ...]:
    """The plan's recipients.

    Raises:
        PlanInvalid: One of them is not a public key, or stands there twice.
    """
    try:
        found = tuple(
            Recipient.from_public_bytes(base64.b64decode(text, validate=True)) for text in plan.recipients
        )
    except (binascii.Error, ValueError, EnvelopeError):
        raise PlanInvalid(
            "a recipient in the wave file is not a public key",
            hint="name recipients with --recipient KEY.pub",
        ) from None
    if len(set(found)) != len(found):
        raise PlanInvalid("a recipient stands twice in the wave file", hint="name each recipient once")
    return found


def write_recipient(recipient: Recipient) -> str:
    """A recipient as a plan holds it."""
    return base64.b64encode(recipient.public).decode()
