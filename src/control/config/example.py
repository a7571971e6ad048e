"""Annotated configuration files, one a role: valid as they stand, working once addresses and key are yours.

The three belong together: the mobile node of the third is known to the home agent of the first.
"""

from __future__ import annotations

from typing import Final, Literal

Role = Literal["home", "foreign", "mobile"]

PLACEHOLDER_KEY: Final = "00112233445566778899aabbccddeeff"

_DAEMON: Final = """\
# [daemon]                       # all of it may be left out; these are the defaults
# name = "mobileip"              # names the control socket; give each daemon on a host its own
# control_socket = "/run/mobileip/mobileip.sock"  # control_group names the group that may use it
# state_directory = "/run/mobileip"
# tunnel_device = "mip0"         # made by the daemon; give each daemon on a host its own
# tunnel_mtu = 1480              # default: what the network below carries, less 20 bytes of outer header
# gre_checksum = false           # what GRE headers that we send have in them; what comes is understood anyway
# gre_sequence = false
# propagate_ecn = true           # false where the other ends lose the congestion marks of outer headers (RFC 6040)
# probe_mtu = false              # probe what paths carry, for tunnels through firewalls that drop ICMP
# clamp_mss = false              # lower the maximum segment size of TCP handshakes through the tunnels to what fits
# underlay = "auto"              # how tunnelled datagrams leave: raw, or past netfilter and policy routing: packet, xdp
# log_level = "info"             # debug, info, warning, error
# log_format = "text"            # text, json
# log_rate = 50                  # lines a second of one reason; 0: all
# manage_sysctls = true          # set ip_forward, rp_filter and their like, and restore them at the end
"""

_HOME: Final = """\
# Home agent: stands in for mobile nodes on their home network while they are away, and tunnels to them.
# Check with: mobileip check FILE. Run as root: mobileip run --config FILE

[home_agent]
address = "192.0.2.1"            # CHANGE: one of this host: nodes register with it and tunnels start there
max_lifetime = 600               # s; registrations are granted no longer than this; or "infinite"
reverse_tunnel = "optional"      # the node may send through the tunnel too: optional, required, forbidden
# max_bindings = 100000          # nodes away at one time; max_new_rate: most that get a binding in a second
# reject_static_addresses = false  # deny nodes that ask for an address of a pool that they were not given
# max_simultaneous = 1           # bindings of one node at one time, up to 8: packets go to each (the S bit)
# encapsulations = ["gre", "minimal"]  # what nodes may ask for beside IP-in-IP
# broadcasts = false             # send broadcasts of a home link on to nodes that ask for it (the B bit)
# multicast = false              # nodes away may join and send to multicast groups of the home link by reverse tunnels;
# multicast_query_interval = 125 # s between two IGMP queries to a node that is in groups; groups of
# max_node_groups = 32           # one node, and
# max_memberships = 10000        # of all nodes together
# gratuitous_arp_count = 3       # how often the home link is told that a node's address moved, and
# gratuitous_arp_interval = 1.0  # s between

# The network that the home addresses are of. Any number of these tables.
[[home_agent.networks]]
prefix = "10.1.0.0/24"           # CHANGE
interface = "eth1"               # CHANGE: its link; leave out for a virtual home network, which is on no link
# Tells nodes that they are at home. Leave out on a virtual home network. Faster is better for nodes that
# move: a node that hears nothing for `lifetime` seconds looks elsewhere. interval: 0.05 to 1800 s.
advertise = { interval = 1.0, lifetime = 3, registration_lifetime = 600, router = true }

# One table for each mobile node: the key is what node and home agent trust each other by.
[[home_agent.nodes]]
home_address = "10.1.0.5"        # CHANGE: in one of the networks above
spi = 256                        # names the key between the two; 256 or more, the same at both ends
key = "{key}"   # CHANGE at both ends: openssl rand -hex 16
# key_file = "node5.key"         # instead of key: a file with the hexadecimal digits, chmod 600
# algorithm = "hmac-md5"         # or "keyed-md5", for nodes that follow RFC 2002
# replay = "timestamps"          # or "nonces", which need no clock; the same at both ends
# replay_tolerance = 7.0         # s that the node's clock may differ; a node that is told so corrects itself
# max_lifetime, reverse_tunnel, max_simultaneous, encapsulations, idle_timeout: also here, for this node alone.
#
# Other tables of nodes have, in place of home_address,
#   home_addresses = "10.1.0.16/28"    a range whose nodes share the key (and could take each other's place), or
#   nai = "user@example.net"           a name, or "*@example.net": the node is given a home address, from
#                                      pool = "10.1.0.128/25" in a [[home_agent.networks]] table
#
# Foreign agents that must prove who they are each have a table [[home_agent.foreign_agents]]
# with address, spi and key; requests that come from there are then accepted only with their signature.
#
# Who may register from where, if not every node from everywhere: tables [[home_agent.filters]] with
#   action = "deny"                    or "allow"; the first table that matches decides, else filter_default = "allow"
# and any of home_address, nai, care_of_address, foreign_agent (each also a prefix, or "*@example.net"), interface.
# Try it: mobileip filter test --config FILE --home-address 10.1.0.5

{daemon}"""

_FOREIGN: Final = """\
# Foreign agent: serves visiting mobile nodes on its links; tunnels to them end here.
# Check with: mobileip check FILE. Run as root: mobileip run --config FILE

[foreign_agent]
care_of_address = "198.51.100.1" # CHANGE: an address of this host that home agents can reach
max_lifetime = 600               # s; the longest registration that is accepted; or "infinite"
reverse_tunnel = "optional"      # optional, required (as where sources are filtered), unavailable
# max_visitors = 1000            # nodes served at one time
# max_pending = 500              # registrations waiting for a home agent's answer at one time, and
# pending_timeout = 7.0          # s that each waits
# registration_required = true   # nodes must register here even with an address of this link (the R bit)
# encapsulating_delivery = true  # nodes may tunnel to the agent what it is to reverse-tunnel, and only that
# encapsulations = ["gre", "minimal"]  # advertised and accepted beside IP-in-IP
# gre_keys = false               # agree on keys for GRE headers; home agents have to know RFC 6245
# care_of_addresses = []         # more care-of addresses of this host, advertised behind the first

# A link that visitors come to. Any number of these tables.
[[foreign_agent.interfaces]]
name = "eth1"                    # CHANGE
# Tells nodes that an agent is here. Faster is better for nodes that move: a node that hears nothing for
# `lifetime` seconds looks elsewhere. interval: 0.05 to 1800 s.
advertise = { interval = 1.0, lifetime = 3, router = true }
# Also inside advertise: destination = "broadcast" (to 255.255.255.255, where hosts hear no multicast);
# prefix_lengths = true (tell the length of the link's prefix: all agents of a link do, or none);
# on_solicitation_only = true (answer those who ask and be silent otherwise).

# Keys shared with mobile nodes and with home agents: whoever is listed has to sign (extensions 33 and 34).
# Tables [[foreign_agent.nodes]] with home_address or nai, spi, key or key_file, and algorithm;
# tables [[foreign_agent.home_agents]] with address, spi, key or key_file, and algorithm.
#
# So that no recorded request passes, nodes can be challenged (RFC 4721): the table [foreign_agent.challenge] with
#   window = 2, interval = 5.0         how many of the last challenges count; s that each is advertised
#   required = true                    false: who answers none passes all the same
#
# Whose registrations are relayed: tables [[foreign_agent.filters]] with action = "allow" or "deny" and any of
# home_address, nai, care_of_address, home_agent, interface; the first that matches decides, else filter_default.

{daemon}"""

_MOBILE: Final = """\
# Mobile node: keeps its home address, and every connection, while it moves from link to link.
# Check with: mobileip check FILE. Run as root: mobileip run --config FILE

[mobile_node]
home_address = "10.1.0.5/24"     # CHANGE: with the home network's prefix length; /32 if it is virtual
home_agent = "192.0.2.1"         # CHANGE
# home_gateway = "10.1.0.1"      # the default router while at home
interfaces = ["eth0"]            # CHANGE: the links to roam with, the preferred one first
spi = 256                        # the same as in the home agent's file, as is the key
key = "{key}"   # CHANGE at both ends: openssl rand -hex 16
# key_file = "home.key"          # instead of key: a file with the hexadecimal digits, chmod 600
# algorithm = "hmac-md5"         # or "keyed-md5", for home agents that follow RFC 2002
# lifetime = 120                 # s asked for; renewed well before it runs out
# reverse_tunnel = true          # send through the home agent as well: most networks drop foreign sources
# co_located = true              # register directly where the link gives an address but has no foreign agent
# agent_wait = 0.2               # s to listen for an agent on such a link first. Longer: an agent is found
                                 # where there is one. Shorter: the handover is quicker where there is none
# replay = "timestamps"          # or "nonces", as at the home agent; they need no clock
# encapsulation = ["ipip"]       # how to be tunnelled to, the best first: "gre", "minimal", "ipip"
# agents = []                    # foreign agents preferred to others on the same link, the best first
# hold_down = 2.0                # s that a better link or agent must last before a working one is left for it
# simultaneous = false           # register over a better link before leaving the other; costs every packet twice
                                 # for a moment, and the home agent has to allow it
# solicitation_delay = 1.0       # s within which agents are first asked for when the daemon starts, at random
# solicit_by_broadcast = []      # interfaces on which to ask at 255.255.255.255 in place of 224.0.0.2
# no_router_discovery = []       # interfaces on which not to look for agents at all
# multicast = "none"             # where groups are joined and sent to while away: "local", on the visited link when
                                 # co-located; "tunnel", at the home network; or "none"
# broadcasts = false             # ask for the broadcasts of the home network while away; the home agent has to allow it
# encapsulating_delivery = false # tunnel to the foreign agent what it is to tunnel on: broadcasts and multicasts from
                                 # here can go home through an agent in no other way
# With nai ("user@example.org") the home agent may know this node by a name; home_address can then be left out.
# Foreign agents that set challenges want an answer: the table [mobile_node.aaa] with spi = 2 and secret, the password
# that an AAA server (RADIUS) has for this node; or a key that is shared with the agent itself:
# A foreign agent that shares a key with this node is a [[mobile_node.foreign_agents]] table: address, spi, key.

{daemon}"""

_TEXTS: Final[dict[Role, str]] = {"home": _HOME, "foreign": _FOREIGN, "mobile": _MOBILE}


def example(role: Role, key: str = PLACEHOLDER_KEY) -> str:
    """The annotated file of ``role``, with ``key`` (hexadecimal digits) where it has one."""
    return _TEXTS[role].replace("{key}", key).replace("{daemon}", _DAEMON)
