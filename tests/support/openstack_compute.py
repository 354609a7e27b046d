"""The OpenStack of ``openstack_cloud.py`` with Placement, Nova, Cinder and Glance, all real. Imports no pytest.

Each is one process: what Nova and Cinder consist of besides their API runs as threads of it, since their message bus
is oslo.messaging's ``fake://``. The hypervisor is Nova's own fake one and volumes have no disk, so a server becomes
ACTIVE and a volume available as in any cloud, with nothing inside; images lie in files. Lists come one item a page.
"""

from __future__ import annotations

import secrets
import urllib.error
import urllib.request
from pathlib import Path

from support.keystone import REGION
from support.openstack import PYTHON, gunicorn, missing_openstack, write_ini
from support.openstack_cloud import OpenStack
from support.process import ServerProcess, free_ports

__all__ = ["ComputeCloud", "missing_compute"]

_MODULES = Path(__file__).parents[1] / "servers/openstack"
_ETC = PYTHON.parents[1] / "etc"
_ENTRY_POINT = "[neutron.ml2.mechanism_drivers]\ninstant = instant_ports:InstantPorts\n"
_SERVICES = {
    "placement": ("placement", ""),
    "glance": ("image", ""),
    "cinder": ("block-storage", "/v3"),
    "nova": ("compute", "/v2.1"),
}


def missing_compute() -> str | None:
    """Say why this cloud cannot run here, or None when it can."""
    return missing_openstack("keystone", "neutron", "placement", "nova", "cinder", "glance", "gunicorn")


class ComputeCloud(OpenStack):
    """Keystone, Neutron, Placement, Glance, Cinder and Nova, with one project and its user.

    Attributes:
        urls: Where each of the further services listens, by its name.
    """

    mechanism = "instant"

    def __init__(self, directory: Path) -> None:
        """Describe it; nothing is started yet."""
        super().__init__(directory)
        self._ports = dict(zip(_SERVICES, free_ports(len(_SERVICES)), strict=True))
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in self._ports.items()}
        self._passwords: dict[str, str] = {}
        # Neutron finds mechanism drivers by their entry points only.
        plugins = self.directory / "plugins"
        about = plugins / "instant_ports-1.0.dist-info"
        about.mkdir(parents=True, exist_ok=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: instant-ports\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(_ENTRY_POINT)
        self.modules = f"{plugins}:{_MODULES}"

    # -- within ------------------------------------------------------------------------------------

    def _prepare(self) -> list[ServerProcess]:
        processes = super()._prepare()
        return [*processes, *(self._further(name) for name in _SERVICES)]

    def _further(self, name: str) -> ServerProcess:
        kind, path = _SERVICES[name]
        self._passwords[name] = self.keystone.user(name, self._service, "admin", "service")
        self.keystone.service(name, kind, self.urls[name] + path)
        here = self.directory / name
        here.mkdir(exist_ok=True)
        (here / "policy.yaml").write_text("{}\n")
        environment = {
            "PYTHONWARNINGS": "ignore",
            "PYTHONPATH": str(_MODULES),
            "HOME": str(here),
            "OS_NOVA_DISABLE_EVENTLET_PATCHING": "true",
            "OS_CINDER_DISABLE_EVENTLET_PATCHING": "true",
        }
        application = f"{name}_services:application"
        if name == "placement":
            environment["OS_PLACEMENT_CONFIG_DIR"] = str(here)
            application = "placement.wsgi.api:application"
            own: dict[str, dict[str, object]] = {
                "api": {"auth_strategy": "keystone"},
                "placement_database": {
                    "connection": f"sqlite:///{here / 'placement.db'}",
                    "sync_on_startup": "true",
                },
            }
            file = here / "placement.conf"
        elif name == "glance":
            environment["OS_GLANCE_CONFIG_DIR"] = str(here)
            own, file = self._glance(here), here / "glance-api.conf"
        elif name == "cinder":
            own, file = self._cinder(here), here / ".cinder/cinder.conf"
        else:
            environment["OS_NOVA_CONFIG_DIR"] = str(here)
            own, file = self._nova(here), here / "nova.conf"
            (here / "api-paste.ini").write_bytes((_ETC / "nova/api-paste.ini").read_bytes())
        own["DEFAULT"] = {"use_stderr": "true", **own.get("DEFAULT", {})}
        own["keystone_authtoken"] = dict(self.keystone.middleware(name, self._passwords[name]))
        own["oslo_policy"] = {"policy_file": here / "policy.yaml"}
        own["oslo_concurrency"] = {"lock_path": here / "lock"}
        write_ini(file, own)
        return ServerProcess(
            gunicorn(here, application, self._ports[name]),
            log=here / f"{name}.log",
            ready=lambda: _answers(self.urls[name]),
            env=environment,
            cwd=here,
            deadline_seconds=600,
        )

    def _glance(self, here: Path) -> dict[str, dict[str, object]]:
        stores = {name: here / name for name in ("images", "staging", "tasks")}
        for folder in stores.values():
            folder.mkdir(exist_ok=True)
        return {
            "DEFAULT": {
                "enabled_backends": "files:file",
                "worker_self_reference_url": self.urls["glance"],
                "limit_param_default": 1,
            },
            "database": {"connection": f"sqlite:///{here / 'glance.db'}"},
            "glance_store": {"default_backend": "files"},
            "files": {"filesystem_store_datadir": stores["images"]},
            "os_glance_staging_store": {"filesystem_store_datadir": stores["staging"]},
            "os_glance_tasks_store": {"filesystem_store_datadir": stores["tasks"]},
            "paste_deploy": {"flavor": "keystone", "config_file": _ETC / "glance/glance-api-paste.ini"},
        }

    def _cinder(self, here: Path) -> dict[str, dict[str, object]]:
        return {
            "DEFAULT": {
                "transport_url": "fake://",
                "my_ip": "127.0.0.1",
                "host": "lab",
                "state_path": here,
                "auth_strategy": "keystone",
                "api_paste_config": _ETC / "cinder/api-paste.ini",
                "resource_query_filters_file": _ETC / "cinder/resource_filters.json",
                "enabled_backends": "empty",
                # One volume a page: whoever reads the first page only misses the rest.
                "osapi_max_limit": 1,
                "glance_api_servers": self.urls["glance"],
            },
            "empty": {"volume_driver": "empty_volumes.EmptyVolumes", "volume_backend_name": "empty"},
            # One key for all volumes, which only a test may have.
            "key_manager": {
                "backend": "cinder.keymgr.conf_key_mgr.ConfKeyManager",
                "fixed_key": secrets.token_hex(32),
            },
            "database": {"connection": f"sqlite:///{here / 'cinder.db'}", "sqlite_synchronous": "false"},
            "service_user": {**self._login("cinder"), "send_service_user_token": "true"},
        }

    def _nova(self, here: Path) -> dict[str, dict[str, object]]:
        login = self._login("nova")
        return {
            "DEFAULT": {
                "transport_url": "fake://",
                "compute_driver": "fake.FakeDriver",
                "my_ip": "127.0.0.1",
                "host": "lab",
                "state_path": here,
                "instances_path": here / "instances",
                "vif_plugging_timeout": 0,
                "vif_plugging_is_fatal": "false",
                "enabled_apis": "osapi_compute",
            },
            "wsgi": {"api_paste_config": here / "api-paste.ini"},
            "api": {"auth_strategy": "keystone", "max_limit": 1},
            "vnc": {"enabled": "false"},
            "api_database": {
                "connection": f"sqlite:///{here / 'nova_api.db'}",
                "sqlite_synchronous": "false",
            },
            "database": {"connection": f"sqlite:///{here / 'nova.db'}", "sqlite_synchronous": "false"},
            "service_user": {**login, "send_service_user_token": "true"},
            "placement": login,
            "neutron": login,
            "cinder": login,
            "glance": {"endpoint_override": self.urls["glance"]},
        }

    def _login(self, user: str) -> dict[str, object]:
        """How a service makes itself known to another."""
        auth = self.keystone.auth(user, self._passwords[user], "service")
        return {**auth, "auth_type": "password", "region_name": REGION}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            # Several versions to choose from, or a token is wanted: it serves.
            return error.code in {300, 401}
