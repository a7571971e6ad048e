"""Tunnels measured beside each other on four hosts in a line: ``python -m benchmarks.throughput`` (root)."""
