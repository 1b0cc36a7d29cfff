"""The fixtures. Each exists twice: by its short name, and as `multiarch_<name>` for suites in
which the short one is taken; nothing here depends on a short one.

Every pytest run imports this; what the fixtures do is in `opening`, imported by the first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.settings import ImageEntry
    from pytest_multiarch.plugin.groups import PlatformParam
    from pytest_multiarch.plugin.parity_checker import ParityChecker
    from pytest_multiarch.run.container import Container
    from pytest_multiarch.run.overhead import OverheadMeter
    from pytest_multiarch.run.variant import Variant


@pytest.fixture(scope="session")
def _multiarch_platform(request: pytest.FixtureRequest) -> PlatformParam:
    param: PlatformParam | None = getattr(request, "param", None)
    if param is None:
        from pytest_multiarch.plugin import opening

        opening.refuse_late_request()
    return param


@pytest.fixture(scope="session")
def _multiarch_configured_image(request: pytest.FixtureRequest) -> ImageEntry | None:
    entry: ImageEntry | None = getattr(request, "param", None)
    return entry


@pytest.fixture(scope="session")
def multiarch_image() -> str | None:
    """The image of tests without an `image` mark; override it where the reference is computed."""
    return None


@pytest.fixture(scope="session")
def multiarch_build() -> object:
    """The image to build for tests without a mark for their image; override it where that is
    computed: give a context, or a mapping with the arguments of the `build` mark."""
    return None


@pytest.fixture(scope="session")
def multiarch_platform(_multiarch_platform: PlatformParam) -> Platform:
    """The platform that this run of the test is for."""
    return _multiarch_platform.platform


@pytest.fixture(scope="session")
def platform(_multiarch_platform: PlatformParam) -> Platform:
    """The platform that this run of the test is for."""
    return _multiarch_platform.platform


@pytest.fixture
def multiarch_variant(
    request: pytest.FixtureRequest,
    _multiarch_platform: PlatformParam,
    multiarch_image: str | None,
    multiarch_build: object,
) -> Variant:
    """The image of this platform: `variant.run(...)` runs a command in a fresh container."""
    from pytest_multiarch.plugin import opening

    return opening.open_variant(
        request, _multiarch_platform.platform, multiarch_image, multiarch_build
    )


@pytest.fixture
def variant(multiarch_variant: Variant) -> Variant:
    """The image of this platform: `variant.run(...)` runs a command in a fresh container."""
    return multiarch_variant


@pytest.fixture(scope="session")
def multiarch_shared_variant(
    request: pytest.FixtureRequest,
    _multiarch_platform: PlatformParam,
    multiarch_image: str | None,
    multiarch_build: object,
) -> Variant:
    """As `variant`, for fixtures wider than a test; what it runs is not observed."""
    from pytest_multiarch.plugin import opening

    return opening.open_shared_variant(
        request, _multiarch_platform, multiarch_image, multiarch_build
    )


@pytest.fixture(scope="session")
def shared_variant(multiarch_shared_variant: Variant) -> Variant:
    """As `variant`, for fixtures wider than a test; what it runs is not observed."""
    return multiarch_shared_variant


@pytest.fixture
def multiarch_variants(
    request: pytest.FixtureRequest,
    _multiarch_configured_image: ImageEntry | None,
    multiarch_image: str | None,
    multiarch_build: object,
) -> Mapping[Platform, Variant]:
    """All platforms of the test at once: a mapping from platform to variant.

    What they run is compared with each other at the end of the test.
    """
    from pytest_multiarch.plugin import opening

    return opening.open_variants(request, multiarch_image, multiarch_build)


@pytest.fixture
def variants(multiarch_variants: Mapping[Platform, Variant]) -> Mapping[Platform, Variant]:
    """All platforms of the test at once: a mapping from platform to variant.

    What they run is compared with each other at the end of the test.
    """
    return multiarch_variants


@pytest.fixture
def multiarch_overhead(
    request: pytest.FixtureRequest, multiarch_variants: Mapping[Platform, Variant]
) -> Iterator[OverheadMeter]:
    """Measures what a piece of work takes on all platforms: `overhead.measure("app", max=20)`.

    One test has all its platforms; they take turns.
    """
    from pytest_multiarch.plugin import opening

    yield from opening.open_meter(request, multiarch_variants)


@pytest.fixture
def overhead(multiarch_overhead: OverheadMeter) -> OverheadMeter:
    """Measures what a piece of work takes on all platforms: `overhead.measure("app", max=20)`.

    One test has all its platforms; they take turns.
    """
    return multiarch_overhead


@pytest.fixture
def multiarch_container(
    request: pytest.FixtureRequest, multiarch_variant: Variant
) -> Iterator[Container]:
    """A started container of this platform, ready, and removed afterwards.

    `@pytest.mark.container(...)` says how it is started, and when it is ready.
    """
    from pytest_multiarch.plugin import opening

    yield from opening.open_container(request, multiarch_variant)


@pytest.fixture
def container(multiarch_container: Container) -> Container:
    """A started container of this platform, ready, and removed afterwards.

    `@pytest.mark.container(...)` says how it is started, and when it is ready.
    """
    return multiarch_container


@pytest.fixture
def multiarch_parity(request: pytest.FixtureRequest) -> ParityChecker:
    """Adds observations of the test's own: `parity.check("total", total)`."""
    from pytest_multiarch.plugin import opening

    return opening.make_checker(request)


@pytest.fixture
def parity(multiarch_parity: ParityChecker) -> ParityChecker:
    """Adds observations of the test's own: `parity.check("total", total)`."""
    return multiarch_parity
