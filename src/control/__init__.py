"""The control plane: agent discovery, registration, and what follows from them.

From the top: cli (the command line) and lab (networks of namespaces), agent (the daemons; the only room
that waits), ops and config, the adapters net and tunnels, ports (what the cores ask of the world), and
the pure part that neither waits nor reads a clock: core, security, wire, reasons, types. A room imports
only rooms below it; the contracts in pyproject.toml check that.
"""
