"""What commands print, as recorded on Debian 12 and Rocky 9, becomes facts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.estate import parsers
from providers.estate.commands import QUESTIONS, Answer, Question, Verdict, verdict_of

SSHD = """\
port 22
addressfamily any
permitrootlogin without-password
strictmodes yes
ciphers chacha20-poly1305@openssh.com,aes128-ctr,aes256-gcm@openssh.com
macs hmac-sha2-256-etm@openssh.com,hmac-sha1
hostkey /etc/ssh/ssh_host_rsa_key
hostkey /etc/ssh/ssh_host_ed25519_key
listenaddress [::]:22
listenaddress 0.0.0.0:22
maxauthtries 6
subsystem sftp /usr/lib/openssh/sftp-server
"""
LSBLK = """{"blockdevices": [
 {"name": "sda", "type": "disk", "fstype": null, "mountpoint": null, "children": [
  {"name": "sda1", "type": "part", "fstype": "ext4", "mountpoint": "/boot"},
  {"name": "sda2", "type": "part", "fstype": "crypto_LUKS", "mountpoint": null, "children": [
   {"name": "sda2_crypt", "type": "crypt", "fstype": "LVM2_member", "mountpoint": null, "children": [
    {"name": "vg-root", "type": "lvm", "fstype": "ext4", "mountpoint": "/"},
    {"name": "vg-swap", "type": "lvm", "fstype": "swap", "mountpoint": "[SWAP]"}]}]}]},
 {"name": "sdb", "type": "disk", "fstype": "xfs", "mountpoint": "/srv"},
 {"name": "sr0", "type": "rom", "fstype": "iso9660", "mountpoint": "/media/cdrom"},
 {"name": "loop0", "type": "loop", "fstype": "squashfs", "mountpoint": "/snap/core"}]}"""
APT = """\
NOTE: This is only a simulation!
Reading package lists...
The following packages will be upgraded:
  libssl3 tzdata
2 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.
Inst libssl3 [3.0.11-1~deb12u2] (3.0.15-1~deb12u1 Debian-Security:12/stable-security [amd64])
Inst tzdata [2024a-0+deb12u1] (2024b-0+deb12u1 Debian:12.8/stable [all])
Conf libssl3 (3.0.15-1~deb12u1 Debian-Security:12/stable-security [amd64])
"""
DNF = """
kernel.x86_64                 5.14.0-503.el9            baseos
openssl-libs.x86_64           1:3.2.2-6.el9_5           baseos

Obsoleting Packages
grub2-tools.x86_64            1:2.06-94.el9             baseos
"""
SS = """\
udp   UNCONN 0      0          127.0.0.1:323        0.0.0.0:*
udp   UNCONN 0      0      0.0.0.0%ens3:68          0.0.0.0:*    users:(("dhclient",pid=611,fd=7))
tcp   LISTEN 0      128          0.0.0.0:22         0.0.0.0:*    users:(("sshd",pid=812,fd=3))
tcp   LISTEN 0      511            [::1]:6379          [::]:*
tcp   LISTEN 0      4096               *:9100             *:*
tcp   LISTEN 0      128             [::]:22            [::]:*    users:(("sshd",pid=812,fd=4))
"""
GOLDEN = {
    "uname": (
        "Linux 6.1.0-28-amd64 x86_64\n",
        {"system.kernel": "Linux 6.1.0-28-amd64", "system.machine": "x86_64"},
    ),
    "os_release": (
        'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\nHOME_URL="https://x/"\n',
        {"os.pretty_name": "Debian GNU/Linux 12 (bookworm)", "os.version_id": "12", "os.id": "debian"},
    ),
    "sshd": (
        SSHD,
        {
            "sshd.port": 22,
            "sshd.addressfamily": "any",
            "sshd.permitrootlogin": "without-password",
            "sshd.strictmodes": "yes",
            "sshd.ciphers": ("chacha20-poly1305@openssh.com", "aes128-ctr", "aes256-gcm@openssh.com"),
            "sshd.macs": ("hmac-sha2-256-etm@openssh.com", "hmac-sha1"),
            "sshd.hostkey": ("/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_ed25519_key"),
            "sshd.listenaddress": ("[::]:22", "0.0.0.0:22"),
            "sshd.maxauthtries": 6,
            "sshd.subsystem": "sftp /usr/lib/openssh/sftp-server",
        },
    ),
    "timedatectl": (
        "Timezone=Europe/Paris\nLocalRTC=no\nCanNTP=yes\nNTP=yes\nNTPSynchronized=yes\n",
        {"time.synchronised": True, "time.told_by": "timedatectl", "time.zone": "Europe/Paris"},
    ),
    "chronyc": (
        "Reference ID    : 00000000 ()\nStratum         : 0\nLeap status     : Not synchronised\n",
        {"time.synchronised": False, "time.told_by": "chronyc"},
    ),
    "adjtimex": (
        "         mode: 0\n       offset: 38612\n       status: 8257\n",
        {"time.synchronised": False, "time.told_by": "adjtimex"},
    ),
    "lsblk": (
        LSBLK,
        {"disks.encrypted_mounts": ("/", "[SWAP]"), "disks.plain_mounts": ("/boot", "/srv")},
    ),
    "dmsetup": ("sda2_crypt\t(254:0)\n", {"disks.crypt_mappings": ("sda2_crypt",)}),
    "apt": (
        APT,
        {
            "updates.pending": 2,
            "updates.security": 1,
            "updates.security_packages": ("libssl3",),
            "updates.told_by": "apt",
        },
    ),
    "dnf": (DNF, {"updates.pending": 2, "updates.told_by": "dnf"}),
    "stat": ("1732233600\n", {"updates.lists_at": "2024-11-22T00:00:00+00:00"}),
    "ss": (
        SS,
        {
            "ports.listening": (
                "tcp *:9100",
                "tcp 0.0.0.0:22 sshd",
                "tcp [::1]:6379",
                "tcp [::]:22 sshd",
                "udp 0.0.0.0%ens3:68 dhclient",
                "udp 127.0.0.1:323",
            ),
            "ports.beyond_loopback": ("tcp/22", "tcp/9100", "udp/68"),
        },
    ),
}


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_what_a_command_prints_becomes_facts(name: str) -> None:
    """Recorded output becomes exactly these facts."""
    text, facts = GOLDEN[name]
    assert parsers.PARSERS[name](text) == facts


def test_every_parser_has_a_recording_and_a_command() -> None:
    """No parser is without a recorded input, and none is without a command that feeds it."""
    assert set(GOLDEN) == set(parsers.PARSERS)
    assert {parser for question in QUESTIONS for parser, _ in question.commands} == set(parsers.PARSERS)


@pytest.mark.parametrize("name", sorted(GOLDEN))
@given(data=st.data())
def test_parsers_take_any_text(name: str, data: st.DataObject) -> None:
    """Damaged output becomes facts or a ValueError (or a KeyError of JSON), and nothing else."""
    text = GOLDEN[name][0]
    start = data.draw(st.integers(0, len(text)))
    damaged = text[:start] + data.draw(st.text(max_size=10)) + text[start + data.draw(st.integers(0, 20)) :]
    try:
        facts = parsers.PARSERS[name](damaged)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError):
        return
    assert all(isinstance(value, (str, int, bool, tuple)) for value in facts.values())


def test_synchronised_clocks_are_told_from_others() -> None:
    """The kernel's status bit 0x40 and chrony's leap status decide."""
    assert parsers.parse_adjtimex("status: 8193\n")["time.synchronised"] is True
    assert parsers.parse_chronyc("Leap status     : Normal\n")["time.synchronised"] is True


def test_no_update_and_no_mapping_are_answers() -> None:
    """Nothing pending and nothing mapped are told as such, not as unknown."""
    none = "0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n"
    assert parsers.parse_apt(none)["updates.pending"] == 0
    assert parsers.parse_dnf("")["updates.pending"] == 0
    assert parsers.parse_dmsetup("No devices found\n") == {"disks.crypt_mappings": ()}


QUESTION = Question(name="sshd", commands=(("sshd", "sshd -T"),))


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Answer(status=0, out="port 22"), None),
        (Answer(status=0, out="", cut=True), Verdict.FAILED),
        (Answer(status=127, out="", err="sh: 1: sshd: not found"), Verdict.MISSING),
        (Answer(status=1, out="", err="sshd: no hostkeys available -- exiting."), Verdict.NO_PERMISSION),
        (Answer(status=1, out="", err="sudo: a password is required"), Verdict.NO_PERMISSION),
        (Answer(status=126, out="", err=""), Verdict.NO_PERMISSION),
        (Answer(status=255, out="", err="bad option"), Verdict.FAILED),
        (Answer(status=None, out=""), Verdict.FAILED),
    ],
)
def test_why_a_command_did_not_answer(answer: Answer, verdict: str | None) -> None:
    """A missing command, a missing right and a failure are told apart."""
    assert verdict_of(QUESTION, answer) == verdict


def test_commands_only_read() -> None:
    """Every command is one of a reviewed list of programs, with nothing that redirects, chains or substitutes."""
    reading = {"uname", "cat", "sshd", "timedatectl", "chronyc", "adjtimex", "lsblk", "dmsetup", "apt-get"}
    reading |= {"dnf", "stat", "ss"}
    from providers.estate.commands import SUDO

    lines = [line for question in QUESTIONS for _, line in question.commands]
    lines += [line for _, line in SUDO.values()]
    for line in lines:
        rest = line.removeprefix('PATH="$PATH:/usr/sbin:/sbin" ').removeprefix("LC_ALL=C ")
        rest = rest.removeprefix("sudo -n ")
        assert rest.split()[0].rsplit("/", 1)[-1] in reading, line
        assert not set(";|&><`$(){}*?!\n") & set(rest), line
        if "apt-get" in rest:
            assert "--simulate" in rest
