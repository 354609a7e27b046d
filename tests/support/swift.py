"""A real Swift on this machine: proxy, account, container and object server, behind temp auth or Keystone.

`Swift` lets in by temp auth, `SwiftKeystone` by a Keystone of its own. Both speak S3 as well (`s3api`), so the same
server is also an S3 target. Stopped, killed and started again they keep ports and directory. Imports no pytest.
"""

from __future__ import annotations

import getpass
import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

from support.endpoints import S3Server
from support.keystone import REGION, Keystone
from support.openstack import PYTHON, Memcached, missing_openstack, write_ini
from support.process import ServerError, ServerProcess, free_ports

__all__ = ["Swift", "SwiftKeystone", "SwiftServer", "start_swift", "start_swift_keystone"]

_LAUNCHER = Path(__file__).parents[1] / "servers/openstack/swift_servers.py"
# A port is chosen free a moment before the server binds it; another program may be faster.
_ATTEMPTS = 3
_KINDS = ("object", "container", "account")
_FILTERS: Final = (
    "catch_errors",
    "gatekeeper",
    "healthcheck",
    "listing_formats",
    "bulk",
    "tempurl",
    "copy",
    "symlink",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwiftServer:
    """A Swift under test, and who may talk to it; secrets stay out of `repr`.

    Attributes:
        auth_url: Where temp auth is asked; empty with Keystone.
        user: Its user.
        key: Its key.
        s3: The same server's S3 front, with the same containers.
        clouds: The `clouds.yaml` that knows it, with Keystone.
        proxied: Storage URL to use instead of its own, where a proxy stands before it.
    """

    auth_url: str = ""
    user: str = ""
    key: str = field(default="", repr=False)
    s3: S3Server
    clouds: Path | None = None
    proxied: str | None = None

    def behind(self, endpoint: str) -> SwiftServer:
        """The same server as somebody sees it who comes through a proxy at `endpoint`."""
        return replace(self, proxied=f"{endpoint}/v1/AUTH_{self.user.partition(':')[0]}")

    def call(
        self,
        method: str,
        path: str = "",
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: str = "",
    ) -> tuple[int, dict[str, str], bytes]:
        """One request of temp auth's user, by other means than the driver: status, headers, body."""
        asked = urllib.request.Request(
            self.auth_url, headers={"X-Auth-User": self.user, "X-Auth-Key": self.key}
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            url, token = answer.headers["X-Storage-Url"], answer.headers["X-Auth-Token"]
        request = urllib.request.Request(
            f"{url}/{quote(path)}" + (f"?{query}" if query else ""),
            method=method,
            data=body,
            headers={"X-Auth-Token": token, "Content-Type": "application/octet-stream", **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                told = {name.lower(): value for name, value in answer.headers.items()}
                return answer.status, told, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                told = {name.lower(): value for name, value in error.headers.items()}
                return error.code, told, error.read()

    def new_bucket(self, prefix: str = "test", **headers: str) -> str:
        """Make an empty container of a name used by nobody else, and return the name."""
        name = f"{prefix}-{secrets.token_hex(6)}"
        status, _, _ = self.call("PUT", name, headers=headers)
        assert status == 201, status
        return name

    def names(self, container: str) -> list[str]:
        """Names of all objects of a container; none where there is no container."""
        status, _, body = self.call("GET", container, query="format=json")
        return [entry["name"] for entry in json.loads(body)] if status == 200 else []


class Swift:
    """Swift with temp auth.

    Attributes:
        server: Where it listens; valid once started, and unchanged by a restart.
    """

    server: SwiftServer

    def __init__(self, directory: Path) -> None:
        """Describe it; nothing is started yet."""
        self.directory = directory.resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._suffix = secrets.token_hex(8)
        self._key = secrets.token_urlsafe(18)
        self._memcached = self._cache()
        self._process: ServerProcess | None = None

    def start(self) -> None:
        """Start, or start again on the same ports and directory; return once writes succeed.

        Raises:
            ServerError: Swift or memcached is absent, or did not come to serve.
        """
        if reason := missing_openstack("swift"):
            raise ServerError(reason)
        self._memcached.start()
        if self._process is not None:
            self._process.start()
            return
        for attempt in range(1, _ATTEMPTS + 1):
            ports = dict(zip((*_KINDS, "proxy"), free_ports(4), strict=True))
            self.server = self._describe(f"http://127.0.0.1:{ports['proxy']}")
            self._write(ports)
            process = ServerProcess(
                [str(PYTHON), str(_LAUNCHER), str(self.directory), *(str(ports[kind]) for kind in _KINDS)],
                log=self.directory / "swift.log",
                ready=self._stores,
                env={"PYTHONWARNINGS": "ignore"},
                cwd=self.directory,
            )
            try:
                process.start()
            except ServerError:
                if attempt == _ATTEMPTS:
                    raise
            else:
                self._process = process
                return

    def stop(self) -> None:
        """End it as an operator would; what it acknowledged is kept, tokens are forgotten."""
        if self._process is not None:
            self._process.stop()
        self._memcached.stop()

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
        self._memcached.kill()

    def restart(self) -> None:
        """Stop, and start again."""
        self.stop()
        self.start()

    def forget_tokens(self) -> None:
        """Let every token that was given out be unknown from now on."""
        self._memcached.kill()
        self._memcached.start()

    @property
    def pid(self) -> int | None:
        """The servers' process id, or None while stopped."""
        return None if self._process is None else self._process.pid

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    # -- what differs with Keystone ----------------------------------------------------------------

    def _cache(self) -> Memcached:
        return Memcached(self.directory)

    def _describe(self, endpoint: str) -> SwiftServer:
        user, key = "havre:tester", self._key
        s3 = S3Server(
            endpoint=endpoint, access_key=user, secret_key=key, region="us-east-1", kind="swift-s3api"
        )
        return SwiftServer(auth_url=f"{endpoint}/auth/v1.0", user=user, key=key, s3=s3)

    def _pipeline(self) -> str:
        return "s3api tempauth"

    def _auth_filters(self) -> dict[str, dict[str, object]]:
        user = self.server.user.replace(":", "_")
        return {
            "filter:s3api": _egg("s3api", location="us-east-1", s3_acl="false"),
            "filter:tempauth": _egg("tempauth", **{f"user_{user}": f"{self.server.key} .admin"}),
        }

    def _stores(self) -> bool:
        try:
            status, _, _ = self.server.call("PUT", "readiness")
            if status not in {201, 202}:
                return False
            status, _, _ = self.server.call("PUT", "readiness/probe", body=b"probe")
        except HTTPException:
            return False
        return status == 201

    # -- within ------------------------------------------------------------------------------------

    def _write(self, ports: Mapping[str, int]) -> None:
        folder = self.directory
        (folder / "devices/d1").mkdir(parents=True, exist_ok=True)
        (folder / "cache").mkdir(exist_ok=True)
        write_ini(
            folder / "swift.conf",
            {
                "swift-hash": {"swift_hash_path_suffix": self._suffix},
                "storage-policy:0": {"name": "standard", "default": "yes"},
            },
        )
        common = {
            "bind_ip": "127.0.0.1",
            "bind_timeout": 1,
            "swift_dir": folder,
            "devices": folder / "devices",
            "workers": 0,
            "mount_check": "false",
            "user": getpass.getuser(),
            "log_level": "WARNING",
            "log_address": "/nonexistent",
            "recon_cache_path": folder / "cache",
            "disable_fallocate": "true",
            "fallocate_reserve": 0,
        }
        for kind in _KINDS:
            write_ini(
                folder / f"{kind}-server.conf",
                {
                    "DEFAULT": common | {"bind_port": ports[kind]},
                    "pipeline:main": {"pipeline": f"{kind}-server"},
                    f"app:{kind}-server": _egg(kind),
                },
            )
        order = (
            f"catch_errors gatekeeper healthcheck cache listing_formats bulk tempurl {self._pipeline()} copy "
            "slo dlo versioned_writes symlink proxy-server"
        )
        write_ini(
            folder / "proxy-server.conf",
            {
                "DEFAULT": common | {"bind_port": ports["proxy"]},
                "pipeline:main": {"pipeline": order},
                "app:proxy-server": _egg("proxy", account_autocreate="true", allow_account_management="true"),
                "filter:cache": _egg("memcache", memcache_servers=self._memcached.address),
                "filter:slo": _egg("slo"),
                "filter:dlo": _egg("dlo"),
                "filter:versioned_writes": _egg(
                    "versioned_writes", allow_versioned_writes="true", allow_object_versioning="true"
                ),
                **{f"filter:{name}": _egg(name) for name in _FILTERS},
                **self._auth_filters(),
            },
        )


class SwiftKeystone(Swift):
    """Swift with Keystone.

    Attributes:
        keystone: Who lets in.
        project: Name of the project whose account the tests use.
    """

    project = "hds"

    def __init__(self, directory: Path) -> None:
        """Describe it; nothing is started yet."""
        directory.mkdir(parents=True, exist_ok=True)
        self.keystone = Keystone(directory / "keystone")
        self._passwords: dict[str, str] = {}
        super().__init__(directory)

    def start(self) -> None:
        """Start Keystone, make its users and the catalogue on the first start, then Swift.

        Raises:
            ServerError: Something is absent, or did not come to serve.
        """
        self.keystone.start()
        if not self._passwords:
            self._enter()
        super().start()
        self.server = replace(self.server, clouds=self.clouds())

    def stop(self) -> None:
        """End both."""
        super().stop()
        self.keystone.stop()

    def kill(self) -> None:
        """End both at once."""
        super().kill()
        self.keystone.kill()

    def clouds(self, **clouds: Mapping[str, Any]) -> Path:
        """Write a `clouds.yaml`: `password` and `application` are there always, others as given."""
        identifier, secret = self._credential
        known: dict[str, Mapping[str, Any]] = {
            "password": {"auth": self.keystone.auth("mover", self._passwords["mover"], self.project)},
            "application": {
                "auth_type": "v3applicationcredential",
                "auth": {
                    "auth_url": self.keystone.url,
                    "application_credential_id": identifier,
                    "application_credential_secret": secret,
                },
            },
        }
        path = self.directory / "clouds.yaml"
        path.touch(mode=0o600)
        # JSON is YAML.
        path.write_text(
            json.dumps(
                {
                    "clouds": {
                        name: {"region_name": REGION, **cloud} for name, cloud in {**known, **clouds}.items()
                    }
                }
            )
        )
        return path

    def _enter(self) -> None:
        keystone = self.keystone
        service, project = keystone.project("service"), keystone.project(self.project)
        self._passwords["swift"] = keystone.user("swift", service, "admin", "service")
        self._passwords["mover"] = keystone.user("mover", project, "member")
        self._credential = keystone.application_credential(
            "mover", self._passwords["mover"], self.project, "havre"
        )
        made = keystone.call("POST", "/credentials", _ec2(keystone, self.project))
        self._ec2 = json.loads(made["credential"]["blob"])
        self._account = f"AUTH_{project}"

    def _cache(self) -> Memcached:
        return self.keystone.memcached

    def _describe(self, endpoint: str) -> SwiftServer:
        self.keystone.service("swift", "object-store", f"{endpoint}/v1/AUTH_$(project_id)s")
        s3 = S3Server(
            endpoint=endpoint,
            access_key=self._ec2["access"],
            secret_key=self._ec2["secret"],
            region=REGION,
            kind="swift-s3api",
        )
        return SwiftServer(s3=s3)

    def _pipeline(self) -> str:
        # Keystone's own check comes first: after the S3 front it would strip the identity that this one found.
        return "authtoken s3api s3token keystoneauth"

    def _auth_filters(self) -> dict[str, dict[str, object]]:
        checks = self.keystone.middleware("swift", self._passwords["swift"])
        asks = {
            name: checks[name]
            for name in (
                *("auth_url", "auth_type", "username", "password", "project_name"),
                *("user_domain_name", "project_domain_name", "region_name"),
            )
        }
        return {
            "filter:s3api": _egg("s3api", location=REGION, s3_acl="false"),
            "filter:s3token": _egg(
                "s3token",
                auth_uri=self.keystone.url,
                reseller_prefix="AUTH_",
                delay_auth_decision="true",
                **asks,
            ),
            "filter:authtoken": {
                "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory",
                "delay_auth_decision": "true",
                "include_service_catalog": "false",
                # Ask each time: a token that was revoked is to be refused at once.
                "token_cache_time": -1,
                **checks,
            },
            "filter:keystoneauth": _egg(
                "keystoneauth", reseller_prefix="AUTH_", operator_roles="admin, member"
            ),
        }

    def _stores(self) -> bool:
        token = self.keystone.token("mover", self._passwords["mover"], self.project)
        url = f"{self.server.s3.endpoint}/v1/{self._account}/readiness"
        request = urllib.request.Request(url, method="PUT", headers={"X-Auth-Token": token})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status in {201, 202}
        except HTTPException:
            return False


def _ec2(keystone: Keystone, project: str) -> dict[str, Any]:
    """A credential with which the S3 front knows the project's user."""
    user = keystone.call("GET", "/users?name=mover")["users"][0]["id"]
    found = keystone.call("GET", f"/projects?name={project}")["projects"][0]["id"]
    blob = json.dumps({"access": secrets.token_hex(16), "secret": secrets.token_hex(16)})
    return {"credential": {"type": "ec2", "user_id": user, "project_id": found, "blob": blob}}


def _egg(name: str, **values: object) -> dict[str, object]:
    return {"use": f"egg:swift#{name}", **values}


@contextmanager
def start_swift(directory: Path) -> Iterator[SwiftServer]:
    """Run Swift with temp auth under `directory` until the block ends.

    Raises:
        ServerError: It is absent, or did not come to serve.
    """
    with Swift(directory) as running:
        yield running.server


@contextmanager
def start_swift_keystone(directory: Path) -> Iterator[SwiftServer]:
    """Run Swift with Keystone under `directory` until the block ends.

    Raises:
        ServerError: It is absent, or did not come to serve.
    """
    with SwiftKeystone(directory) as running:
        yield running.server
