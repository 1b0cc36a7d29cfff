"""The pytest shell: wires things and decides nothing."""
