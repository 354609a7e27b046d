"""The command from Swift to S3 and back again, as people run it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.endpoints import S3Server
from support.swift import SwiftKeystone, SwiftServer

_PASSPHRASE = "correct horse"
_MIB = 1024 * 1024


class Command:
    """Runs `havre` in a directory of its own, with sites for both stores."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.directory = directory
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("HAVRE_", "OS_"))
        }
        self.environment = {**inherited, "HOME": str(directory), "PW": _PASSPHRASE, **environment}

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "migrator.cli", *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        assert "Warning" not in done.stderr
        return done.stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code))


def command(directory: Path, s3: S3Server, site: str, environment: dict[str, str]) -> Command:
    """A command whose `osp` is a Swift and whose `harbour` is SeaweedFS, and a key pair."""
    harbour = (
        f'[sites.harbour]\nprofile = "seaweedfs"\nendpoint = "{s3.endpoint}"\n'
        'access_key_env = "ACCESS"\nsecret_key_env = "SECRET"\n'
    )
    (directory / "havre.toml").write_text(f'[sites.osp]\nprofile = "openstack-swift"\n{site}\n{harbour}')
    found = Command(directory, {"ACCESS": s3.access_key, "SECRET": s3.secret_key, **environment})
    found("keys", "generate", "-o", "ds", "--passphrase-env", "PW")
    return found


@pytest.mark.server("swift", "seaweedfs")
def test_from_swift_to_s3_and_back(tmp_path: Path, swift: SwiftServer, seaweedfs: S3Server) -> None:
    """Small, empty, static and dynamic large objects go out encrypted, are verified in full, and come back alike."""
    source, back, target = swift.new_bucket("dwh"), swift.new_bucket("back"), seaweedfs.new_bucket("cargo")
    plain = {
        "empty": b"",
        "données é.txt": b"bonjour",
        "images/1.dcm": os.urandom(70_000),
        "static": os.urandom(9 * _MIB),
        "dynamic": os.urandom(3 * _MIB),
    }
    for key in ("empty", "données é.txt", "images/1.dcm"):
        swift.call("PUT", f"{source}/{key}", body=plain[key], headers={"X-Object-Meta-Site": "h-7"})
    parts = swift.new_bucket("parts")
    manifest = []
    for number in range(3):
        body = plain["static"][number * 3 * _MIB : (number + 1) * 3 * _MIB]
        swift.call("PUT", f"{parts}/static/{number}", body=body)
        manifest.append({"path": f"/{parts}/static/{number}", "etag": hashlib.md5(body).hexdigest()})
        swift.call(
            "PUT", f"{parts}/dynamic/{number}", body=plain["dynamic"][number * _MIB : (number + 1) * _MIB]
        )
    swift.call("PUT", f"{source}/static", body=json.dumps(manifest).encode(), query="multipart-manifest=put")
    swift.call("PUT", f"{source}/dynamic", body=b"", headers={"X-Object-Manifest": f"{parts}/dynamic/"})
    site = f'auth_url = "{swift.auth_url}"\nuser_env = "OSP_USER"\nkey_env = "OSP_KEY"'
    havre = command(tmp_path, seaweedfs, site, {"OSP_USER": swift.user, "OSP_KEY": swift.key})
    havre("doctor", f"osp:{source}")
    havre(
        *("plan", f"osp:{source}", f"harbour:{target}/wave", "--wave", "out", "--class", "pseudonymised"),
        *("--recipient", "ds.pub"),
    )
    assert "verified in full" in havre("migrate", "out.toml")
    state = havre.json("status", "out.toml")
    assert (state["objects"]["total"], state["objects"]["verified"]) == (5, 5)
    havre("restore", "out.toml", f"osp:{back}", "--identity", "ds.sec", "--passphrase-env", "PW")
    for key, body in plain.items():
        status, headers, found = swift.call("GET", f"{back}/{key}")
        assert (status, found) == (200, body), key
        if key == "images/1.dcm":
            assert headers["x-object-meta-site"] == "h-7"
    listed = [name for name in swift.names(back) if not name.startswith(".havre/")]
    assert sorted(listed) == sorted(plain)


@pytest.mark.server("swift_keystone", "seaweedfs")
def test_application_credential(tmp_path: Path, swift_keystone: SwiftKeystone, seaweedfs: S3Server) -> None:
    """A site that names a cloud with an application credential is filled from S3 and read again."""
    clouds = swift_keystone.server.clouds
    assert clouds is not None
    source = seaweedfs.new_bucket("source")
    client = seaweedfs.client()
    client.put_object(Bucket=source, Key="a/b", Body=b"payload" * 1000)
    client.close()
    s3 = swift_keystone.server.s3.client()
    s3.create_bucket(Bucket="harbour-of-hds")
    s3.close()
    havre = command(tmp_path, seaweedfs, 'cloud = "application"', {"OS_CLIENT_CONFIG_FILE": str(clouds)})
    havre("doctor", "osp:harbour-of-hds")
    havre(
        *("plan", f"harbour:{source}", "osp:harbour-of-hds/wave", "--wave", "in", "--class", "pseudonymised"),
        *("--recipient", "ds.pub"),
    )
    assert "verified in full" in havre("migrate", "in.toml")
    havre("verify", "in.toml", "--identity", "ds.sec", "--passphrase-env", "PW")
    assert "a/b.c4gh" in havre("ls", "osp:harbour-of-hds/wave")
