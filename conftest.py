"""What all tests of the project load."""

from __future__ import annotations

pytest_plugins = ["pytester"]
