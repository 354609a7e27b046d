"""Two stores on this machine, described for havre, for what fills them, and for rclone."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from azure.storage.blob import ContentSettings
from extraction import Item
from telling import check

from support.servers import AzureServer, Azurite, S3Server, SeaweedFS, missing

__all__ = ["Store", "fill", "rclone_environment", "site_table", "start_source", "start_target"]

_UPLOADS_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A running store and its one bucket.

    Attributes:
        site: its name in havre.toml.
        title: its name in sentences.
        server: where it listens, with the credentials made for it.
        data: the directory where it keeps what it stores.
        environment: the variables that hold its credentials.
    """

    site: str
    title: str
    bucket: str
    server: S3Server | AzureServer
    data: Path
    environment: dict[str, str] = field(repr=False)


@contextmanager
def start_source(folder: Path, kind: Literal["auto", "azure", "s3"]) -> Iterator[Store]:
    """Run the store that the warehouse leaves: Azurite, or SeaweedFS where Azurite cannot run."""
    if kind == "azure" or (kind == "auto" and missing("azurite") is None):
        with Azurite(folder) as running:
            server = running.server
            yield Store(
                site="hdh",
                title="Azurite (Azure Blob)",
                bucket=server.new_bucket("warehouse"),
                server=server,
                data=folder / "data",
                environment={"DEMO_SOURCE_KEY": server.account_key},
            )
        return
    with SeaweedFS(folder, memory="1GiB") as running:
        yield _s3_store("hdh", "warehouse", "SOURCE", running, folder)


@contextmanager
def start_target(folder: Path) -> Iterator[Store]:
    """Run the store that receives: SeaweedFS behind its S3 gateway."""
    with SeaweedFS(folder, memory="1GiB") as running:
        yield _s3_store("harbour", "cargo", "TARGET", running, folder)


def _s3_store(site: str, bucket: str, word: str, running: SeaweedFS, folder: Path) -> Store:
    server = running.server
    return Store(
        site=site,
        title="SeaweedFS (S3)",
        bucket=server.new_bucket(bucket),
        server=server,
        data=folder / "data",
        environment={f"DEMO_{word}_ACCESS": server.access_key, f"DEMO_{word}_SECRET": server.secret_key},
    )


def site_table(store: Store) -> str:
    """The store's part of havre.toml: it names variables, never what they hold."""
    lines = [f"[sites.{store.site}]"]
    if isinstance(store.server, S3Server):
        access, secret = store.environment
        lines += [
            'profile = "seaweedfs"',
            f'endpoint = "{store.server.endpoint}"',
            f'access_key_env = "{access}"',
            f'secret_key_env = "{secret}"',
        ]
    else:
        (key,) = store.environment
        lines += [
            'profile = "azure"',
            f'account = "{store.server.account}"',
            f'endpoint = "{store.server.endpoint}"',
            f'account_key_env = "{key}"',
        ]
    return "\n".join(lines) + "\n"


def fill(store: Store, items: Sequence[Item]) -> None:
    """Put the originals into the store, each with its content type and metadata.

    Raises:
        CheckError: the store does not list what was put.
    """
    put = _put_s3 if isinstance(store.server, S3Server) else _put_azure
    check(put(store, items) == {item.key for item in items}, "the source lists what was put into it")


def _put_s3(store: Store, items: Sequence[Item]) -> set[str]:
    assert isinstance(store.server, S3Server)
    client = store.server.client()

    def put(item: Item) -> None:
        with item.path.open("rb") as body:
            client.put_object(
                Bucket=store.bucket,
                Key=item.key,
                Body=body,
                ContentType=item.content_type,
                Metadata=item.metadata,
            )

    try:
        with ThreadPoolExecutor(_UPLOADS_AT_ONCE) as pool:
            list(pool.map(put, items))
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=store.bucket)
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}
    finally:
        client.close()


def _put_azure(store: Store, items: Sequence[Item]) -> set[str]:
    assert not isinstance(store.server, S3Server)
    with (
        store.server.service() as service,
        service.get_container_client(store.bucket) as bucket,
        ThreadPoolExecutor(_UPLOADS_AT_ONCE) as pool,
    ):

        def put(item: Item) -> None:
            with item.path.open("rb") as body:
                bucket.upload_blob(
                    item.key,
                    body,
                    metadata=item.metadata,
                    content_settings=ContentSettings(content_type=item.content_type),
                )

        list(pool.map(put, items))
        return set(bucket.list_blob_names())


def rclone_environment(name: str, server: S3Server) -> dict[str, str]:
    """The variables that make `name:` a remote of rclone: no file, and no secret in an argument."""
    fields = {
        "TYPE": "s3",
        "PROVIDER": "SeaweedFS",
        "ENDPOINT": server.endpoint,
        "ACCESS_KEY_ID": server.access_key,
        "SECRET_ACCESS_KEY": server.secret_key,
        "REGION": server.region,
        "FORCE_PATH_STYLE": "true",
    }
    return {f"RCLONE_CONFIG_{name.upper()}_{key}": value for key, value in fields.items()}
