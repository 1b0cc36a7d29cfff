"""The `pytest-multiarch` command: wires things, decides nothing."""
