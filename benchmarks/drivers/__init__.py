"""What a driver costs over the bare client of its system: see `__main__.py`."""
