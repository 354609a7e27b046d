"""The errors of a migration, apart from those of stores (``providers.errors``) and envelopes.

MigrationError                exit
 +-- UsageError                 2   a flag, file or location makes no sense
 |    +-- PlanInvalid           2   the wave file is not a valid plan
 |    +-- PlanStale             2   the wave file is not the one this ledger was begun with
 +-- NothingThere              10   no wave, plan or ledger at that place
 +-- CapabilityMissing         13   a store cannot do what the plan asks
 +-- GateRefused                6   the rules of this class of data speak against it
 +-- LedgerError                1
 |    +-- LedgerLocked         11   another run holds this ledger
 |    +-- LedgerCorrupt         1   the ledger contradicts itself
 |    +-- LedgerTooNew          1   written by a newer version
 |    +-- LedgerForeign         1   belongs to another wave, or is an older copy of this one
 |    +-- LedgerStorage         1   the disk under the ledger is full or failing
 |    +-- IllegalTransition     1   an event that the state table does not allow
 +-- IntegrityError             4   bytes are not what they must be
 |    +-- EvidenceInvalid       4   a bundle, statement or proof is not what it must be
 +-- CustodyError               1   the custodian of a key answered that it cannot, or made no sense
 |    +-- CustodyUntrusted      1   it is not shown to be the server it should be
 |    +-- CustodyDenied        12   it takes the token no longer, or not for this
 |    +-- CustodyKeyUnusable   12   the key at the custodian is gone, switched off, or another one
 |    +-- CustodyUnavailable    5   it is sealed, out of reach or overloaded
 +-- TimestampFailed            5   a time-stamp authority gave no answer, or none that holds
 +-- SourceDrift                3   the source no longer is what the inventory listed
 +-- Interrupted              130   the operator stopped the run

Every class carries ``code`` (stable, part of JSON output), ``exit_code`` and, per instance, a ``hint``.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "CapabilityMissing",
    "CustodyDenied",
    "CustodyError",
    "CustodyKeyUnusable",
    "CustodyUnavailable",
    "CustodyUntrusted",
    "EvidenceInvalid",
    "GateRefused",
    "IllegalTransition",
    "IntegrityError",
    "Interrupted",
    "LedgerCorrupt",
    "LedgerError",
    "LedgerForeign",
    "LedgerLocked",
    "LedgerStorage",
    "LedgerTooNew",
    "MigrationError",
    "NothingThere",
    "PlanInvalid",
    "PlanStale",
    "SourceDrift",
    "TimestampFailed",
    "UsageError",
]


class MigrationError(Exception):
    """Base of every error of ours; ``hint`` says what a person can do about it."""

    code: ClassVar[str] = "migration-error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(MigrationError):
    """A flag, file or location makes no sense."""

    code = "usage"
    exit_code = 2


class PlanInvalid(UsageError):
    """The wave file is not a valid plan."""

    code = "plan-invalid"


class PlanStale(UsageError):
    """The wave file is not the one this ledger was begun with."""

    code = "plan-stale"


class NothingThere(MigrationError):
    """No wave, plan or ledger at that place."""

    code = "not-found"
    exit_code = 10


class CapabilityMissing(MigrationError):
    """A store cannot do what the plan asks of it."""

    code = "capability-missing"
    exit_code = 13


class GateRefused(MigrationError):
    """The rules of this class of data speak against where it would go, and no derogation overrides them."""

    code = "gate-refused"
    exit_code = 6


class LedgerError(MigrationError):
    """The ledger cannot be used."""

    code = "ledger"


class LedgerLocked(LedgerError):
    """Another run holds this ledger."""

    code = "ledger-locked"
    exit_code = 11


class LedgerCorrupt(LedgerError):
    """The ledger contradicts itself."""

    code = "ledger-corrupt"


class LedgerTooNew(LedgerError):
    """The ledger was written by a newer version."""

    code = "ledger-too-new"


class LedgerForeign(LedgerError):
    """The ledger belongs to another wave, or is an older copy of this one."""

    code = "ledger-foreign"


class LedgerStorage(LedgerError):
    """The disk under the ledger is full or failing."""

    code = "ledger-storage"


class IllegalTransition(LedgerError):
    """An event that the state table does not allow."""

    code = "illegal-transition"


class IntegrityError(MigrationError):
    """Bytes are not what they must be."""

    code = "integrity"
    exit_code = 4


class EvidenceInvalid(IntegrityError):
    """A bundle, statement or proof is not what it must be."""

    code = "evidence-invalid"


class CustodyError(MigrationError):
    """The custodian of a key answered that it cannot, or its answer makes no sense."""

    code = "custody"


class CustodyUntrusted(CustodyError):
    """Nothing shows that the custodian is the server it should be."""

    code = "custody-untrusted"


class CustodyDenied(CustodyError):
    """The custodian takes the token no longer, or not for this."""

    code = "custody-denied"
    exit_code = 12


class CustodyKeyUnusable(CustodyError):
    """The key at the custodian is gone, switched off, or another one."""

    code = "custody-key-unusable"
    exit_code = 12


class CustodyUnavailable(CustodyError):
    """The custodian is sealed, out of reach or overloaded."""

    code = "custody-unavailable"
    exit_code = 5


class SourceDrift(MigrationError):
    """The source no longer is what the inventory listed."""

    code = "source-drifted"
    exit_code = 3


class TimestampFailed(MigrationError):
    """A time-stamp authority gave no answer, or none that holds."""

    code = "timestamp-failed"
    exit_code = 5


class Interrupted(MigrationError):
    """The operator stopped the run."""

    code = "interrupted"
    exit_code = 130
