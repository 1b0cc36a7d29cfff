"""From marks to parametrized tests and groups; offline."""

from __future__ import annotations

import unittest
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import pytest
from _pytest.scope import Scope

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.plugin.marks import (
    PlatformsMark,
    looks_like_ours,
    parse_container_mark,
    parse_image_mark,
    parse_parity_mark,
    parse_platforms_mark,
)
from pytest_multiarch.plugin.state import MEMBERSHIP, STATE, Membership, PlatformParam, PluginState

PARAM = "_multiarch_platform"
SPREAD = "multiarch_variants"
_SHARED = "multiarch_shared_variant"
_OWN_SESSION_FIXTURES = {PARAM, _SHARED, "shared_variant", "multiarch_image"}


class Parametrizer:
    """Gives each test that reaches a platform its parameters, and groups what differs only there."""

    def __init__(self, state: PluginState) -> None:
        self._state = state

    @pytest.hookimpl(trylast=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize last, so that the platform stands last in ids."""
        is_member, is_spread = PARAM in metafunc.fixturenames, SPREAD in metafunc.fixturenames
        try:
            if is_member and is_spread:
                raise UsageError(
                    "the test asks for `variants`, all platforms at once, and for a fixture that "
                    "is one platform's",
                    cure="use either `variants`, or `variant`, `container`, `platform`",
                )
            if is_member or is_spread:
                self._check_marks(metafunc)
            if is_member:
                self._parametrize(metafunc)
            elif not is_spread:
                _refuse_idle_mark(metafunc)
        except UsageError as error:
            _fail(metafunc.definition, error)

    def _parametrize(self, metafunc: pytest.Metafunc) -> None:
        declared = self.find_platforms(metafunc.definition)
        scope = find_param_scope(metafunc)
        image = self._find_image(metafunc)
        source = _name_image_fixture(metafunc)
        params = [
            pytest.param(
                PlatformParam(platform, self._image_of(marks) or image, source),
                marks=marks,
                id=str(platform),
            )
            for platform, marks in declared.marks.items()
        ]
        metafunc.parametrize(PARAM, params, indirect=True, scope=scope)

    def find_platforms(self, node: pytest.Item) -> PlatformsMark:
        """Give the platforms of a test: its closest mark's, else the defaults.

        Raises:
            UsageError: there are neither.
        """
        mark = node.get_closest_marker("platforms")
        if mark is not None:
            found: PlatformsMark = self._state.marks.read(mark, parse_platforms_mark)
            return found
        settings = self._state.settings
        if not settings.platforms.value:
            raise UsageError(
                "the test names no platforms, and there are no defaults",
                cure='write @pytest.mark.platforms("linux/amd64", "linux/arm64"), or '
                "platforms: [linux/amd64, linux/arm64] in multiarch.yaml",
            )
        platforms = settings.platforms.value
        baseline = settings.baseline.value
        return PlatformsMark(
            platforms=platforms,
            marks=dict.fromkeys(platforms, ()),
            baseline=baseline if baseline in platforms else None,
        )

    def _find_image(self, metafunc: pytest.Metafunc) -> str:
        mark = metafunc.definition.get_closest_marker("image")
        image: str = "" if mark is None else self._state.marks.read(mark, parse_image_mark)
        if _SHARED in metafunc.fixturenames:
            for marks in _list_param_marks(metafunc):
                if any(each.name == "image" for each in marks):
                    raise UsageError(
                        "an image mark on a pytest.param cannot reach `shared_variant`, which is "
                        "wider than one test",
                        cure="put @pytest.mark.image on the test, its class or its module, or use "
                        "`variant`",
                    )
        return image

    def _image_of(self, marks: Iterable[Any]) -> str:
        for each in marks:
            mark = getattr(each, "mark", each)
            if mark.name == "image":
                found: str = self._state.marks.read(mark, parse_image_mark)
                return found
        return ""

    def _check_marks(self, metafunc: pytest.Metafunc) -> None:
        """Read every mark that will be used, so that a wrong one is found at collection."""
        node = metafunc.definition
        marks = [node.get_closest_marker(name) for name in ("container", "parity", "image")]
        for mark in [*marks, *(each for some in _list_param_marks(metafunc) for each in some)]:
            if mark is None:
                continue
            mark = getattr(mark, "mark", mark)
            if mark.name == "container":
                folder = node.path.parent
                self._state.marks.read(mark, lambda m: parse_container_mark(m, folder=folder))
            elif mark.name == "parity":
                settings = self._state.settings
                self._state.marks.read(mark, lambda m: parse_parity_mark(m, settings))
            elif mark.name == "image":
                self._state.marks.read(mark, parse_image_mark)

    @pytest.hookimpl(wrapper=True)
    def pytest_pycollect_makeitem(
        self, collector: pytest.Module | pytest.Class, name: str, obj: object
    ) -> Iterator[Any]:
        """Refuse platforms on unittest classes, whose tests pytest cannot parametrize."""
        if isinstance(obj, type) and issubclass(obj, unittest.TestCase):
            for holder in (obj, *vars(obj).values()):
                marks = getattr(holder, "pytestmark", ())
                for mark in marks if isinstance(marks, list) else [marks]:
                    mark = getattr(mark, "mark", mark)
                    if mark.name == "platforms" and looks_like_ours(mark):
                        pytest.fail(
                            f"{collector.nodeid}::{name}: @pytest.mark.platforms on a "
                            "unittest.TestCase, which pytest cannot parametrize\n"
                            "write the class without unittest.TestCase as its base",
                            pytrace=False,
                        )
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Group members, and deselect platforms that were not selected, before others shard."""
        groups: dict[str, tuple[tuple[object, ...], Membership]] = {}
        kept, dropped = [], []
        for item in items:
            membership = self._group(item, groups)
            if membership is None or self._is_selected(membership.platform):
                kept.append(item)
            else:
                dropped.append(item)
        if dropped:
            items[:] = kept
            config.hook.pytest_deselected(items=dropped)

    def _is_selected(self, platform: Platform) -> bool:
        selected = self._state.settings.selected
        return not selected or platform in selected

    def _group(
        self, item: pytest.Item, groups: dict[str, tuple[tuple[object, ...], Membership]]
    ) -> Membership | None:
        callspec = getattr(item, "callspec", None)
        param = callspec.params.get(PARAM) if callspec is not None else None
        if not isinstance(param, PlatformParam):
            return None
        group = name_group(item, param.platform)
        others = tuple(v for k, v in callspec.params.items() if k != PARAM)  # type: ignore[union-attr]
        declared = self.find_platforms(item)
        number = 1
        while True:
            key = group if number == 1 else f"{group} #{number}"
            known = groups.get(key)
            if known is None:
                membership = Membership(
                    group=key,
                    platform=param.platform,
                    declared=declared.platforms,
                    baseline=declared.baseline,
                    selected={},
                )
                groups[key] = (others, membership)
                break
            if len(known[0]) == len(others) and all(map(_is_same, known[0], others)):
                first = known[1]
                membership = Membership(
                    group=key,
                    platform=param.platform,
                    declared=first.declared,
                    baseline=first.baseline,
                    selected=first.selected,
                )
                break
            number += 1
        item.stash[MEMBERSHIP] = membership
        return membership

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which members are left to run, once everybody has deselected."""
        for item in session.items:
            membership = item.stash.get(MEMBERSHIP, None)
            if membership is not None:
                membership.selected[membership.platform] = item.nodeid
                self._state.selected.add(membership.platform)


def _is_same(one: object, other: object) -> bool:
    return one is other or (isinstance(one, PlatformParam) and one == other)


def name_group(item: pytest.Item, platform: Platform) -> str:
    """Give the id of a test without its platform: `test_x[a-linux/arm64]` is of `test_x[a]`.

    The platform is the last part of an id that is its; pytest-repeat adds one after it.
    """
    stem = item.nodeid[: item.nodeid.rfind(item.name)]
    base, bracket, inside = item.name.partition("[")
    parts = inside.removesuffix("]").split("-") if bracket else []
    text = str(platform)
    for position in range(len(parts) - 1, -1, -1):
        if parts[position] == text:
            del parts[position]
            break
    return f"{stem}{base}[{'-'.join(parts)}]" if parts else f"{stem}{base}"


def find_param_scope(metafunc: pytest.Metafunc) -> str:
    """Give the widest scope of the user's fixtures that depend on the platform.

    pytest then keeps the tests of one platform together as far as such a fixture reaches, and
    sets it up once for each; without any, the members of a group stay side by side.
    """
    fixturedefs: dict[str, Any] = getattr(metafunc, "_arg2fixturedefs", {})
    widest = Scope.Function
    for name, definitions in fixturedefs.items():
        if name in _OWN_SESSION_FIXTURES or not definitions:
            continue
        scope = definitions[-1]._scope
        if scope > widest and _depends(name, fixturedefs, set()):
            widest = scope
    return str(widest.value)


def _depends(name: str, fixturedefs: dict[str, Any], seen: set[str]) -> bool:
    if name == PARAM:
        return True
    if name in seen or name not in fixturedefs:
        return False
    seen.add(name)
    return any(
        _depends(argument, fixturedefs, seen)
        for definition in fixturedefs[name]
        for argument in definition.argnames
    )


def _name_image_fixture(metafunc: pytest.Metafunc) -> str:
    definitions = getattr(metafunc, "_arg2fixturedefs", {}).get("multiarch_image")
    return str(definitions[-1].baseid) if definitions else ""


def _list_param_marks(metafunc: pytest.Metafunc) -> list[tuple[Any, ...]]:
    return [tuple(call.marks) for call in getattr(metafunc, "_calls", ())]


def _refuse_idle_mark(metafunc: pytest.Metafunc) -> None:
    for mark in metafunc.definition.own_markers:
        if mark.name == "platforms" and looks_like_ours(mark):
            raise UsageError(
                "@pytest.mark.platforms on a test that uses no fixture of pytest-multiarch: it "
                "would run on no platform",
                cure="ask for `variant`, `container`, `platform` or `variants` as an argument of "
                "the test (request.getfixturevalue is too late), or take the mark off",
            )


def _fail(node: pytest.Item, error: UsageError) -> NoReturn:
    pytest.fail(f"{node.nodeid}: {error}", pytrace=False)


def describe_state(config: pytest.Config) -> PluginState:
    """Give the plugin's state of this process."""
    return config.stash[STATE]
