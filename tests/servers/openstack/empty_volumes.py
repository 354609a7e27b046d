"""A volume driver of Cinder that keeps nothing: volumes become available and can be attached, with no disk behind."""

from cinder.volume import driver


class EmptyVolumes(driver.VolumeDriver):
    """What ``volume_driver = empty_volumes.EmptyVolumes`` loads."""

    def check_for_setup_error(self):
        """Nothing is to be set up."""

    def _update_volume_stats(self):
        self._stats = {
            "volume_backend_name": "empty",
            "vendor_name": "test",
            "driver_version": "1",
            "storage_protocol": "none",
            "total_capacity_gb": 1000,
            "free_capacity_gb": 1000,
            "reserved_percentage": 0,
        }

    def create_volume(self, volume):
        """Its row is all there is of it."""

    def delete_volume(self, volume):
        """Its row goes by itself."""

    def ensure_export(self, context, volume):
        """There is nothing to export."""

    def create_export(self, context, volume, connector):
        """There is nothing to export."""

    def remove_export(self, context, volume):
        """Nothing was exported."""

    def initialize_connection(self, volume, connector):
        """What the fake hypervisor takes for a disk."""
        return {"driver_volume_type": "fake", "data": {"volume_id": volume["id"]}}

    def terminate_connection(self, volume, connector, **kwargs):
        """Nothing was connected."""
