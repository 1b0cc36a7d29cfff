"""Hooks that other plugins and conftest files can implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@pytest.hookspec()
def pytest_multiarch_normalizers(  # type: ignore[empty-body]
    config: pytest.Config,
) -> Mapping[str, Callable[[str], str]]:
    """Give normalizers by name, for `parity(normalize=[...])` and the configuration.

    Called once in each process that runs tests, before the first test. A normalizer takes the text
    of an output (undecodable bytes as lone surrogates) and returns it with what may differ
    replaced; it must do the same on every machine.

        def pytest_multiarch_normalizers(config):
            return {"build-number": lambda text: re.sub(r"build \\d+", "build <n>", text)}
    """
