"""The fixtures. Each exists twice: by its short name, and as `multiarch_<name>` for suites in
which the short one is taken; nothing here depends on a short one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import pytest

from pytest_multiarch.core.errors import (
    MultiarchError,
    PlatformUnavailableError,
)
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.plugin.state import STATE, TRACE, PlatformParam, Trace
from pytest_multiarch.plugin.tracking import ParityChecker, TestRecorder, find_session
from pytest_multiarch.run.container import Container
from pytest_multiarch.run.variant import Variant

T = TypeVar("T")


@pytest.fixture(scope="session")
def _multiarch_platform(request: pytest.FixtureRequest) -> PlatformParam:
    param = getattr(request, "param", None)
    if not isinstance(param, PlatformParam):
        pytest.fail(
            "this test is not parametrized by platform: it, or a fixture of it, asks for "
            "`variant`, `container` or `platform` by request.getfixturevalue, or from where pytest "
            "cannot parametrize (unittest)\n"
            "ask for it as an argument of the test function, or of a fixture that is one",
            pytrace=False,
        )
    return param


@pytest.fixture(scope="session")
def multiarch_image() -> str | None:
    """The image of tests without an `image` mark; override it where the reference is computed."""
    return None


@pytest.fixture(scope="session")
def multiarch_platform(_multiarch_platform: PlatformParam) -> Platform:
    """The platform that this run of the test is for."""
    return _multiarch_platform.platform


@pytest.fixture(scope="session")
def platform(multiarch_platform: Platform) -> Platform:
    """The platform that this run of the test is for."""
    return multiarch_platform


@pytest.fixture
def multiarch_variant(
    request: pytest.FixtureRequest,
    _multiarch_platform: PlatformParam,
    multiarch_image: str | None,
) -> Variant:
    """The image of this platform: `variant.run(...)` runs a command in a fresh container."""
    marked = request.config.stash[STATE].declared.find_image(request.node)
    trace = request.node.stash[TRACE]
    return _open_variant(request, _multiarch_platform.platform, marked or multiarch_image, trace)


@pytest.fixture
def variant(multiarch_variant: Variant) -> Variant:
    """The image of this platform: `variant.run(...)` runs a command in a fresh container."""
    return multiarch_variant


@pytest.fixture(scope="session")
def multiarch_shared_variant(
    request: pytest.FixtureRequest,
    _multiarch_platform: PlatformParam,
    multiarch_image: str | None,
) -> Variant:
    """As `variant`, for fixtures wider than a test; what it runs is not observed."""
    image = _multiarch_platform.image or multiarch_image
    return _open_variant(request, _multiarch_platform.platform, image, None)


@pytest.fixture(scope="session")
def shared_variant(multiarch_shared_variant: Variant) -> Variant:
    """As `variant`, for fixtures wider than a test; what it runs is not observed."""
    return multiarch_shared_variant


@pytest.fixture
def multiarch_variants(
    request: pytest.FixtureRequest, multiarch_image: str | None
) -> Mapping[Platform, Variant]:
    """All platforms of the test at once: a mapping from platform to variant.

    What they run is compared with each other at the end of the test.
    """
    marked = request.config.stash[STATE].declared.find_image(request.node)
    trace = request.node.stash[TRACE]
    return _VariantsByPlatform(
        {
            platform: _open_variant(request, platform, marked or multiarch_image, trace)
            for platform in trace.platforms
        }
    )


@pytest.fixture
def variants(multiarch_variants: Mapping[Platform, Variant]) -> Mapping[Platform, Variant]:
    """All platforms of the test at once: a mapping from platform to variant."""
    return multiarch_variants


class _VariantsByPlatform(dict[Platform, Variant]):
    """Takes a platform also as it is written: `variants["linux/arm64"]`."""

    def __getitem__(self, key: Platform | str) -> Variant:
        return super().__getitem__(Platform.parse(key) if isinstance(key, str) else key)


@pytest.fixture
def multiarch_container(
    request: pytest.FixtureRequest, multiarch_variant: Variant
) -> Iterator[Container]:
    """A started container of this platform, ready, and removed afterwards.

    `@pytest.mark.container(...)` says how it is started, and when it is ready.
    """
    settings = request.config.stash[STATE].declared.find_container(request.node)
    trace = request.node.stash[TRACE]
    session = find_session(request.config)
    recorder = TestRecorder(trace, multiarch_variant.platform)
    container = _call(
        request, lambda: session.open_container(multiarch_variant, settings, recorder=recorder)
    )
    trace.containers.append(container)
    yield container
    _call(request, lambda: session.close_container(container, settings))


@pytest.fixture
def container(multiarch_container: Container) -> Container:
    """A started container of this platform, ready, and removed afterwards."""
    return multiarch_container


@pytest.fixture
def multiarch_parity(request: pytest.FixtureRequest) -> ParityChecker:
    """Adds observations of the test's own: `parity.check("total", total)`."""
    trace = request.node.stash.get(TRACE, None)
    if trace is None or not trace.platforms:
        pytest.fail(
            "`parity` compares platforms, and this test has none\n"
            "ask also for `variant`, `container`, `platform` or `variants`",
            pytrace=False,
        )
    return ParityChecker(trace)


@pytest.fixture
def parity(multiarch_parity: ParityChecker) -> ParityChecker:
    """Adds observations of the test's own: `parity.check("total", total)`."""
    return multiarch_parity


def _open_variant(
    request: pytest.FixtureRequest, platform: Platform, image: str | None, trace: Trace | None
) -> Variant:
    state = request.config.stash[STATE]
    text = image or state.settings.image.value
    if not text:
        pytest.fail(
            "the test names no image\n"
            'write @pytest.mark.image("name:tag"), override the fixture multiarch_image, give '
            "--multiarch-image REF, or write image: in multiarch.yaml",
            pytrace=False,
        )
    recorder = None if trace is None else TestRecorder(trace, platform)

    def open_it() -> Variant:
        reference = ImageReference.parse(state.settings.replace_image(text))
        return find_session(request.config).open_variant(reference, platform, recorder=recorder)

    variant = _call(request, open_it)
    if trace is not None:
        trace.variants[platform] = variant
    return variant


def _call(request: pytest.FixtureRequest, function: Callable[[], T]) -> T:
    """Call into the use cases; an error becomes the test's, explained, with no frames of ours."""
    state = request.config.stash[STATE]
    try:
        return function()
    except PlatformUnavailableError as error:
        if state.settings.unavailable == "skip":
            pytest.skip(error.headline)
        message = state.explain(error, request.node.nodeid)
    except MultiarchError as error:
        message = state.explain(error, request.node.nodeid)
    pytest.fail(message, pytrace=False)
