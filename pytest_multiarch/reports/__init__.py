"""Renderers: verdicts and records in, text out; pure."""
