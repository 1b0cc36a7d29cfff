"""Run container tests on every platform of a multi-arch image, and fail where platforms differ.

Importing this loads nothing but itself, since pytest does so in every run: names are loaded when
they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_multiarch.core import errors, wait
    from pytest_multiarch.core.call import RunResult
    from pytest_multiarch.core.cost import Overhead
    from pytest_multiarch.core.errors import MultiarchError
    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.image_rules import allow_static
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.rules import Allowance, allow
    from pytest_multiarch.plugin.parity_checker import ParityChecker
    from pytest_multiarch.run.arguments import source
    from pytest_multiarch.run.container import Container
    from pytest_multiarch.run.network import Network
    from pytest_multiarch.run.overhead import OverheadMeter
    from pytest_multiarch.run.settings import Service, service
    from pytest_multiarch.run.variant import Variant

__all__ = [
    "Allowance",
    "Container",
    "Execution",
    "MultiarchError",
    "Network",
    "Overhead",
    "OverheadMeter",
    "ParityChecker",
    "Platform",
    "RunResult",
    "Service",
    "Variant",
    "__version__",
    "allow",
    "allow_static",
    "errors",
    "service",
    "source",
    "wait",
]
_MODULES = ("errors", "wait")
_HOMES = {
    "Allowance": "core.rules",
    "Container": "run.container",
    "Execution": "core.execution",
    "Network": "run.network",
    "Overhead": "core.cost",
    "OverheadMeter": "run.overhead",
    "ParityChecker": "plugin.parity_checker",
    "Platform": "core.platform",
    "RunResult": "core.call",
    "Service": "run.settings",
    "Variant": "run.variant",
    "allow": "core.rules",
    "allow_static": "core.image_rules",
    "service": "run.settings",
    "source": "run.arguments",
}


def __getattr__(name: str) -> object:
    """Load a public name."""
    import importlib

    if name == "__version__":
        from importlib.metadata import version

        return version("pytest-multiarch")
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.core.{name}")
    if name.endswith("Error"):
        return getattr(importlib.import_module(f"{__name__}.core.errors"), name)
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__version__: str
