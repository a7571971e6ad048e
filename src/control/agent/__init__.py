"""The shells: one event loop that feeds the pure machines and performs what they ask for."""
