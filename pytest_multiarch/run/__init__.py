"""Use cases on the Protocols of `core.ports`: resolve, run, wait, observe."""
