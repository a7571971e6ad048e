"""The data plane's work in memory: batches of packets that numpy made, through the C core and no system call."""
