"""Hosts asked over SSH: a real sshd, its real effective configuration, and hosts that refuse or lie."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from migrator.cli.main import havre
from providers.errors import Unauthenticated
from providers.estate.commands import QUESTIONS
from providers.estate.hosts import collect
from providers.estate.ssh import CommandConnection, connect
from providers.sftp_place import Hop, SftpPlace
from support.command_sshd import CommandSshd, missing_commands
from support.programs import find_program, program_environment
from support.sshd import Sshd

pytestmark = pytest.mark.server("sftp")


def shim(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A host whose `sshd` on the path tells the configuration of the server that we are logged in to."""
    if reason := missing_commands():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("host")
    tools = folder / "tools"
    tools.mkdir(mode=0o755)
    program = find_program("sshd")
    assert program is not None
    libraries = "".join(f"{name}={value} " for name, value in program_environment(program).items())
    shim(tools, "sshd", f'{libraries}exec {program} -f {folder}/sshd/sshd_config "$@"')
    shim(tools, "timedatectl", "echo NTPSynchronized=yes; echo Timezone=UTC")
    shim(tools, "lsblk", "echo 'not json'")
    shim(tools, "dmsetup", "echo 'must be root' >&2; exit 1")
    shim(tools, "flood", "yes | head -c 6000000")
    shim(tools, "talk", "yes out | head -c 3000000; yes err | head -c 3000000 >&2; exit 3")
    shim(tools, "apt-get", "echo 0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.")
    shim(tools, "ss", "echo 'tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*'")
    path = f"{tools}:/usr/bin:/bin"
    options = (f"SetEnv PATH={path}", "MaxAuthTries 3", "X11Forwarding no", "LoginGraceTime 30")
    with CommandSshd(folder / "sshd", options=options) as running:
        yield running


def place_of(host: Sshd) -> SftpPlace:
    place = host.place
    return SftpPlace(server=Hop(host=place.host, port=place.port, user=place.user), key_file=place.key_file)


@pytest.fixture
def connection(host: Sshd) -> Iterator[CommandConnection]:
    made = connect(place_of(host), [host.place.known_hosts])
    yield made
    made.close()


def test_a_real_sshd_tells_its_effective_configuration(connection: CommandConnection) -> None:
    """Port, tries and ciphers of the running server come back as facts; a command that lies is no answer."""
    facts, untold = collect(connection.run)
    assert facts["sshd.maxauthtries"] == 3
    assert facts["sshd.x11forwarding"] == "no"
    assert "aes256-ctr" in facts["sshd.ciphers"]  # type: ignore[operator]
    assert facts["time.synchronised"] is True
    assert facts["updates.pending"] == 0
    assert str(facts["system.kernel"]).startswith("Linux ")
    assert untold["disks"] == "the command failed or was not understood"
    assert untold["crypt"] == "this login may not ask it"


def test_a_flood_is_cut(connection: CommandConnection) -> None:
    """A command that says more than is kept is no answer, and the connection goes on."""
    assert connection.run("flood").cut
    assert connection.run("echo still here").out == "still here\n"


def test_both_streams_are_read_at_once(connection: CommandConnection) -> None:
    """A command that fills both streams ends, with its status."""
    answer = connection.run("talk")
    assert answer.status == 3
    assert len(answer.out) == 3_000_000
    assert answer.err.startswith("err\n")


def test_an_unknown_host_key_ends_it_before_anything_is_sent(host: Sshd, tmp_path: Path) -> None:
    """Without an entry in known_hosts nobody is logged in."""
    empty = tmp_path / "known_hosts"
    empty.touch()
    with pytest.raises(Unauthenticated, match="not known"):
        connect(place_of(host), [empty])


def ask(host: Sshd, *more: str) -> Result:
    place = host.place
    line = ["estate", "--hosts", f"{place.user}@{place.host}:{place.port}", "--ssh-key", str(place.key_file)]
    return CliRunner().invoke(havre, [*line, "--known-hosts", str(place.known_hosts), *more])


def outcomes(result: Result) -> dict[str, str]:
    document: dict[str, Any] = json.loads(result.stdout)
    return {one["id"]: one["outcome"] for one in document["findings"]}


def test_the_command_holds_a_host_against_the_baselines(host: Sshd) -> None:
    """Findings name what is as expected, what differs and what is not established; differences end with 4."""
    result = ask(host, "--json")
    assert result.exit_code == 4, result.output
    found = outcomes(result)
    assert found["max-auth-tries"] == "as-expected"
    assert found["x11-forwarding"] == "as-expected"
    assert found["strict-modes"] == "differs"
    assert found["disk-encryption"] == "not-established"
    assert found["clock"] == "as-expected"
    finding = json.loads(result.stdout)["findings"][0]
    assert finding["source"]["url"].startswith("https://")


def test_a_baseline_of_ones_own_is_taken(host: Sshd, tmp_path: Path) -> None:
    """One's own baseline replaces the shipped ones; with nothing amiss the command ends with 0."""
    mine = tmp_path / "mine.toml"
    mine.write_text(
        'name = "mine"\ntitle = "mine"\n[sources.us]\ntitle = "us"\nurl = "https://example.org"\n'
        'status = "official"\ndate = "2026"\n[[expect]]\nid = "tries"\ntitle = "tries"\n'
        'fact = "sshd.maxauthtries"\nrule = "at-most"\nvalue = 3\nsource = "us"\n'
    )
    result = ask(host, "--baseline", str(mine))
    assert result.exit_code == 0, result.output
    assert "as-expected      mine/tries: 3" in result.stdout


def test_the_server_of_a_site_is_asked(host: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An SFTP site's own server is logged in to as the site says."""
    config = tmp_path / "havre.toml"
    config.write_text(host.place.site("hospital"))
    line = ["estate", "--hosts", "--site", "hospital", "--config", str(config), "--json"]
    result = CliRunner().invoke(havre, line)
    assert result.exit_code == 4, result.output
    assert json.loads(result.stdout)["hosts"][0]["host"] == "hospital"


def test_a_refused_login_is_said(host: Sshd, tmp_path: Path) -> None:
    """A key that the host does not take ends the command with the sentence of the connection, not a traceback."""
    from support.sshd import new_key

    new_key(tmp_path / "other")
    place = host.place
    line = [
        "estate",
        "--hosts",
        f"{place.user}@{place.host}:{place.port}",
        "--ssh-key",
        str(tmp_path / "other"),
    ]
    result = CliRunner().invoke(havre, [*line, "--known-hosts", str(place.known_hosts)])
    assert result.exit_code == 1
    assert "lets" in result.output


def test_one_host_that_is_away_does_not_hide_the_others(host: Sshd) -> None:
    """With several hosts the one that is not there is not established, and the others are told."""
    result = ask(host, "root@127.0.0.1:9", "--json", "--baseline", "anssi-openssh")
    assert result.exit_code == 4, result.output
    document = json.loads(result.stdout)
    away = {one["outcome"] for one in document["findings"] if one["host"] == "root@127.0.0.1:9"}
    assert away == {"not-established"}
    assert document["counts"]["as-expected"] > 0
    assert "cannot connect" in result.stderr


@pytest.mark.parametrize(
    "line",
    [
        ["estate"],
        ["estate", "a", "b"],
        ["estate", "--hosts"],
        ["estate", "--hosts", "a b"],
        ["estate", "--hosts", "h", "--save", "x"],
        ["estate", "site", "--sudo"],
        ["estate", "--hosts", "h", "--jump", "/"],
    ],
)
def test_lines_that_make_no_sense_are_refused(line: list[str]) -> None:
    """A line that mixes sites and hosts, or names neither, is a usage error."""
    assert CliRunner().invoke(havre, line).exit_code == 2


def test_every_question_was_asked_of_the_real_host(connection: CommandConnection) -> None:
    """No question is skipped: each is told, or said to be untold."""
    facts, untold = collect(connection.run)
    prefixes = {name.partition(".")[0] for name in facts}
    names = {question.name for question in QUESTIONS}
    assert names <= prefixes | set(untold) | {"lists", "crypt"}
