"""A real OpenStack on this machine: Keystone, and Neutron without agents, on SQLite. Imports no pytest.

Neutron keeps networks, subnets, routers, security groups and floating addresses as in any cloud; there is no
hypervisor behind it, so ports are never bound. ``openstack_compute.py`` adds servers, volumes and images.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from support.keystone import REGION, Keystone
from support.openstack import PYTHON, gunicorn, missing_openstack, write_ini
from support.process import ServerError, ServerProcess, free_ports

__all__ = ["OpenStack", "missing_cloud"]

_SCHEMA = Path(__file__).parents[1] / "servers/openstack/neutron_schema.py"


def missing_cloud() -> str | None:
    """Say why this cloud cannot run here, or None when it can."""
    return missing_openstack("keystone", "neutron", "gunicorn")


class OpenStack:
    """Keystone and Neutron, with one project and its user.

    Attributes:
        keystone: Who lets in.
        url: Where Neutron listens.
        project: Name of the project.
        project_id: Its id; empty before it was started.
        password: That of its user ``deployer``.
    """

    project = "hds"
    mechanism = "openvswitch"
    """Who binds ports, by Neutron's name for it."""
    modules = ""
    """Folders of further Python modules for Neutron, as ``PYTHONPATH`` holds them."""

    def __init__(self, directory: Path) -> None:
        """Describe it; nothing is started yet."""
        self.directory = directory.resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.keystone = Keystone(self.directory / "keystone")
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.password = ""
        self._port = port
        self.project_id = ""
        self._service = ""
        self._processes: list[ServerProcess] = []

    def start(self) -> None:
        """Start all; the first time databases, users and the catalogue are made.

        Raises:
            ServerError: Something is absent, or did not come to serve.
        """
        self.keystone.start()
        self._processes = self._processes or self._prepare()
        with ThreadPoolExecutor(len(self._processes)) as pool:
            for done in [pool.submit(process.start) for process in self._processes]:
                done.result()

    def kill(self) -> None:
        """End all at once."""
        for process in self._processes:
            process.kill()
        self.keystone.kill()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def clouds(self) -> Path:
        """A ``clouds.yaml`` with the cloud ``hds``: the project's user."""
        return self.clouds_of("deployer", self.password)

    def clouds_of(self, user: str, password: str) -> Path:
        """A ``clouds.yaml`` with the cloud ``hds``, as another user of the project."""
        path = self.directory / f"clouds-{user}.yaml"
        one = {
            "auth": self.keystone.auth(user, password, self.project),
            "region_name": REGION,
            "identity_api_version": 3,
        }
        path.touch(mode=0o600)
        # JSON is YAML.
        path.write_text(json.dumps({"clouds": {"hds": one}}))
        return path

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request to Neutron as the project's user, from JSON to JSON."""
        token = self.keystone.token("deployer", self.password, self.project)
        request = urllib.request.Request(
            f"{self.url}/v2.0{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "X-Auth-Token": token},
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise ServerError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error
        return json.loads(text) if text else {}

    # -- within ------------------------------------------------------------------------------------

    def _prepare(self) -> list[ServerProcess]:
        self._service = self.keystone.project("service")
        checker = self.keystone.user("neutron", self._service, "admin", "service")
        self.project_id = self.keystone.project(self.project)
        self.password = self.keystone.user("deployer", self.project_id, "member")
        self.keystone.service("neutron", "network", self.url)
        here = self.directory
        (here / "policy.yaml").write_text("{}\n")
        configuration = write_ini(
            here / "neutron.conf",
            {
                "DEFAULT": {
                    "use_stderr": "true",
                    "bind_host": "127.0.0.1",
                    "state_path": here / "state",
                    "core_plugin": "ml2",
                    "service_plugins": "router,tag,revisions,timestamp",
                    "auth_strategy": "keystone",
                    "transport_url": "fake://",
                    "api_paste_config": PYTHON.parents[1] / "etc/neutron/api-paste.ini",
                    "api_workers": 1,
                    "rpc_workers": 0,
                    "notify_nova_on_port_status_changes": "false",
                    "notify_nova_on_port_data_changes": "false",
                },
                "database": {
                    "connection": f"sqlite:///{here / 'neutron.db'}",
                    "sqlite_synchronous": "false",
                },
                "keystone_authtoken": self.keystone.middleware("neutron", checker),
                "oslo_concurrency": {"lock_path": here / "lock"},
                "oslo_policy": {"policy_file": here / "policy.yaml"},
                "ml2": {
                    "type_drivers": "local,flat,vxlan",
                    "tenant_network_types": "vxlan",
                    "mechanism_drivers": self.mechanism,
                    "extension_drivers": "port_security",
                },
                "ml2_type_flat": {"flat_networks": "public"},
                "ml2_type_vxlan": {"vni_ranges": "1:1000"},
            },
        )
        self._run(str(PYTHON), str(_SCHEMA), f"sqlite:///{here / 'neutron.db'}")
        neutron = ServerProcess(
            gunicorn(here, "neutron.wsgi.api:application", self._port),
            log=here / "neutron.log",
            ready=self._answers,
            env={
                "OS_NEUTRON_CONFIG_FILES": str(configuration),
                "PYTHONWARNINGS": "ignore",
                "PYTHONPATH": self.modules,
                "HOME": str(here),
            },
            cwd=here,
            deadline_seconds=240,
        )
        return [neutron]

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.directory), "PYTHONWARNINGS": "ignore"},
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServerError(f"{Path(command[1]).name} failed:\n{done.stderr[-2000:]}")

    def _answers(self) -> bool:
        try:
            return isinstance(self.call("GET", f"/networks?name={secrets.token_hex(4)}"), dict)
        except ServerError:
            return False
