"""Which fields of a driver's answer an estate keeps, cloud by cloud: a list of what passes, not of what is cut.

Only what stands here is read, so user data, administrator passwords and keys never are. A path leads through
``extra`` of what apache-libcloud gives; ``@name`` is an attribute of the object itself, ``*`` goes through a list.
Pure data and one small interpreter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from providers.estate.clean import clean_item
from providers.estate.model import Item, Kind

__all__ = ["SHAPES", "Shape", "read_shape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Where the parts of an item lie."""

    settings: Mapping[str, str]
    identifier: str = "@id"
    name: str = "@name"
    region: str = ""
    created: str = ""
    tags: str = ""
    constant: Mapping[str, str] = field(default_factory=dict)


_EC2_NETWORK: Final = Shape(
    settings={"cidrs": "@cidr_block", "status": "state", "default": "is_default"},
    tags="tags",
    constant={"type": "network"},
)

SHAPES: Final[Mapping[tuple[str, Kind], Shape]] = {
    ("openstack", Kind.NODES): Shape(
        region="availability_zone",
        created="created",
        tags="metadata",
        settings={
            "status": "vm_state",
            "power_state": "@state",
            "image": "imageId",
            "flavor": "flavorId",
            "public_ips": "@public_ips",
            "private_ips": "@private_ips",
            "key_name": "key_name",
            "config_drive": "config_drive",
            "volumes": "volumes_attached.*.id",
        },
    ),
    ("openstack", Kind.VOLUMES): Shape(
        region="location",
        created="created_at",
        tags="metadata",
        settings={
            "status": "state",
            "size_gib": "@size",
            "type": "volume_type",
            "snapshot": "snapshot_id",
            "attached_to": "attachments.*.server_id",
        },
    ),
    ("openstack", Kind.IMAGES): Shape(
        created="created",
        tags="metadata",
        settings={
            "status": "status",
            "visibility": "visibility",
            "os": "os_distro",
            "os_version": "os_version",
            "min_disk_gib": "minDisk",
            "min_ram_mib": "minRam",
        },
    ),
    ("azure", Kind.NODES): Shape(
        region="location",
        tags="tags",
        settings={
            "status": "properties.provisioningState",
            "power_state": "@state",
            "size": "properties.hardwareProfile.vmSize",
            "image": "properties.storageProfile.imageReference",
            "os": "properties.storageProfile.osDisk.osType",
            "os_disk": "properties.storageProfile.osDisk.managedDisk.id",
            "data_disks": "properties.storageProfile.dataDisks.*.name",
            "password_login_disabled": "properties.osProfile.linuxConfiguration.disablePasswordAuthentication",
            "encryption_at_host": "properties.securityProfile.encryptionAtHost",
            "interfaces": "properties.networkProfile.networkInterfaces.*.id",
            "public_ips": "@public_ips",
            "private_ips": "@private_ips",
        },
    ),
    ("azure", Kind.VOLUMES): Shape(
        region="location",
        created="properties.timeCreated",
        tags="tags",
        settings={
            "status": "properties.diskState",
            "size_gib": "@size",
            "type": "sku.name",
            "encryption": "properties.encryption.type",
            "encryption_set": "properties.encryption.diskEncryptionSetId",
            "public_network_access": "properties.publicNetworkAccess",
            "attached_to": "properties.ownerId",
        },
    ),
    ("azure", Kind.NETWORKS): Shape(
        region="@location",
        settings={"cidrs": "addressSpace.addressPrefixes", "subnets": "subnets.*.name"},
        constant={"type": "network"},
    ),
    ("ec2", Kind.NODES): Shape(
        region="availability",
        created="launch_time",
        tags="tags",
        settings={
            "status": "status",
            "image": "image_id",
            "size": "instance_type",
            "key_name": "key_name",
            "network": "vpc_id",
            "subnet": "subnet_id",
            "public_ips": "@public_ips",
            "private_ips": "@private_ips",
            "security_groups": "groups.*.group_id",
            "volumes": "block_device_mapping.*.ebs.volume_id",
        },
    ),
    ("ec2", Kind.VOLUMES): Shape(
        region="zone",
        created="create_time",
        tags="tags",
        settings={
            "status": "state",
            "size_gib": "@size",
            "type": "volume_type",
            "snapshot": "snapshot_id",
            "attached_to": "instance_id",
        },
    ),
    ("ec2", Kind.IMAGES): Shape(
        created="creation_date",
        tags="tags",
        settings={"status": "state", "public": "is_public", "os": "platform", "architecture": "architecture"},
    ),
    ("ec2", Kind.NETWORKS): _EC2_NETWORK,
    ("outscale", Kind.NODES): Shape(
        region="Placement.SubregionName",
        created="CreationDate",
        tags="Tags",
        settings={
            "status": "State",
            "image": "ImageId",
            "size": "VmType",
            "key_name": "KeypairName",
            "network": "NetId",
            "subnet": "SubnetId",
            "public_ips": "@public_ips",
            "private_ips": "@private_ips",
            "security_groups": "SecurityGroups.*.SecurityGroupId",
            "volumes": "BlockDeviceMappings.*.Bsu.VolumeId",
            "deletion_protection": "DeletionProtection",
        },
    ),
    ("outscale", Kind.VOLUMES): Shape(
        region="SubregionName",
        created="CreationDate",
        tags="Tags",
        settings={
            "status": "State",
            "size_gib": "Size",
            "type": "VolumeType",
            "snapshot": "SnapshotId",
            "attached_to": "LinkedVolumes.*.VmId",
        },
    ),
    ("outscale", Kind.IMAGES): Shape(
        created="CreationDate",
        tags="Tags",
        settings={
            "status": "State",
            "owner": "AccountId",
            "public": "PermissionsToLaunch.GlobalPermission",
            "architecture": "Architecture",
        },
    ),
    ("outscale", Kind.NETWORKS): Shape(
        identifier="NetId",
        name="",
        tags="Tags",
        settings={"cidrs": "IpRange", "status": "State", "tenancy": "Tenancy"},
        constant={"type": "network"},
    ),
    ("ovh", Kind.NODES): Shape(
        region="region",
        created="created",
        settings={
            "status": "status",
            "image": "imageId",
            "flavor": "flavorId",
            "key": "sshKeyId",
            "addresses": "ipAddresses.*.ip",
        },
    ),
    ("ovh", Kind.VOLUMES): Shape(
        region="region",
        created="created",
        settings={"status": "@state", "size_gib": "@size", "type": "type", "attached_to": "attachedTo"},
    ),
    ("ovh", Kind.IMAGES): Shape(region="region", settings={"visibility": "visibility"}),
    ("scaleway", Kind.NODES): Shape(
        region="region",
        created="@created_at",
        tags="tags",
        settings={
            "status": "@state",
            "architecture": "arch",
            "public_ips": "@public_ips",
            "private_ips": "@private_ips",
            "volumes": "volumes.*.id",
        },
    ),
    ("scaleway", Kind.VOLUMES): Shape(
        created="creation_date", settings={"size_gib": "@size", "type": "volume_type"}
    ),
    ("scaleway", Kind.IMAGES): Shape(
        region="region", created="creation_date", settings={"architecture": "arch", "size_gib": "size"}
    ),
    ("dns", Kind.ZONES): Shape(name="@domain", settings={"type": "@type", "ttl": "@ttl"}),
}
"""API and section → what is kept."""


def read_shape(shape: Shape, thing: Any, *, region: str | None = None) -> Item:
    """An item of what a driver gave: an object with ``extra``, or a plain mapping.

    Args:
        shape: What is kept.
        thing: The driver's object.
        region: Where it lies, if the object does not say.
    """
    extra = thing if isinstance(thing, Mapping) else getattr(thing, "extra", None) or {}

    def at(path: str) -> Any:
        if path.startswith("@"):
            return getattr(thing, path[1:], None)
        return _walk(extra, path.split(".")) if path else None

    return clean_item(
        identifier=at(shape.identifier),
        name=at(shape.name),
        region=at(shape.region) or region,
        created=at(shape.created),
        tags=at(shape.tags),
        settings={name: at(path) for name, path in shape.settings.items()} | dict(shape.constant),
    )


def _walk(value: Any, path: list[str]) -> Any:
    for index, piece in enumerate(path):
        if piece == "*":
            each = value.values() if isinstance(value, Mapping) else value or ()
            found = [_walk(one, path[index + 1 :]) for one in each]
            return [one for one in found if one is not None]
        if not isinstance(value, Mapping):
            return None
        value = value.get(piece)
    return value
