"""A mechanism driver of Neutron that binds every port at once: there is no agent on any host to do it."""

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api


class InstantPorts(api.MechanismDriver):
    """What ``[ml2] mechanism_drivers = instant`` loads."""

    def initialize(self) -> None:
        """Nothing is to be prepared."""

    @property
    def connectivity(self) -> str:
        """How hosts are connected."""
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context: api.PortContext) -> None:
        """Bind to the first segment, active."""
        segment = context.segments_to_bind[0]
        context.set_binding(
            segment[api.ID], portbindings.VIF_TYPE_OVS, {}, status=constants.PORT_STATUS_ACTIVE
        )
