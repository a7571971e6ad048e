"""What may stand in the configuration file, as frozen models; a role is present when its table is.

Lengths of time are seconds. A ``description`` is what ``mobileip check`` says of a value that is missing.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mobileip.control.config.paths import DEFAULT_NAME, RUN_DIRECTORY, default_socket
from mobileip.control.config.values import (
    AbsolutePath,
    Address,
    AlgorithmName,
    Boolean,
    DaemonName,
    ForeignReverseTunnel,
    HomeReverseTunnel,
    InterfaceAddress,
    InterfaceName,
    Key,
    LogFormat,
    LogLevel,
    Network,
    RegistrationLifetime,
    SocketPath,
    SpiValue,
    integer,
    number,
)
from mobileip.control.security.association import Algorithm
from mobileip.control.types import Lifetime

MULTIPLES_OF_INTERVAL: Final = 3  # RFC 5944 s2.1: the interval should be no more than a third of the lifetime

_AS_NODE: Final = "the same as in the mobile node's file"
_AS_HOME: Final = "the same as in the home agent's file"

AdvertisementInterval = Annotated[float, number(0.05, 1800, "s", "the upper end is RFC 1256's")]
AdvertisementLifetime = Annotated[int, integer(1, 9000, "s", "RFC 1256 s4.1")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class AdvertiseConfig(_Table):
    """Agent advertisements on one link (RFC 5944 s2.1, RFC 1256)."""

    interval: AdvertisementInterval = 1.0
    lifetime: AdvertisementLifetime = 3
    """How long nodes believe a silent agent; three intervals, rounded up, when only ``interval`` is given."""
    registration_lifetime: RegistrationLifetime | None = None
    """The longest lifetime that is offered; ``None``: the role's ``max_lifetime``."""
    router: Boolean = True
    """Whether the agent offers itself as a default router (RFC 1256 preference)."""

    @model_validator(mode="before")
    @classmethod
    def _lifetime_of_three_intervals(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "lifetime" in data:
            return data
        interval = data.get("interval")
        if not isinstance(interval, int | float) or not 0 < interval <= 1800:
            return data
        return {**data, "lifetime": math.ceil(MULTIPLES_OF_INTERVAL * interval)}


class DaemonConfig(_Table):
    """What is the same for every role."""

    name: DaemonName = DEFAULT_NAME
    control_socket: SocketPath = default_socket(DEFAULT_NAME)
    """``/run/mobileip/NAME.sock`` when it is left out."""
    state_directory: AbsolutePath = RUN_DIRECTORY
    tunnel_device: InterfaceName = "mip0"
    tunnel_mtu: Annotated[int | None, integer(576, 65515, "bytes")] = None
    """``None``: the underlay's MTU less 20, the outer header (RFC 2003)."""
    log_level: LogLevel = "info"
    log_format: LogFormat = "text"
    manage_sysctls: Boolean = True
    """Whether the daemon sets ``ip_forward``, ``rp_filter`` and so on, and restores them at its end."""

    @property
    def sysctl_file(self) -> Path:
        """Where kernel settings are kept as they were before the daemon, in case it is killed."""
        return self.state_directory / f"{self.name}.sysctl.json"

    @model_validator(mode="before")
    @classmethod
    def _socket_of_name(cls, data: Any) -> Any:
        name = data.get("name") if isinstance(data, dict) else None
        if not isinstance(name, str) or "control_socket" in data:
            return data
        return {**data, "control_socket": str(default_socket(name))}


class HomeNetworkConfig(_Table):
    """A home network; without ``interface`` it is a virtual one (RFC 5944 s1.6)."""

    prefix: Network = Field(description='the prefix of the home network, such as "10.1.0.0/24"')
    interface: InterfaceName | None = None
    advertise: AdvertiseConfig | None = None


class NodeConfig(_Table):
    """A mobile node we are home agent of: one mobility security association (RFC 5944 s1.6)."""

    home_address: Address = Field(description='the node\'s home address, such as "10.1.0.5"')
    spi: SpiValue = Field(description=f"the Security Parameter Index, 256 or more, {_AS_NODE}")
    key: Key = Field(description=f"key (hexadecimal digits) or key_file, {_AS_NODE}")
    algorithm: AlgorithmName = Algorithm.HMAC_MD5
    replay_tolerance: Annotated[float, number(0.1, 3600, "s")] = 7.0  # RFC 5944 s5.7.1


class HomeAgentConfig(_Table):
    """The home agent's role."""

    address: Address = Field(
        description="the address that nodes register with and that tunnels start from, one of this host"
    )
    max_lifetime: RegistrationLifetime = Lifetime(600)
    reverse_tunnel: HomeReverseTunnel = "optional"
    max_bindings: Annotated[int, integer(1, 10_000_000)] = 100_000
    gratuitous_arp_count: Annotated[int, integer(1, 100)] = 3
    gratuitous_arp_interval: Annotated[float, number(0.05, 60, "s")] = 1.0
    networks: tuple[HomeNetworkConfig, ...] = Field(
        description="at least one [[home_agent.networks]] table", min_length=1
    )
    nodes: tuple[NodeConfig, ...] = ()


class VisitedInterfaceConfig(_Table):
    """A link on which the foreign agent serves visitors."""

    name: InterfaceName = Field(description='the name of the interface that visitors come to, such as "eth1"')
    advertise: AdvertiseConfig = AdvertiseConfig()


class ForeignAgentConfig(_Table):
    """The foreign agent's role."""

    care_of_address: Address = Field(
        description="the address where tunnels to visitors end, one of this host that home agents can reach"
    )
    max_lifetime: RegistrationLifetime = Lifetime(600)
    max_visitors: Annotated[int, integer(1, 1_000_000)] = 1000
    max_pending: Annotated[int, integer(1, 100_000)] = 64
    pending_timeout: Annotated[float, number(0.5, 300, "s")] = 7.0  # RFC 5944 s3.7.1
    reverse_tunnel: ForeignReverseTunnel = "optional"
    registration_required: Boolean = True
    """The R bit: nodes register here even with a co-located care-of address (RFC 5944 s2.1.1)."""
    interfaces: tuple[VisitedInterfaceConfig, ...] = Field(
        description="at least one [[foreign_agent.interfaces]] table", min_length=1
    )


class MobileNodeConfig(_Table):
    """The mobile node's role."""

    home_address: InterfaceAddress = Field(
        description='the home address with the length of the home network\'s prefix, such as "10.1.0.5/24"'
    )
    home_agent: Address = Field(description="the home agent's address")
    home_gateway: Address | None = None
    interfaces: tuple[InterfaceName, ...] = Field(
        description='the interfaces to roam with, the preferred one first, such as ["eth0", "wlan0"]',
        min_length=1,
    )
    lifetime: RegistrationLifetime = Lifetime(120)
    spi: SpiValue = Field(description=f"the Security Parameter Index, 256 or more, {_AS_HOME}")
    key: Key = Field(description=f"key (hexadecimal digits) or key_file, {_AS_HOME}")
    algorithm: AlgorithmName = Algorithm.HMAC_MD5
    reverse_tunnel: Boolean = True
    co_located: Boolean = True
    """Whether to register directly from a link that gives an address but has no agent (RFC 5944 s1.6)."""
    agent_wait: Annotated[float, number(0, 60, "s")] = 0.2
    """How long to wait for an agent on a link with an address before that becomes the care-of address."""


class Config(_Table):
    """A whole configuration file; at least one role is present."""

    daemon: DaemonConfig = DaemonConfig()
    home_agent: HomeAgentConfig | None = None
    foreign_agent: ForeignAgentConfig | None = None
    mobile_node: MobileNodeConfig | None = None
