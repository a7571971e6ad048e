"""What operators see of a running daemon: its log, its counters, its control socket."""
