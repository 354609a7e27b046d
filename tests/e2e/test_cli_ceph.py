"""The command to a real Ceph gateway, on from there to another store, and back: the stage of `scripts/test --ceph`."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.ceph import Ceph
from support.endpoints import S3Server
from support.second_reader import SecondReader

_PASSPHRASE = "correct horse"
_MIB = 1024 * 1024
_PLAIN = {
    "empty": b"",
    "données é/1 +%&.txt": b"bonjour",
    "images/one.dcm": os.urandom(70_000),
    "images/many.dcm": os.urandom(23 * _MIB + 5),
}


class Command:
    """Runs `havre` in a directory whose sites are a Ceph and a SeaweedFS."""

    def __init__(self, directory: Path, ceph: S3Server, seaweedfs: S3Server | None = None) -> None:
        self.directory = directory
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HAVRE_")}
        self.environment = {**inherited, "HOME": str(directory), "PW": _PASSPHRASE}
        sites = [("ceph", "ceph-rgw", ceph)]
        if seaweedfs is not None:
            sites.append(("harbour", "seaweedfs", seaweedfs))
        text = ""
        for name, profile, server in sites:
            text += (
                f'[sites.{name}]\nprofile = "{profile}"\nendpoint = "{server.endpoint}"\n'
                f'access_key_env = "{name.upper()}_ACCESS"\nsecret_key_env = "{name.upper()}_SECRET"\n'
            )
            self.environment[f"{name.upper()}_ACCESS"] = server.access_key
            self.environment[f"{name.upper()}_SECRET"] = server.secret_key
        (directory / "havre.toml").write_text(text)
        self("keys", "generate", "-o", "ds", "--passphrase-env", "PW")

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "migrator.cli", *arguments],
            cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code))

    def wave(self, source: str, target: str, wave: str, *, extras: int = 0) -> None:
        """Plan a wave that seals, run it, and see that all is verified, and that older versions are counted."""
        self("plan", source, target, "--wave", wave, "--class", "pseudonymised", "--recipient", "ds.pub")
        assert "verified in full" in self("migrate", f"{wave}.toml")
        state = self.json("status", f"{wave}.toml")
        assert state["objects"]["verified"] == len(_PLAIN)
        assert state["objects"]["total"] == len(_PLAIN) + extras


@pytest.mark.server("ceph")
def test_to_ceph_and_back(tmp_path: Path, ceph: S3Server) -> None:
    """A directory goes to Ceph encrypted, in one piece and in parts, is verified there, and comes back alike."""
    for key, body in _PLAIN.items():
        path = tmp_path / "src" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    havre = Command(tmp_path, ceph)
    bucket = ceph.new_bucket("cargo")
    havre.wave("./src", f"ceph:{bucket}/wave", "out")
    havre("verify", "out.toml", "--identity", "ds.sec", "--passphrase-env", "PW")
    with closing(ceph.client()) as client:
        for key in _PLAIN:
            stored = client.get_object(Bucket=bucket, Key=f"wave/{key}.c4gh")["Body"].read()
            assert stored.startswith(b"crypt4gh"), key
    (tmp_path / "back").mkdir()
    havre("restore", "out.toml", "./back", "--identity", "ds.sec", "--passphrase-env", "PW")
    for key, body in _PLAIN.items():
        assert (tmp_path / "back" / key).read_bytes() == body, key


@pytest.mark.server("ceph", "seaweedfs")
def test_from_ceph_and_back(tmp_path: Path, ceph: S3Server, seaweedfs: S3Server) -> None:
    """What others put into a versioned bucket of Ceph goes to another store, and back into Ceph with its metadata."""
    source, back, target = ceph.new_bucket("dwh"), ceph.new_bucket("back"), seaweedfs.new_bucket("cargo")
    with closing(ceph.client()) as client:
        client.put_bucket_versioning(Bucket=source, VersioningConfiguration={"Status": "Enabled"})
        client.put_object(Bucket=source, Key="images/one.dcm", Body=b"an older version")
        for key, body in _PLAIN.items():
            about = {"ContentType": "application/dicom", "Metadata": {"site": "h-7"}}
            if len(body) < 5 * _MIB:
                client.put_object(Bucket=source, Key=key, Body=body, **about)
                continue
            upload = client.create_multipart_upload(Bucket=source, Key=key, **about)["UploadId"]
            parts = [
                {
                    "PartNumber": number,
                    "ETag": client.upload_part(
                        Bucket=source,
                        Key=key,
                        UploadId=upload,
                        PartNumber=number,
                        Body=body[at : at + 9 * _MIB],
                    )["ETag"],
                }
                for number, at in enumerate(range(0, len(body), 9 * _MIB), 1)
            ]
            client.complete_multipart_upload(
                Bucket=source, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
            )
    havre = Command(tmp_path, ceph, seaweedfs)
    havre.wave(f"ceph:{source}", f"harbour:{target}", "out", extras=1)
    havre("restore", "out.toml", f"ceph:{back}", "--identity", "ds.sec", "--passphrase-env", "PW")
    reader = SecondReader(ceph, back)
    with closing(ceph.client()) as client:
        for key, body in _PLAIN.items():
            assert reader.sha256(key) == hashlib.sha256(body).hexdigest(), key
            head = client.head_object(Bucket=back, Key=key)
            assert (head["ContentType"], head["Metadata"].get("site")) == ("application/dicom", "h-7"), key


@pytest.mark.server("ceph")
def test_probe_agrees_with_the_profile(tmp_path: Path, ceph: S3Server) -> None:
    """What a probe sees of Ceph contradicts nothing that the profile says of it."""
    havre = Command(tmp_path, ceph)
    report = havre.json("doctor", f"ceph:{ceph.new_bucket()}", "--probe", "-q")
    assert [one["id"] for one in report["checks"] if one["outcome"] == "contradicts"] == []
    assert report["counts"]["contradicts"] == 0


@pytest.mark.server("ceph")
def test_ceph_listens_on_loopback_only(ceph_process: Ceph) -> None:
    """No port of the monitor, of the daemon or of the gateway is open to another machine."""
    listening = {
        connection.laddr.ip
        for pid in ceph_process.pids
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
