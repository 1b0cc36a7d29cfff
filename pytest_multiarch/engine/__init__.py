"""Adapters: the only place that knows Docker, registries and testcontainers."""
