"""What the fixtures do: from a test's declarations to variants and containers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn, TypeVar

import pytest
from _pytest.outcomes import Failed

from pytest_multiarch.core.by_platform import ByPlatform
from pytest_multiarch.core.errors import MultiarchError, PlatformUnavailableError
from pytest_multiarch.plugin.asking import resolve_image
from pytest_multiarch.plugin.building import provide_image, read_computed
from pytest_multiarch.plugin.measuring import make_meter
from pytest_multiarch.plugin.parity_checker import ParityChecker
from pytest_multiarch.plugin.reports import EXPLAINS
from pytest_multiarch.plugin.state import SPREAD, STATE, TRACE, find_session
from pytest_multiarch.plugin.trace import TestRecorder, Trace
from pytest_multiarch.run.audit import refuse_findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_multiarch.core.build import BuildSpec
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.reference import ImageReference
    from pytest_multiarch.core.settings import Settings
    from pytest_multiarch.plugin.groups import PlatformParam
    from pytest_multiarch.plugin.state import PluginState
    from pytest_multiarch.run.container import Container
    from pytest_multiarch.run.overhead import OverheadMeter
    from pytest_multiarch.run.variant import Variant

T = TypeVar("T")


def refuse_late_request() -> NoReturn:
    """Fail a test that is not parametrized, with what to write instead."""
    _fail(
        "this test is not parametrized by platform: it, or a fixture of it, asks for "
        "`variant`, `container` or `platform` by request.getfixturevalue, or from where pytest "
        "cannot parametrize (unittest)",
        "ask for it as an argument of the test function, or of a fixture that is one",
    )


def open_variant(
    request: pytest.FixtureRequest, platform: Platform, computed: str | None, built: object
) -> Variant:
    """Open a platform's variant for one test, which records what it runs.

    `computed` and `built` are what the fixtures say of its image, if it has no mark for that.
    """
    marked = request.config.stash[STATE].declared.find_image(request.node)
    trace = request.node.stash[TRACE]
    return _open(request, platform, marked or computed, built, trace)


def open_shared_variant(
    request: pytest.FixtureRequest, param: PlatformParam, computed: str | None, built: object
) -> Variant:
    """Open a platform's variant for fixtures wider than a test."""
    return _open(request, param.platform, param.image or computed, built, None)


def open_variants(
    request: pytest.FixtureRequest, computed: str | None, built: object
) -> Mapping[Platform, Variant]:
    """Open all variants of a test that has them at once."""
    if SPREAD not in request.fixturenames or TRACE not in request.node.stash:
        _fail(
            "`variants` was asked for by request.getfixturevalue, when it is too late to tell "
            "which platforms the test has",
            "ask for it as an argument of the test function, or of a fixture that is one",
        )
    platforms = request.node.stash[TRACE].platforms
    return ByPlatform(
        {platform: open_variant(request, platform, computed, built) for platform in platforms}
    )


def open_meter(
    request: pytest.FixtureRequest, variants: Mapping[Platform, Variant]
) -> Iterator[OverheadMeter]:
    """Make what a test measures with, and remove its containers when resumed."""
    trace = request.node.stash[TRACE]
    session = find_session(request.config)
    state = request.config.stash[STATE]
    meter = _call(request, lambda: make_meter(request.node, state, session, variants, trace))
    yield meter
    _call(request, meter.close)


def open_container(request: pytest.FixtureRequest, variant: Variant) -> Iterator[Container]:
    """Start a test's container, and remove it when resumed."""
    settings = request.config.stash[STATE].declared.find_container(request.node)
    trace = request.node.stash[TRACE]
    session = find_session(request.config)
    recorder = TestRecorder(trace, variant.platform)
    for each in (settings, *(service.container for service in settings.services)):
        recorder.note_env(each.call.env)
    container = _call(request, lambda: session.open_container(variant, settings, recorder=recorder))
    recorder.note_container(container)
    yield container
    _call(request, lambda: session.close_container(container, settings))


def make_checker(request: pytest.FixtureRequest) -> ParityChecker:
    """Make what takes the observations of a test's own."""
    trace = request.node.stash.get(TRACE, None)
    if trace is None:
        _fail(
            "`parity` compares platforms, and this test has none",
            "ask also for `variant`, `container`, `platform` or `variants`",
        )
    return ParityChecker(trace)


def _open(
    request: pytest.FixtureRequest,
    platform: Platform,
    image: str | BuildSpec | None,
    built: object,
    trace: Trace | None,
) -> Variant:
    settings = request.config.stash[STATE].settings
    computed = None if image else _call(request, lambda: read_computed(request, built))
    source = image or computed or settings.image.value or settings.build.value
    if not source:
        _refuse_nameless(settings)
    recorder = None if trace is None else TestRecorder(trace, platform)

    def open_it() -> Variant:
        item = None if trace is None else request.node
        reference = provide_image(request, item, platform, source, is_computed=computed is not None)
        session = find_session(request.config)

        def name_image(name: str) -> ImageReference:
            return resolve_image(request.config, item, name)

        variant = session.open_variant(
            reference, platform, recorder=recorder, name_image=name_image
        )
        if trace is not None:
            trace.variants[platform] = variant
        _look_first(request, variant, item)
        return variant

    return _call(request, open_it)


def _look_first(request: pytest.FixtureRequest, variant: Variant, item: pytest.Item | None) -> None:
    """Look at an image before anything of it runs; what is learned goes on record.

    A fixture wider than a test has no `item`, whose marks say how.

    Raises:
        WrongArchitectureError: it holds programs for another platform.
    """
    state = request.config.stash[STATE]
    rules = state.declared.find_image_rules(item)
    declared = () if item is None else state.declared.find_platforms(item).platforms
    if state.settings.parity == "off":
        rules = replace(rules, static_parity=replace(rules.static_parity, parts=()))
    inspected = find_session(request.config).look_first(variant, rules, declared)
    state.note_inspected(variant.reference, inspected)
    for report in inspected.audits:
        refuse_findings(variant.resolved, report)


def _refuse_nameless(settings: Settings) -> NoReturn:
    if settings.images.value:
        _fail(
            "the test names no image, and is not parametrized by the several images configured",
            "put the image mark on each pytest.param, if on any; ask for the variant as an "
            "argument of the test function, since request.getfixturevalue is too late",
        )
    _fail(
        "the test names no image",
        'write @pytest.mark.image("name:tag") or @pytest.mark.build("."), override the fixture '
        "multiarch_image, give --multiarch-image REF, or write image: or build: in multiarch.yaml",
    )


def _call(request: pytest.FixtureRequest, function: Callable[[], T]) -> T:
    """Call into the use cases; an error becomes the test's, explained, with no frames of ours."""
    state = request.config.stash[STATE]
    try:
        return function()
    except PlatformUnavailableError as error:
        if state.settings.unavailable == "skip":
            pytest.skip(error.headline)
        raise _explain(state, error) from None
    except MultiarchError as error:
        if request.config.getoption("fulltrace"):
            raise
        raise _explain(state, error) from None


def _explain(state: PluginState, error: MultiarchError) -> Failed:
    failed = Failed(state.explain(error), pytrace=False)
    setattr(failed, EXPLAINS, error)
    return failed


def _fail(what: str, cure: str) -> NoReturn:
    pytest.fail(f"{what}\n{cure}", pytrace=False)
