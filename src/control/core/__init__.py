"""Pure state machines: ``handle(event, now) -> actions``. Nothing here waits, reads a clock, draws or opens."""
