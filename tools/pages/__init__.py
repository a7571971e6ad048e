"""The pages of tools/docs.py, one a module."""
