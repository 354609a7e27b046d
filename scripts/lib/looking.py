"""Looking at what arrived with tools that are not ours."""

import hashlib
import json
import mmap
import os
import subprocess
from pathlib import Path

from stores import Store, rclone_environment
from telling import ROOT, check

from support.servers import S3Server

__all__ = ["RCLONE", "bytes_at", "digest_of", "names_of_others", "opened_by_crypt4gh", "stands_in"]

RCLONE = ROOT / ".venv/bin/rclone"
_CRYPT4GH = ROOT / ".venv/bin/crypt4gh"


def digest_of(path: Path) -> str:
    """SHA-256 of a file, from sha256sum where the machine has it.

    Raises:
        CheckError: there is no such file.
    """
    check(path.is_file(), f"{path} was written")
    try:
        answer = subprocess.run(["sha256sum", "--", path], check=True, capture_output=True, text=True).stdout
    except FileNotFoundError:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    # sha256sum puts a backslash before the line when it has escaped the name.
    return answer.lstrip("\\").split()[0]


def opened_by_crypt4gh(store: Store, key: str, *, identity: Path, passphrase: str, into: Path) -> None:
    """Fetch an object as it is stored and open it with the reference implementation's own command."""
    assert isinstance(store.server, S3Server)
    sealed = into.with_name(f"{into.name}.c4gh")
    client = store.server.client()
    try:
        client.download_file(store.bucket, key, str(sealed))
    finally:
        client.close()
    environment = {**os.environ, "C4GH_PASSPHRASE": passphrase}
    with sealed.open("rb") as source, into.open("wb") as target:
        command = [_CRYPT4GH, "decrypt", "--sk", identity]
        opened = subprocess.run(command, stdin=source, stdout=target, env=environment, check=False)
    check(opened.returncode == 0, f"crypt4gh decrypt opens {key}")


def names_of_others(store: Store, prefix: str) -> set[str]:
    """The objects below `prefix` as rclone lists them, without what havre keeps there for itself."""
    assert isinstance(store.server, S3Server)
    listed = subprocess.run(
        [RCLONE, "--config", os.devnull, "lsjson", "-R", "--files-only", f"target:{store.bucket}/{prefix}"],
        env={**os.environ, **rclone_environment("target", store.server)},
        check=False,
        capture_output=True,
    )
    check(listed.returncode == 0, "rclone lists the target")
    names = {entry["Path"] for entry in json.loads(listed.stdout)}
    return {name for name in names if not name.startswith(".havre/")}


def bytes_at(store: Store) -> int:
    """The bytes that an S3 store holds, in objects and in the parts of uploads that are still open."""
    assert isinstance(store.server, S3Server)
    client = store.server.client()
    try:
        objects = client.get_paginator("list_objects_v2").paginate(Bucket=store.bucket)
        total = sum(entry["Size"] for page in objects for entry in page.get("Contents", []))
        for upload in client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", []):
            where = {"Bucket": store.bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
            # A store may list a part twice that was sent twice.
            try:
                parts = client.list_parts(**where).get("Parts", [])
            except client.exceptions.NoSuchUpload:  # it was completed in between
                continue
            total += sum({part["PartNumber"]: part["Size"] for part in parts}.values())
    finally:
        client.close()
    return total


def stands_in(folder: Path, needle: bytes) -> bool:
    """Tell whether any file below `folder` holds these bytes."""
    for path in folder.rglob("*"):
        if not path.is_file() or path.stat().st_size == 0:
            continue
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            if view.find(needle) >= 0:
                return True
    return False
