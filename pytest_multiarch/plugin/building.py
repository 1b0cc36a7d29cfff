"""Images that are built for tests: which, and for which platforms."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.build import BUILD_KEYS, BuildSpec, make_build_spec
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.plugin.asking import resolve_image
from pytest_multiarch.plugin.state import MEMBERSHIP, SPREAD, STATE, find_session
from pytest_multiarch.run.build import refuse_failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.reference import ImageReference
    from pytest_multiarch.plugin.state import PluginState

_OPENING = {"multiarch_variant", "multiarch_shared_variant", SPREAD}
_OWN_FIXTURES = "pytest_multiarch.plugin.fixtures"
_FIXTURE = "multiarch_build"


def read_computed(request: pytest.FixtureRequest, value: object) -> BuildSpec | None:
    """Read what an overridden `multiarch_build` gave; a relative context is beside its file.

    Raises:
        UsageError: it is nothing that says what to build.
    """
    if value is None or isinstance(value, BuildSpec):
        return value
    arguments = dict(value) if isinstance(value, Mapping) else {"context": value}
    unknown = [name for name in arguments if name not in BUILD_KEYS]
    if unknown:
        raise UsageError(
            f"the fixture {_FIXTURE} gave {unknown[0]!r}", cure=f"valid are {', '.join(BUILD_KEYS)}"
        )
    try:
        # A fixture wider than a test is asked for by a test, and its node may not see the fixture.
        item = request._pyfuncitem  # noqa: SLF001 (pytest has no public way)
        return make_build_spec(**arguments, folder=_find_folder(item).as_posix())
    except UsageError as error:
        raise UsageError(f"the fixture {_FIXTURE}: {error.what}", cure=error.cure) from None


def _find_folder(item: pytest.Item) -> Path:
    definition = _find_definition(item)
    file = inspect.getsourcefile(inspect.unwrap(definition.func)) if definition else None
    return Path(file).parent if file else Path.cwd()


def _find_definition(item: pytest.Item, name: str = _FIXTURE) -> Any:
    """Give what a test takes for a fixture; one asked for by name alone is not in its closure."""
    definitions = item._fixtureinfo.name2fixturedefs.get(name)  # type: ignore[attr-defined]  # noqa: SLF001
    if not definitions:
        manager = item.session._fixturemanager  # noqa: SLF001 (pytest has no public way)
        definitions = manager.getfixturedefs(name, item)
    return definitions[-1] if definitions else None


def provide_image(
    request: pytest.FixtureRequest,
    item: pytest.Item | None,
    platform: Platform,
    source: str | BuildSpec,
    *,
    is_computed: bool = False,
) -> ImageReference:
    """Give the reference of a test's image, built if it is one to be built.

    `is_computed`: a fixture said what to build, which collection does not know.

    Raises:
        BuildError: it could not be built for the platform.
    """
    if isinstance(source, str):
        return resolve_image(request.config, item, source)
    replaced = resolve_image(request.config, item, source.name)
    if replaced.text != source.name:
        return replaced
    state = request.config.stash[STATE]
    wanted = _list_platforms(state, source, is_computed=is_computed)
    reference, build = find_session(request.config).build(source, platform, wanted)
    state.note_build(build)
    refuse_failed(build, platform)
    return reference


def _list_platforms(
    state: PluginState, spec: BuildSpec, *, is_computed: bool
) -> Iterator[Platform]:
    """Give the platforms that the tests of the session need of an image."""
    for item in state.items:
        if _OPENING.isdisjoint(getattr(item, "fixturenames", ())):
            continue
        need = _name_need(item, state)
        if need != spec.key and not (is_computed and need == _FIXTURE):
            continue
        membership = item.stash.get(MEMBERSHIP, None)
        if membership is not None:
            yield membership.platform
        else:
            yield from state.declared.select_platforms(item)


def _name_need(item: pytest.Item, state: PluginState) -> str:
    """Say what a test has built: the key of an image, or that a fixture says which."""
    marked = state.declared.find_image(item)
    if marked:
        return marked.key if isinstance(marked, BuildSpec) else ""
    if _is_overridden(item, "multiarch_image"):
        return ""
    if _is_overridden(item, _FIXTURE):
        return _FIXTURE
    settings = state.settings
    configured = None if settings.image.value else settings.build.value
    return configured.key if configured else ""


def _is_overridden(item: pytest.Item, name: str) -> bool:
    definition = _find_definition(item, name)
    return definition is not None and definition.func.__module__ != _OWN_FIXTURES
