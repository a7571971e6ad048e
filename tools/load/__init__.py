"""Load generator: any number of mobile nodes, and any number of attackers, against real agents.

``python -m tools.load --help``. Nodes register directly (co-located) or through foreign agents. They are rows
of numpy arrays and their datagrams travel in batches, so that one generator is far cheaper than the agent it
loads.
"""
