"""Formats on disk."""
