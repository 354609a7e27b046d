"""From what a command printed to facts. Pure; every parser takes any text and raises ``ValueError`` at most.

A fact is a text, a number, yes or no, or a list of texts, under a name such as ``sshd.permitrootlogin``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from providers.estate.model import Setting

__all__ = [
    "PARSERS",
    "Facts",
    "parse_adjtimex",
    "parse_apt",
    "parse_chronyc",
    "parse_dmsetup",
    "parse_dnf",
    "parse_lsblk",
    "parse_os_release",
    "parse_ss",
    "parse_sshd",
    "parse_stat",
    "parse_timedatectl",
    "parse_uname",
]

Facts = Mapping[str, Setting]
"""Name → fact."""

_MOST_LINES: Final = 20_000
_LISTS: Final = frozenset(
    {
        "casignaturealgorithms",
        "ciphers",
        "hostbasedacceptedalgorithms",
        "hostkeyalgorithms",
        "kexalgorithms",
        "macs",
        "pubkeyacceptedalgorithms",
    }
)
_WORD: Final = re.compile(r"[a-z0-9]{1,64}")
_INST: Final = re.compile(r"Inst (\S+) .*")
_DNF: Final = re.compile(r"(\S+\.\w+)\s+(\S+)\s+(\S+)")
_UNSYNC: Final = 0x40
_LOOPBACK: Final = re.compile(r"127\.|\[?::1\]?$|\[?::ffff:127\.|localhost$")


def _lines(text: str) -> Iterator[str]:
    for count, line in enumerate(text.splitlines()):
        if count >= _MOST_LINES:
            raise ValueError("too many lines")
        if line.strip():
            yield line.strip()


def parse_uname(text: str) -> Facts:
    """``uname -srm``: kernel name, release and machine."""
    words = text.split()
    if len(words) < 3:
        raise ValueError("not three words")
    return {"system.kernel": f"{words[0]} {words[1]}", "system.machine": words[2]}


def parse_os_release(text: str) -> Facts:
    """``/etc/os-release`` (os-release(5)): shell assignments."""
    found = {}
    for line in _lines(text):
        name, sign, value = line.partition("=")
        if sign and name in {"ID", "VERSION_ID", "PRETTY_NAME"}:
            found[f"os.{name.lower()}"] = re.sub(r"\\(.)", r"\1", value.strip().strip("\"'"))
    if "os.id" not in found:
        raise ValueError("no ID")
    return found


def parse_sshd(text: str) -> Facts:
    """``sshd -T`` (sshd(8)): the effective configuration outside of ``Match`` blocks, one keyword a line."""
    found: dict[str, Setting] = {}
    for line in _lines(text):
        keyword, _, value = line.partition(" ")
        keyword = keyword.lower()
        if _WORD.fullmatch(keyword) is None:
            raise ValueError("not a keyword")
        name = f"sshd.{keyword}"
        if keyword in _LISTS:
            found[name] = tuple(value.strip().split(","))
        elif name in found:
            before = found[name]
            found[name] = (*(before if isinstance(before, tuple) else (str(before),)), value.strip())
        else:
            found[name] = int(value) if value.strip().isdecimal() else value.strip()
    if "sshd.port" not in found:
        raise ValueError("no port: not the whole configuration")
    return found


def parse_timedatectl(text: str) -> Facts:
    """``timedatectl show`` (timedatectl(1)): properties."""
    found = dict(line.split("=", 1) for line in _lines(text) if "=" in line)
    if found.get("NTPSynchronized") not in {"yes", "no"}:
        raise ValueError("no NTPSynchronized")
    return {
        "time.synchronised": found["NTPSynchronized"] == "yes",
        "time.told_by": "timedatectl",
        "time.zone": found.get("Timezone", ""),
    }


def parse_chronyc(text: str) -> Facts:
    """``chronyc tracking`` (chronyc(1)): ``Leap status: Normal`` while it is synchronised."""
    found = {
        name.strip(): value.strip()
        for name, sign, value in (one.partition(":") for one in _lines(text))
        if sign
    }
    leap = found.get("Leap status")
    if leap is None:
        raise ValueError("no leap status")
    return {"time.synchronised": leap != "Not synchronised", "time.told_by": "chronyc"}


def parse_adjtimex(text: str) -> Facts:
    """``adjtimex --print`` (adjtimex(8)): the kernel's status; bit 0x40 says that it is not synchronised."""
    for line in _lines(text):
        name, _, value = line.partition(":")
        if name.strip() == "status" and value.strip().isdecimal():
            return {"time.synchronised": not int(value) & _UNSYNC, "time.told_by": "adjtimex"}
    raise ValueError("no status")


def parse_lsblk(text: str) -> Facts:
    """``lsblk --json`` (lsblk(8)): what is mounted, and whether an encrypted device lies below it.

    A disk that the hypervisor encrypts does not show inside the machine.
    """
    document = json.loads(text)
    encrypted: set[str] = set()
    plain: set[str] = set()
    _walk(document["blockdevices"], encrypted, plain, below=False)
    return {
        "disks.encrypted_mounts": tuple(sorted(encrypted)),
        "disks.plain_mounts": tuple(sorted(plain - encrypted)),
    }


def _walk(devices: Any, encrypted: set[str], plain: set[str], *, below: bool) -> None:
    for device in devices:
        crypt = below or device.get("type") == "crypt"
        kind = device.get("type")
        mounts = [device.get("mountpoint"), *(device.get("mountpoints") or ())]
        # Images mounted read-only (snap, CD) hold no data of ours.
        if kind != "rom" and device.get("fstype") != "squashfs":
            (encrypted if crypt else plain).update(str(one) for one in mounts if one)
        _walk(device.get("children") or (), encrypted, plain, below=crypt)


def parse_dmsetup(text: str) -> Facts:
    """``dmsetup ls --target crypt`` (dmsetup(8)): names of the encrypted mappings."""
    if text.strip() in {"", "No devices found"}:
        return {"disks.crypt_mappings": ()}
    names = []
    for line in _lines(text):
        name, _, rest = line.partition("\t")
        if "(" not in rest and "(" not in name:
            raise ValueError("not a mapping")
        names.append(name.split()[0])
    return {"disks.crypt_mappings": tuple(sorted(names))}


def parse_apt(text: str) -> Facts:
    """``apt-get --simulate dist-upgrade`` (apt-get(8)): an ``Inst`` line for each package that would come."""
    pending = [found for line in _lines(text) if (found := _INST.fullmatch(line))]
    if not pending and "newly installed" not in text:
        raise ValueError("no summary")
    security = [found[1] for found in pending if "security" in found[0].partition("(")[2].lower()]
    return {
        "updates.pending": len(pending),
        "updates.security": len(security),
        "updates.security_packages": tuple(sorted(security)[:100]),
        "updates.told_by": "apt",
    }


def parse_dnf(text: str) -> Facts:
    """``dnf check-update`` (dnf(8)): a line for each package; which of them mend a vulnerability is not told."""
    pending = set()
    for line in _lines(text):
        if line.lower().startswith("obsoleting"):
            break
        if found := _DNF.fullmatch(line):
            pending.add(found[1])
    return {"updates.pending": len(pending), "updates.told_by": "dnf"}


def parse_stat(text: str) -> Facts:
    """``stat --format %Y`` (stat(1)): when the package lists last changed."""
    moment = int(text.strip())
    return {"updates.lists_at": datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")}


def parse_ss(text: str) -> Facts:
    """``ss -H -lntup`` (ss(8)): sockets that listen, and those among them that other machines reach."""
    listening: set[str] = set()
    beyond: set[str] = set()
    for line in _lines(text):
        words = line.split()
        if len(words) < 5 or words[0] not in {"tcp", "udp"}:
            raise ValueError("not a socket")
        protocol, local = words[0], words[4]
        address, _, port = local.rpartition(":")
        if not port.isdecimal() and port != "*":
            raise ValueError("no port")
        program = re.search(r'\(\("([^"]{1,64})"', line)
        bare = address.split("%")[0]
        listening.add(f"{protocol} {local}" + (f" {program[1]}" if program else ""))
        if _LOOPBACK.match(bare) is None:
            beyond.add(f"{protocol}/{port}")
    return {"ports.listening": tuple(sorted(listening)), "ports.beyond_loopback": tuple(sorted(beyond))}


PARSERS: Final[Mapping[str, Callable[[str], Facts]]] = {
    "adjtimex": parse_adjtimex,
    "apt": parse_apt,
    "chronyc": parse_chronyc,
    "dmsetup": parse_dmsetup,
    "dnf": parse_dnf,
    "lsblk": parse_lsblk,
    "os_release": parse_os_release,
    "ss": parse_ss,
    "sshd": parse_sshd,
    "stat": parse_stat,
    "timedatectl": parse_timedatectl,
    "uname": parse_uname,
}
"""Parser's name, as ``commands.py`` gives it → parser."""
