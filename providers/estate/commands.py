"""The commands that a host is asked to run: fixed texts that only read, with nothing put into them.

Several ways to ask one thing stand in order; the first that answers is taken. A login without rights sees less,
and says so; ``sudo`` is tried only where the operator asks for it, and only without a password (``sudo -n``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["QUESTIONS", "SUDO", "Answer", "Question", "Verdict", "verdict_of"]

# A login that is not interactive often has no sbin on its path; one locale for all parsers.
_AS: Final = 'PATH="$PATH:/usr/sbin:/sbin" LC_ALL=C '


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One thing to know about a host.

    Attributes:
        name: Its name, the first part of the facts' names.
        commands: Ways to ask it: parser → command line.
        statuses: Exit statuses that come with an answer.
        missing: What is said where no command is there.
    """

    name: str
    commands: tuple[tuple[str, str], ...]
    statuses: frozenset[int] = frozenset({0})
    missing: str = "the command is not there"


SUDO: Final[Mapping[str, tuple[str, str]]] = {
    "sshd": ("sshd", "LC_ALL=C sudo -n /usr/sbin/sshd -T"),
    "crypt": ("dmsetup", "LC_ALL=C sudo -n /usr/sbin/dmsetup ls --target crypt"),
    "ports": ("ss", "LC_ALL=C sudo -n /usr/bin/ss -H -lntup"),
}
"""Question → the way with rights, tried first where it is asked for."""

QUESTIONS: Final[tuple[Question, ...]] = (
    Question(name="system", commands=(("uname", _AS + "uname -srm"),)),
    Question(name="os", commands=(("os_release", _AS + "cat /etc/os-release"),)),
    Question(name="sshd", commands=(("sshd", _AS + "sshd -T"),)),
    Question(
        name="time",
        commands=(
            ("timedatectl", _AS + "timedatectl show"),
            ("chronyc", _AS + "chronyc -n tracking"),
            ("adjtimex", _AS + "adjtimex --print"),
        ),
    ),
    Question(name="disks", commands=(("lsblk", _AS + "lsblk --json --output NAME,TYPE,FSTYPE,MOUNTPOINT"),)),
    Question(name="crypt", commands=(("dmsetup", _AS + "dmsetup ls --target crypt"),)),
    Question(
        name="updates",
        commands=(
            ("apt", _AS + "apt-get --simulate --option Debug::NoLocking=true dist-upgrade"),
            ("dnf", _AS + "dnf --quiet --cacheonly check-update"),
        ),
        # dnf-check-update(8): 100 says that there are some.
        statuses=frozenset({0, 100}),
    ),
    Question(
        name="lists",
        commands=(
            ("stat", _AS + "stat --format %Y /var/lib/apt/lists"),
            ("stat", _AS + "stat --format %Y /var/cache/dnf"),
        ),
        missing="there are no package lists",
    ),
    Question(name="ports", commands=(("ss", _AS + "ss -H -lntup"),)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command said.

    Attributes:
        status: Exit status; None where the host did not tell one.
        out: Standard output.
        err: Standard error.
        cut: Whether there was more than is kept.
    """

    status: int | None
    out: str
    err: str = ""
    cut: bool = False


class Verdict:
    """Why a command's answer is none, in words that findings repeat."""

    MISSING: Final = "missing"
    NO_PERMISSION: Final = "no-permission"
    FAILED: Final = "failed"


_TELLING: Final = 1000
_NOT_FOUND: Final = 127
_NOT_EXECUTABLE: Final = 126
_DENIED: Final = (
    "permission denied",
    "operation not permitted",
    "a password is required",
    "must be root",
    "no hostkeys available",
    "superuser",
    "not allowed",
    "access denied",
    "not in the sudoers",
    "account is currently not available",
)
_ABSENT: Final = ("no such file or directory", "not found", "command not found")


def verdict_of(question: Question, answer: Answer) -> str | None:
    """Why an answer is none; None where it is one. Pure."""
    if answer.status in question.statuses and not answer.cut:
        return None
    # nologin(8) refuses on standard output.
    said = f"{answer.err}\n{answer.out[:_TELLING]}".lower()
    if answer.status == _NOT_EXECUTABLE or any(text in said for text in _DENIED):
        return Verdict.NO_PERMISSION
    if answer.status == _NOT_FOUND or any(text in said for text in _ABSENT):
        return Verdict.MISSING
    return Verdict.FAILED
