"""Who is let in where, and what of a served tree is reached: a real sshd, and the wrong keys, hosts and links."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import paramiko
import pytest

from providers.drivers.sftp import SftpDriver, SftpSettings
from providers.drivers.sftp_connect import Connection
from providers.errors import (
    AlreadyExists,
    ConfigInvalid,
    KeyRefused,
    NotFound,
    PermissionDenied,
    Retry,
    StoreError,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from providers.model import Key, Kind, PutOptions
from providers.secrets import Secret
from providers.sftp_place import Hop
from providers.store import ObjectStore
from support.programs import find_program
from support.sftp_harness import settings_of
from support.sshd import Sshd, SshdPlace, new_key

pytestmark = pytest.mark.server("sftp")


def placed(settings: SftpSettings, **changes: Any) -> SftpSettings:
    return replace(settings, place=replace(settings.place, **changes))


def trusting(settings: SftpSettings, path: Path, text: str) -> SftpSettings:
    path.write_text(text)
    return replace(settings, known_hosts=(path,))


def refused(settings: SftpSettings, kind: type[StoreError] = Unauthenticated) -> StoreError:
    """The error with which a store that cannot be opened ends; it is not tried again."""
    with ObjectStore(SftpDriver(settings), location="site:bucket") as store:
        with pytest.raises(kind) as caught:
            store.check()
        return caught.value


@pytest.fixture
def settings(sftp: SshdPlace) -> SftpSettings:
    return settings_of(sftp, sftp.new_bucket())


@pytest.fixture
def open_store() -> Iterator[Callable[[SftpSettings], ObjectStore]]:
    """Opens stores and closes them."""
    opened: list[ObjectStore] = []

    def open_one(settings: SftpSettings) -> ObjectStore:
        opened.append(ObjectStore(SftpDriver(settings), location="site:bucket"))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


# -- hosts ------------------------------------------------------------------------------------------------


def test_unknown_host(settings: SftpSettings, tmp_path: Path) -> None:
    """A host that no file knows is refused before anything of ours is sent, and nothing is added to the file."""
    error = refused(trusting(settings, tmp_path / "known", "# nobody\n"))
    assert "is not known" in error.message
    assert "SHA256:" in error.message
    assert error.retry is Retry.STOP
    assert (tmp_path / "known").read_text() == "# nobody\n"


def test_without_any_known_hosts_file(settings: SftpSettings, tmp_path: Path) -> None:
    """A file that is not there trusts nobody, and is not made."""
    error = refused(replace(settings, known_hosts=(tmp_path / "none",)))
    assert "is not known" in error.message
    assert not (tmp_path / "none").exists()


def test_another_hosts_key(settings: SftpSettings, sftp: SshdPlace, tmp_path: Path) -> None:
    """A server that shows another key than the one on file is refused as changed."""
    stranger = new_key(tmp_path / "stranger")
    error = refused(trusting(settings, tmp_path / "known", f"[127.0.0.1]:{sftp.port} {stranger}"))
    assert "has changed" in error.message
    assert "impersonating" in str(error.hint)


def test_server_whose_keys_change(sshd: Sshd, open_store: Callable[[SftpSettings], ObjectStore]) -> None:
    """A server that was trusted and comes back with new keys is refused from then on."""
    settings = settings_of(sshd.place, sshd.place.new_bucket())
    store = open_store(settings)
    store.put("a", b"before")
    sshd.stop()
    sshd.new_host_keys()
    sshd.start()
    with pytest.raises(Unauthenticated, match="has changed"):
        store.head("a")


@pytest.mark.parametrize("kind", ["ssh-rsa", "ssh-ed25519"])
def test_one_known_kind_is_asked_for(
    settings: SftpSettings, sftp: SshdPlace, tmp_path: Path, kind: str
) -> None:
    """A file with one of the server's keys is enough, whichever it is: the server is asked for that kind."""
    line = next(line for line in sftp.known_hosts.read_text().splitlines() if f" {kind} " in line)
    connection = Connection(trusting(settings, tmp_path / "known", line + "\n"))
    assert connection.alive
    connection.close()


def test_hashed_entries(settings: SftpSettings, sftp: SshdPlace, tmp_path: Path) -> None:
    """Entries that ssh-keygen -H has hashed are found."""
    known = tmp_path / "known"
    known.write_text(sftp.known_hosts.read_text())
    program = find_program("ssh-keygen")
    assert program is not None
    subprocess.run([program, "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    assert "127.0.0.1" not in known.read_text()
    connection = Connection(replace(settings, known_hosts=(known,)))
    assert connection.alive
    connection.close()


def test_only_modern_algorithms_are_spoken(settings: SftpSettings) -> None:
    """What was agreed on is authenticated encryption after an exchange with SHA-2 or better."""
    connection = Connection(settings)
    transport = connection._transport
    options = transport.get_security_options()
    assert "gcm" in transport.local_cipher
    assert transport.agreed_on_strict_kex
    offered = {*options.kex, *options.ciphers, *options.digests, *options.key_types}
    assert not [
        name for name in offered if "sha1" in name or "cbc" in name or "md5" in name or name == "ssh-rsa"
    ]
    assert transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    connection.close()


def test_server_of_old_algorithms(sshd: Sshd, tmp_path: Path) -> None:
    """A server that has only what is broken is refused with a sentence about algorithms."""
    with Sshd(tmp_path / "old", options=("Ciphers aes128-cbc", "MACs hmac-sha1")) as old:
        assert "no modern algorithm" in refused(settings_of(old.place, old.place.new_bucket())).message


# -- logins -----------------------------------------------------------------------------------------------


def test_key_that_is_not_let_in(settings: SftpSettings, tmp_path: Path) -> None:
    """A key that the server does not take is named as such."""
    new_key(tmp_path / "key")
    error = refused(placed(settings, key_file=tmp_path / "key"))
    assert "none of: the key file" in error.message
    assert error.retry is Retry.STOP


def test_protected_key(settings: SftpSettings, sshd: Sshd, tmp_path: Path) -> None:
    """A protected key opens with its passphrase, and says what is wrong without it or with another."""
    public = new_key(sshd.directory / "protected", passphrase="correct horse")
    (sshd.directory / "authorized_keys").write_text(public)
    settings = placed(settings_of(sshd.place, sshd.place.new_bucket()), key_file=sshd.directory / "protected")
    connection = Connection(replace(settings, key_passphrase=Secret("correct horse")))
    assert connection.alive
    connection.close()
    assert "key_passphrase_env" in str(refused(settings, ConfigInvalid).hint)
    error = refused(replace(settings, key_passphrase=Secret("battery staple")), ConfigInvalid)
    assert "does not open" in error.message
    assert "battery" not in f"{error} {error.hint}"


def test_key_that_others_may_read(settings: SftpSettings, sftp: SshdPlace, tmp_path: Path) -> None:
    """A private key that is open to others is not used, as ssh would not."""
    key = tmp_path / "key"
    key.write_bytes(sftp.key_file.read_bytes())
    key.chmod(0o640)
    error = refused(placed(settings, key_file=key), ConfigInvalid)
    assert "chmod 600" in str(error.hint)


def test_no_agent_and_no_key(settings: SftpSettings, tmp_path: Path) -> None:
    """With nothing to log in with, that is what is said, whether or not an agent was named."""
    for agent_socket in (None, str(tmp_path / "no.sock")):
        error = refused(replace(placed(settings, key_file=None), agent_socket=agent_socket))
        assert "nothing to log in" in error.message
        assert "ssh-add" in str(error.hint)


def test_key_in_an_agent(settings: SftpSettings, sftp: SshdPlace, tmp_path: Path) -> None:
    """A key in the agent lets in, also behind keys that do not."""
    agent_program, add_program = find_program("ssh-agent"), find_program("ssh-add")
    if agent_program is None or add_program is None:
        pytest.skip("no ssh-agent or ssh-add program")
    path = str(tmp_path / "agent.sock")
    new_key(tmp_path / "another")
    with subprocess.Popen([agent_program, "-D", "-a", path], stdout=subprocess.PIPE) as agent:
        try:
            assert agent.stdout is not None
            agent.stdout.readline()  # it listens once it says where
            environment = {**os.environ, "SSH_AUTH_SOCK": path}
            for key in (tmp_path / "another", sftp.key_file):
                subprocess.run([add_program, "-q", str(key)], env=environment, check=True)
            connection = Connection(replace(placed(settings, key_file=None), agent_socket=path))
            assert connection.alive
            connection.close()
        finally:
            agent.terminate()


class _Doorkeeper(paramiko.ServerInterface):
    """Asks for the password, or for a key and then the password."""

    def __init__(self, methods: str) -> None:
        self.methods = methods

    def get_allowed_auths(self, username: str) -> str:
        return self.methods

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL if password == "sesame" else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.methods = "password"
        return paramiko.AUTH_PARTIALLY_SUCCESSFUL


@pytest.fixture
def doorkeeper(
    settings: SftpSettings, sftp: SshdPlace, tmp_path: Path
) -> Iterator[Callable[[str], SftpSettings]]:
    """A server that this process plays, for logins that the machine's sshd would check against real accounts."""
    key_path = tmp_path / "door"
    public = new_key(key_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        served: list[paramiko.Transport] = []

        def begin(methods: str) -> SftpSettings:
            import threading

            def serve() -> None:
                sock, _ = listener.accept()
                transport = paramiko.Transport(sock)
                served.append(transport)
                transport.set_log_channel("havre.ssh")
                transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(str(key_path)))
                transport.start_server(event=threading.Event(), server=_Doorkeeper(methods))

            threading.Thread(target=serve, daemon=True).start()
            known = trusting(settings, tmp_path / "known", f"[127.0.0.1]:{port} {public}")
            return placed(known, server=Hop(host="127.0.0.1", port=port, user="someone"))

        yield begin
        for transport in served:
            transport.close()
            transport.join(5)


@pytest.mark.parametrize("methods", ["password", "publickey"])
def test_password(doorkeeper: Callable[[str], SftpSettings], methods: str) -> None:
    """A password lets in, alone or on top of a key where the server wants both."""
    settings = replace(doorkeeper(methods), password=Secret("sesame"))
    if methods == "password":
        settings = placed(settings, key_file=None)
    connection = Connection(settings)
    assert connection.alive
    connection.close()


def test_wrong_password(doorkeeper: Callable[[str], SftpSettings]) -> None:
    """A wrong password is refused and in no message."""
    settings = replace(placed(doorkeeper("password"), key_file=None), password=Secret("hunter2"))
    with pytest.raises(Unauthenticated, match="none of: the password") as caught:
        Connection(settings)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


# -- the way ----------------------------------------------------------------------------------------------


def test_nobody_there(settings: SftpSettings) -> None:
    """A port on which nobody listens is trouble that may pass."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = refused(placed(settings, server=Hop(host="127.0.0.1", port=port, user="x")), Unavailable)
    assert error.retry is Retry.LATER


def test_name_that_does_not_resolve(settings: SftpSettings) -> None:
    """A host name that means nothing is said to."""
    error = refused(placed(settings, server=Hop(host="no-such-host.invalid", user="x")), Unavailable)
    assert "does not resolve" in error.message


@pytest.fixture
def bastion(tmp_path: Path) -> Iterator[Sshd]:
    """A second sshd that forwards connections."""
    with Sshd(tmp_path / "bastion", options=("AllowTcpForwarding yes",)) as running:
        yield running


def through(settings: SftpSettings, bastion: Sshd, known: Path, *, trust: bool = True) -> SftpSettings:
    """Settings that go through the bastion, which takes the same key."""
    key = settings.place.key_file
    assert key is not None
    (bastion.directory / "authorized_keys").write_text(Path(f"{key}.pub").read_text())
    place = bastion.place
    text = settings.known_hosts[0].read_text() + (place.known_hosts.read_text() if trust else "")
    jump = Hop(host=place.host, port=place.port, user=place.user)
    return placed(trusting(settings, known, text), jump=jump)


def test_jump_host(
    settings: SftpSettings,
    bastion: Sshd,
    tmp_path: Path,
    open_store: Callable[[SftpSettings], ObjectStore],
) -> None:
    """Through a jump host a store reads and writes as it does directly."""
    store = open_store(through(settings, bastion, tmp_path / "known"))
    body = os.urandom(600_000)
    store.put("a/b", body, PutOptions(if_absent=True, attempt="j"))
    assert bytes(store.read("a/b").data) == body
    assert len(bastion.children()) > 0


def test_jump_host_that_is_not_known(settings: SftpSettings, bastion: Sshd, tmp_path: Path) -> None:
    """The jump host's own key is verified too: knowing the server behind it is not enough."""
    error = refused(through(settings, bastion, tmp_path / "known", trust=False))
    assert "is not known" in error.message
    assert str(bastion.place.port) in error.message


def test_server_behind_a_jump_host_that_is_not_known(
    settings: SftpSettings, bastion: Sshd, tmp_path: Path
) -> None:
    """The server's own key is verified behind a trusted jump host."""
    settings = through(settings, bastion, tmp_path / "known")
    error = refused(trusting(settings, tmp_path / "known", bastion.place.known_hosts.read_text()))
    assert f"[127.0.0.1]:{settings.place.server.port} is not known" in error.message


def test_jump_host_that_does_not_forward(settings: SftpSettings, sshd: Sshd, tmp_path: Path) -> None:
    """A jump host that opens no connection is named."""
    error = refused(through(settings, sshd, tmp_path / "known"), Unavailable)
    assert "the jump host did not connect" in error.message


# -- the tree ---------------------------------------------------------------------------------------------


def test_root_that_is_not_there(settings: SftpSettings) -> None:
    """A root, or a bucket beneath it, that the server does not have is NotFound with a hint."""
    assert "root of the site" in str(refused(placed(settings, root="no/such/root"), NotFound).hint)
    assert "no such directory" in refused(replace(settings, bucket="none"), NotFound).message


def test_bucket_is_made_where_one_writes(
    settings: SftpSettings, sftp: SshdPlace, open_store: Callable[[SftpSettings], ObjectStore]
) -> None:
    """A target's folder is made, closed to others, and never the root above it."""
    bucket = settings.bucket + "-new"
    open_store(replace(settings, bucket=bucket, create=True)).put("a", b"x")
    assert (sftp.root / bucket).stat().st_mode & 0o777 == 0o700
    assert (sftp.root / bucket / "a").stat().st_mode & 0o777 == 0o600
    refused(replace(placed(settings, root="no/such/root"), create=True), NotFound)


@pytest.fixture
def tree(sftp: SshdPlace, settings: SftpSettings, tmp_path: Path) -> Path:
    """A bucket with a file, and links that lead out of it, to a file and to a folder, and within it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("not yours")
    bucket = sftp.root / settings.bucket
    (bucket / "in").mkdir()
    (bucket / "in/plain").write_text("plain")
    (bucket / "out").symlink_to(outside)
    (bucket / "link").symlink_to(outside / "secret")
    (bucket / "around").symlink_to(bucket / "in")
    os.mkfifo(bucket / "pipe")
    return outside


def test_links_are_not_followed(
    settings: SftpSettings, tree: Path, open_store: Callable[[SftpSettings], ObjectStore]
) -> None:
    """No link is followed, out of the root or within it: not by a read, a write, a removal or a listing."""
    store = open_store(settings)
    listed = {str(meta.key): meta.kind for meta in store.list()}
    strange = dict.fromkeys(("out", "link", "around", "pipe"), Kind.NOT_A_FILE)
    assert listed == {"in/plain": Kind.OBJECT, **strange}
    assert list(store.list("out/")) == []
    for key in ("out/secret", "around/plain"):
        for call in (store.head, store.read, store.delete):
            with pytest.raises(NotFound):
                call(Key(key))
    for key in ("link", "pipe"):
        for call in (store.head, store.read, store.delete):
            with pytest.raises(KeyRefused):
                call(Key(key))
    for key in ("out/new", "around/new"):
        for if_absent in (True, False):
            with pytest.raises(KeyRefused):
                store.put(Key(key), b"x", PutOptions(if_absent=if_absent, attempt="w"))
    with pytest.raises(KeyRefused):
        store.put(Key("link"), b"x", PutOptions(attempt="w"))
    with pytest.raises(AlreadyExists):
        store.put(Key("link"), b"x", PutOptions(attempt="w", if_absent=True))
    assert [path.name for path in tree.iterdir()] == ["secret"]
    assert (tree / "secret").read_text() == "not yours"


def test_staging_that_is_a_link(
    settings: SftpSettings,
    sftp: SshdPlace,
    tree: Path,
    open_store: Callable[[SftpSettings], ObjectStore],
) -> None:
    """Where the folder of unfinished uploads is a link, nothing is written through it."""
    (sftp.root / settings.bucket / ".havre").symlink_to(tree)
    store = open_store(settings)
    for call in (
        lambda: store.put(Key("a"), b"x", PutOptions(attempt="w")),
        lambda: store.open_upload(Key("a"), PutOptions(attempt="w")),
    ):
        with pytest.raises(KeyRefused):
            call()
    assert list(store.list_uploads()) == []
    assert [path.name for path in tree.iterdir()] == ["secret"]


def test_bucket_that_is_a_link(settings: SftpSettings, sftp: SshdPlace, tree: Path) -> None:
    """A bucket that is a link out of the root is no bucket."""
    (sftp.root / f"{settings.bucket}-link").symlink_to(tree)
    refused(replace(settings, bucket=f"{settings.bucket}-link"), KeyRefused)


def test_root_may_be_a_link(
    settings: SftpSettings,
    sftp: SshdPlace,
    tmp_path: Path,
    open_store: Callable[[SftpSettings], ObjectStore],
) -> None:
    """The root itself, which the site's owner chose, may be a link: it is resolved once."""
    (tmp_path / "way").symlink_to(sftp.root)
    store = open_store(placed(settings, root=str(tmp_path / "way")))
    store.put("a", b"x")
    assert (sftp.root / settings.bucket / "a").read_bytes() == b"x"


def test_names_that_are_no_text(
    settings: SftpSettings, sftp: SshdPlace, open_store: Callable[[SftpSettings], ObjectStore]
) -> None:
    """A name that is no UTF-8 is listed as what cannot be moved, and hides nothing beside it."""
    bucket = os.fsencode(sftp.root / settings.bucket)
    for name in (b"caf\xe9", b"plain"):
        with open(os.path.join(bucket, name), "wb"):  # noqa: PTH118, PTH123 - the name is no text
            pass
    found = [(str(meta.key), meta.kind) for meta in open_store(settings).list()]
    assert sorted(found) == [("/caf\\xe9", Kind.NOT_A_FILE), ("plain", Kind.OBJECT)]


def test_upload_of_a_directory_store_is_taken_up(
    settings: SftpSettings, sftp: SshdPlace, open_store: Callable[[SftpSettings], ObjectStore]
) -> None:
    """An upload begun on the directory itself is completed over SFTP: the files on the disk are the same."""
    from providers.drivers.filesystem import FilesystemDriver

    options = PutOptions(attempt="shared", if_absent=True)
    key = Key("a/large")
    with ObjectStore(FilesystemDriver(sftp.root / settings.bucket), location="here") as here:
        upload = here.open_upload(key, options)
        here.put_part(key, upload, 1, 0, b"first ")
    store = open_store(settings)
    store.put_part(key, upload, 2, 6, b"second")
    store.complete_upload(key, upload, list(store.list_parts(key, upload)), options)
    assert bytes(store.read(key).data) == b"first second"
    assert list((sftp.root / settings.bucket / ".havre/uploads").iterdir()) == []


# -- servers that can do less ---------------------------------------------------------------------------


def test_server_without_extensions(tmp_path: Path) -> None:
    """A server that announces no link and no rename of OpenSSH's is read from; writing is refused, nothing is left."""
    denied = "hardlink,posix-rename,fsync,limits,statvfs,fstatvfs"
    with Sshd(tmp_path / "bare", options=(f"ForceCommand internal-sftp -P {denied}",)) as bare:
        settings = settings_of(bare.place, bare.place.new_bucket())
        folder = bare.place.root / settings.bucket
        body = os.urandom(300_000)
        (folder / "a").write_bytes(body)
        with ObjectStore(SftpDriver(settings), location="site:bucket") as store:
            assert bytes(store.read(Key("a")).data) == body
            for if_absent in (True, False):
                with pytest.raises(Unsupported):
                    store.put(Key("b"), b"x", PutOptions(if_absent=if_absent, attempt="w"))
        assert sorted(path.name for path in folder.iterdir()) == [".havre", "a"]
        assert list((folder / ".havre/uploads").iterdir()) == []


def test_server_that_only_reads(tmp_path: Path) -> None:
    """A read-only server is a source; writing to it is a matter of permissions, and is not tried again."""
    with Sshd(tmp_path / "readonly", options=("ForceCommand internal-sftp -R",)) as server:
        settings = settings_of(server.place, server.place.new_bucket())
        (server.place.root / settings.bucket / "a").write_bytes(b"x")
        with ObjectStore(SftpDriver(settings), location="site:bucket") as store:
            assert bytes(store.read(Key("a")).data) == b"x"
            with pytest.raises(PermissionDenied) as caught:
                store.delete(Key("a"))
        assert caught.value.retry is Retry.STOP


def test_server_without_sftp(tmp_path: Path) -> None:
    """A server that runs something else than SFTP is said to be unusable, by one sentence."""
    with Sshd(tmp_path / "shell", options=("ForceCommand true",)) as server:
        refused(settings_of(server.place, server.place.new_bucket()), Unavailable)
