"""A real Keystone on this machine, with whom services and tests make themselves known."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from support.openstack import PYTHON, Memcached, gunicorn, missing_openstack, write_ini
from support.process import ServerError, ServerProcess, free_ports

__all__ = ["REGION", "Keystone"]

REGION = "RegionOne"
_DOMAIN = {"id": "default"}


class Keystone:
    """Keystone under gunicorn, on SQLite, with fernet tokens; and the memcached that it and others use.

    Attributes:
        url: ``http://127.0.0.1:port/v3``.
        memcached: The cache.
        password: The administrator's.
    """

    def __init__(self, directory: Path) -> None:
        """Describe it; ports are chosen now, so that others can be told of them before it runs."""
        self.directory = directory.resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.memcached = Memcached(self.directory)
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}/v3"
        self.password = secrets.token_urlsafe(18)
        self._configuration = self._configure()
        self._token: str | None = None
        self._process = ServerProcess(
            gunicorn(self.directory, "keystone.wsgi.api:application", port),
            log=self.directory / "keystone.log",
            ready=self._answers,
            env=self._environment(),
            cwd=self.directory,
        )

    def start(self) -> None:
        """Make the database where there is none, and serve.

        Raises:
            ServerError: Keystone or memcached is absent, or did not come to serve.
        """
        if reason := missing_openstack("keystone", "gunicorn"):
            raise ServerError(reason)
        self.memcached.process.start()
        if not (self.directory / "keystone.db").exists():
            self._manage("db_sync")
            self._manage(
                *("bootstrap", "--bootstrap-region-id", REGION),
                *("--bootstrap-public-url", self.url, "--bootstrap-internal-url", self.url),
                OS_BOOTSTRAP_PASSWORD=self.password,
            )
        self._process.start()

    def stop(self) -> None:
        """End it as an operator would."""
        self._process.stop()
        self.memcached.process.stop()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self.memcached.process.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    # -- who is known ------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """One request as the administrator (or with another token), from JSON to JSON."""
        if token is None:
            token = self._token = self._token or self.token("admin", self.password, "admin")
        _, answer = self._request(method, path, body, token)
        return answer

    def token(self, user: str, password: str, project: str) -> str:
        """A token of a user for a project."""
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": user, "domain": _DOMAIN, "password": password}},
        }
        scope = {"project": {"name": project, "domain": _DOMAIN}}
        headers, _ = self._request("POST", "/auth/tokens", {"auth": {"identity": identity, "scope": scope}})
        return headers["x-subject-token"]

    def revoke(self, token: str) -> None:
        """Let a token be refused from now on, by those who ask again as well."""
        self.call("GET", "/roles")
        self._request("DELETE", "/auth/tokens", None, self._token, {"X-Subject-Token": token})

    def project(self, name: str) -> str:
        """Make a project; returns its id."""
        found = self.call("POST", "/projects", {"project": {"name": name, "domain_id": "default"}})
        return str(found["project"]["id"])

    def role(self, name: str) -> str:
        """A role's id, made where it is not there."""
        known = self.call("GET", f"/roles?name={name}")["roles"]
        if not known:
            known = [self.call("POST", "/roles", {"role": {"name": name}})["role"]]
        return str(known[0]["id"])

    def user(self, name: str, project: str, *roles: str) -> str:
        """Make a user with roles in a project (by id); returns the password."""
        password = secrets.token_urlsafe(18)
        user = {"name": name, "domain_id": "default", "password": password}
        made = self.call("POST", "/users", {"user": user})["user"]["id"]
        for role in roles:
            self.call("PUT", f"/projects/{project}/users/{made}/roles/{self.role(role)}")
        return password

    def service(self, name: str, kind: str, url: str) -> None:
        """Enter a service into the catalogue, for the public and for other services."""
        made = self.call("POST", "/services", {"service": {"name": name, "type": kind}})["service"]["id"]
        for interface in ("public", "internal"):
            endpoint = {"service_id": made, "interface": interface, "region_id": REGION, "url": url}
            self.call("POST", "/endpoints", {"endpoint": endpoint})

    def application_credential(self, user: str, password: str, project: str, name: str) -> tuple[str, str]:
        """Make an application credential of a user; returns id and secret."""
        token = self.token(user, password, project)
        _, me = self._request("GET", "/auth/tokens", None, token, {"X-Subject-Token": token})
        path = f"/users/{me['token']['user']['id']}/application_credentials"
        made = self.call("POST", path, {"application_credential": {"name": name}}, token=token)
        found = made["application_credential"]
        return str(found["id"]), str(found["secret"])

    def auth(self, user: str, password: str, project: str) -> dict[str, str]:
        """The ``auth`` of a cloud in ``clouds.yaml``."""
        return {
            "auth_url": self.url,
            "username": user,
            "password": password,
            "project_name": project,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }

    def middleware(self, user: str, password: str) -> dict[str, str]:
        """What a service's configuration says so that it can check tokens (``[keystone_authtoken]``)."""
        return {
            "www_authenticate_uri": self.url,
            "auth_type": "password",
            "region_name": REGION,
            "memcached_servers": self.memcached.address,
            "service_token_roles_required": "true",
            **self.auth(user, password, "service"),
        }

    # -- within ------------------------------------------------------------------------------------

    def _configure(self) -> Path:
        folder = self.directory
        for name in ("fernet", "credential"):
            repository = folder / name
            repository.mkdir(mode=0o700, exist_ok=True)
            for number in ("0", "1"):
                key = repository / number
                if not key.exists():
                    key.touch(mode=0o600)
                    key.write_bytes(base64.urlsafe_b64encode(secrets.token_bytes(32)))
        (folder / "policy.yaml").write_text("{}\n")
        return write_ini(
            folder / "keystone.conf",
            {
                "DEFAULT": {"use_stderr": "true", "debug": "false", "public_endpoint": self.url[:-3]},
                "database": {
                    "connection": f"sqlite:///{folder / 'keystone.db'}",
                    "sqlite_synchronous": "false",
                },
                "token": {"provider": "fernet"},
                "fernet_tokens": {"key_repository": folder / "fernet"},
                "fernet_receipts": {"key_repository": folder / "fernet"},
                "credential": {"key_repository": folder / "credential"},
                "cache": {
                    "enabled": "true",
                    "backend": "dogpile.cache.pymemcache",
                    "memcache_servers": self.memcached.address,
                },
                "oslo_policy": {"policy_file": folder / "policy.yaml"},
            },
        )

    def _environment(self) -> dict[str, str]:
        return {
            "OS_KEYSTONE_CONFIG_FILES": str(self._configuration),
            "PYTHONWARNINGS": "ignore",
            "HOME": str(self.directory),
        }

    def _manage(self, *command: str, **variables: str) -> None:
        done = subprocess.run(
            [PYTHON.with_name("keystone-manage"), f"--config-file={self._configuration}", *command],
            env={**self._environment(), "PATH": "/usr/bin:/bin", **variables},
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServerError(f"keystone-manage {command[0]} failed:\n{done.stderr[-2000:]}")

    def _answers(self) -> bool:
        with urllib.request.urlopen(self.url, timeout=5) as answer:
            return bool(answer.status == 200)

    def _request(
        self,
        method: str,
        path: str,
        body: Any,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[dict[str, str], Any]:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **(headers or {})},
        )
        if token is not None:
            request.add_header("X-Auth-Token", token)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
                told = {name.lower(): value for name, value in answer.headers.items()}
        except urllib.error.HTTPError as error:
            with error:
                raise ServerError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error
        return told, json.loads(text) if text else {}
