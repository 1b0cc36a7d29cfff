"""From marks to parametrized tests and groups; offline."""

from __future__ import annotations

import operator
import unittest
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import pytest
from _pytest.scope import Scope

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.plugin.marks import looks_like_ours
from pytest_multiarch.plugin.state import MEMBERSHIP, Membership, PlatformParam, PluginState

PARAM = "_multiarch_platform"
SPREAD = "multiarch_variants"
_SHARED = "multiarch_shared_variant"
_OWN_SESSION_FIXTURES = {
    PARAM, _SHARED, "shared_variant", "multiarch_image", "platform", "multiarch_platform",
}  # fmt: skip


class Parametrizer:
    """Gives each test that reaches a platform its parameters, and groups what differs only there."""

    def __init__(self, state: PluginState) -> None:
        self._state = state
        self._declared = state.declared

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
        node = metafunc.definition
        declared = self._declared.find_platforms(node)
        image = self._declared.find_image(node)
        source = _name_image_fixture(metafunc)
        params = [
            pytest.param(
                PlatformParam(platform, self._read_image(marks, node) or image, source),
                marks=marks,
                id=str(platform),
            )
            for platform, marks in declared.marks.items()
        ]
        scope = find_param_scope(metafunc)
        metafunc.parametrize(PARAM, params, indirect=True, scope=scope.value)

    def _read_image(self, marks: Iterable[Any], node: pytest.Item) -> str:
        """Give the image of a platform's own `pytest.param`."""
        for each in marks:
            if getattr(each, "name", "") == "image":
                return str(self._declared.read(each, node.path.parent))
        return ""

    def _check_marks(self, metafunc: pytest.Metafunc) -> None:
        """Read every mark that will be used, so that a wrong one is found at collection."""
        node = metafunc.definition
        closest = (node.get_closest_marker(name) for name in ("container", "parity", "image"))
        on_params = [mark for call in getattr(metafunc, "_calls", ()) for mark in call.marks]
        for mark in (*closest, *on_params):
            if mark is not None:
                self._declared.read(mark, node.path.parent)
        if _SHARED in metafunc.fixturenames and any(mark.name == "image" for mark in on_params):
            raise UsageError(
                "an image mark on a pytest.param cannot reach `shared_variant`, which is wider "
                "than one test",
                cure="put @pytest.mark.image on the test, its class or its module, or use "
                "`variant`",
            )

    @pytest.hookimpl(wrapper=True)
    def pytest_pycollect_makeitem(
        self, collector: pytest.Module | pytest.Class, name: str, obj: object
    ) -> Iterator[Any]:
        """Refuse platforms on unittest classes, whose tests pytest cannot parametrize."""
        if isinstance(obj, type) and issubclass(obj, unittest.TestCase):
            holders = (obj, *vars(obj).values())
            if any(_has_own_mark(holder) for holder in holders):
                pytest.fail(
                    f"{collector.nodeid}::{name}: @pytest.mark.platforms on a unittest.TestCase, "
                    "which pytest cannot parametrize\n"
                    "write the class without unittest.TestCase as its base",
                    pytrace=False,
                )
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Group members, and deselect platforms that were not selected, before others shard."""
        groups: dict[str, _Siblings] = {}
        selected = self._state.settings.selected
        kept: list[pytest.Item] = []
        dropped: list[pytest.Item] = []
        for item in items:
            membership = self._group(item, groups)
            is_kept = membership is None or not selected or membership.platform in selected
            (kept if is_kept else dropped).append(item)
        if dropped:
            items[:] = kept
            config.hook.pytest_deselected(items=dropped)

    def _group(self, item: pytest.Item, groups: dict[str, _Siblings]) -> Membership | None:
        callspec = getattr(item, "callspec", None)
        param = None if callspec is None else callspec.params.get(PARAM)
        if callspec is None or not isinstance(param, PlatformParam):
            return None
        others = tuple(value for name, value in callspec.params.items() if name != PARAM)
        name = group = name_group(item, param.platform)
        number = 1
        while group in groups and not groups[group].has(others):
            number += 1  # pytest allows two tests with one id
            group = f"{name} #{number}"
        if group not in groups:
            declared = self._declared.find_platforms(item)
            groups[group] = _Siblings(others, declared.platforms, declared.baseline, {})
        siblings = groups[group]
        item.stash[MEMBERSHIP] = membership = Membership(
            group=group,
            platform=param.platform,
            declared=siblings.declared,
            baseline=siblings.baseline,
            selected=siblings.selected,
        )
        return membership

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which members are left to run, once everybody has deselected."""
        for item in session.items:
            membership = item.stash.get(MEMBERSHIP, None)
            if membership is not None:
                membership.selected[membership.platform] = item.nodeid
                self._state.selected.add(membership.platform)


@dataclass(frozen=True, slots=True)
class _Siblings:
    """What the members of one group share: all other parameters, and what was declared."""

    others: tuple[object, ...]
    declared: tuple[Platform, ...]
    baseline: Platform | None
    selected: dict[Platform, str]

    def has(self, others: tuple[object, ...]) -> bool:
        """Whether a test with these other parameters is one of them: the same objects."""
        return len(self.others) == len(others) and all(map(operator.is_, self.others, others))


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


def find_param_scope(metafunc: pytest.Metafunc) -> Scope:
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
    return widest


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


def _has_own_mark(holder: object) -> bool:
    marks = getattr(holder, "pytestmark", [])
    for each in marks if isinstance(marks, list) else [marks]:
        mark = each.mark if isinstance(each, pytest.MarkDecorator) else each
        if isinstance(mark, pytest.Mark) and mark.name == "platforms" and looks_like_ours(mark):
            return True
    return False


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
