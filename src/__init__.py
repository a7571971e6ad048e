"""Mobile IPv4 for Linux (RFC 5944): home agent, foreign agent and mobile node.

mobileip.control    discovery, registration and everything that decides, in Python
mobileip.dataplane  the tunnels: packets between a TUN device and raw sockets, in C

ARCHITECTURE.md is the map of both. This package imports nothing by itself.
"""

__version__ = "0.1.0"
