"""The configuration file: its form (model), whether it makes sense (checks), reading it (load)."""
