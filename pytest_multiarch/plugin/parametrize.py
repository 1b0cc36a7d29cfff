"""From marks to parametrized tests; a wrong mark is an error where it is collected."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from _pytest.scope import Scope

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.plugin.groups import PlatformParam
from pytest_multiarch.plugin.marks import (
    IMAGE_MARKS,
    Declarations,
    PlatformsMark,
    looks_like_ours,
    parse_overhead_mark,
)
from pytest_multiarch.plugin.state import IMAGE_PARAM, METER, PARAM, SPREAD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _pytest.mark.structures import ParameterSet

    from pytest_multiarch.core.build import BuildSpec
    from pytest_multiarch.core.settings import ImageEntry

    Choice = tuple[ImageEntry | None, PlatformsMark]

_SHARED = "multiarch_shared_variant"
_CHECKED_MARKS = ("image", "build", "container", "parity", "audit", "index", "static_parity")
_IMAGE_CHECKS = ("audit", "index", "static_parity")
_OWN_FIXTURES = "pytest_multiarch.plugin.fixtures"
_IMAGE_SOURCES = ("multiarch_image", "multiarch_build")
_IMAGE_FIXTURES = {"multiarch_variant", _SHARED, SPREAD}


class Parametrizer:
    """Parametrizes tests; those that declare the same share their parameters."""

    def __init__(self, declarations: Declarations) -> None:
        self._declarations = declarations
        self._params: dict[tuple[Any, ...], tuple[PlatformsMark, list[ParameterSet]]] = {}
        self._interned: dict[tuple[Any, ...], PlatformParam] = {}

    def parametrize(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize a test by its platforms, and by the configured images if it names none.

        One that has its platforms all at once is parametrized by images only.
        """
        is_spread = SPREAD in metafunc.fixturenames
        try:
            if is_spread:
                _refuse_both_kinds(metafunc)
            entries = self._list_entries(metafunc)
            choices = [
                (entry, self._declarations.find_platforms(metafunc.definition, entry))
                for entry in entries or (None,)
            ]
            _check_marks(metafunc, self._declarations, choices[0][1])
            if not is_spread:
                self._add_platforms(metafunc, choices)
            elif entries:
                _add_images(metafunc, entries)
        except UsageError as error:
            problem = error
        else:
            return
        # Raised out here, since pytest would show both errors of one that handles another.
        _fail(metafunc.definition.nodeid, problem)

    def _list_entries(self, metafunc: pytest.Metafunc) -> tuple[ImageEntry, ...]:
        """Give the configured images, if a test needs an image and names none."""
        entries = self._declarations.entries
        if not entries or _IMAGE_FIXTURES.isdisjoint(metafunc.fixturenames):
            return ()
        return () if _names_image(metafunc) else entries

    def _add_platforms(self, metafunc: pytest.Metafunc, choices: list[Choice]) -> None:
        image = self._declarations.find_image(metafunc.definition)
        source = _name_image_fixture(metafunc)
        entry, declared = choices[0]  # what tests share of the first image, they share of all
        key = id(declared), entry, image, source
        if key not in self._params:
            params = list(self._make_params(metafunc.definition, choices, image, source))
            self._params[key] = declared, params
        scope = find_param_scope(metafunc)
        metafunc.parametrize(PARAM, self._params[key][1], indirect=True, scope=scope.value)

    def _make_params(
        self, node: pytest.Item, choices: list[Choice], image: str | BuildSpec, source: str
    ) -> Iterable[ParameterSet]:
        for entry, declared in choices:
            for platform, marks in declared.marks.items():
                named = self._find_own_image(marks, node) or (entry.image if entry else image)
                yield _make_param(self._intern(platform, named, source, entry), marks)

    def _intern(self, *values: Any) -> PlatformParam:
        return self._interned.setdefault(values, PlatformParam(*values))

    def _find_own_image(self, marks: Iterable[Any], node: pytest.Item) -> str | BuildSpec:
        """Give the image of a platform's own `pytest.param`."""
        for each in marks:
            if each.name in IMAGE_MARKS:
                found: str | BuildSpec = self._declarations.read(each, node)
                return found
        return ""


def _make_param(
    value: PlatformParam, marks: tuple[pytest.Mark | pytest.MarkDecorator, ...]
) -> ParameterSet:
    if value.entry is None:
        return pytest.param(value, marks=marks, id=str(value.platform))
    of_image = pytest.mark.image(value.entry.image)
    # The marks of the platform itself stand last, where they are the closest.
    named = f"{value.entry.name}-{value.platform}"
    return pytest.param(value, marks=(of_image, *marks), id=named)


def _add_images(metafunc: pytest.Metafunc, entries: tuple[ImageEntry, ...]) -> None:
    params = [
        pytest.param(each, marks=pytest.mark.image(each.image), id=each.name) for each in entries
    ]
    metafunc.parametrize(IMAGE_PARAM, params, indirect=True, scope="function")


def _names_image(metafunc: pytest.Metafunc) -> bool:
    """Whether a test names its image, by a mark, by one of its parameters or by a fixture."""
    found = getattr(metafunc, "_arg2fixturedefs", {})
    definitions = [found[name][-1] for name in _IMAGE_SOURCES if found.get(name)]
    return bool(
        any(metafunc.definition.get_closest_marker(name) for name in IMAGE_MARKS)
        or any(mark.name in IMAGE_MARKS for mark in _list_param_marks(metafunc))
        or any(each.func.__module__ != _OWN_FIXTURES for each in definitions)
    )


def _list_param_marks(metafunc: pytest.Metafunc) -> list[Any]:
    return [mark for call in getattr(metafunc, "_calls", ()) for mark in call.marks]


def _refuse_both_kinds(metafunc: pytest.Metafunc) -> None:
    if PARAM in metafunc.fixturenames:
        name = "overhead" if METER in metafunc.fixturenames else "variants"
        raise UsageError(
            f"the test asks for `{name}`, all platforms at once, and for a fixture that is one "
            "platform's",
            cure=f"use either `{name}`, or `variant`, `container`, `platform`",
        )


def _check_marks(
    metafunc: pytest.Metafunc, declarations: Declarations, declared: PlatformsMark
) -> None:
    """Read every mark that will be used, so that a wrong one is found at collection."""
    node = metafunc.definition
    closest = [node.get_closest_marker(name) for name in _CHECKED_MARKS]
    of_platforms = [mark for marks in declared.marks.values() for mark in marks]
    of_params = _list_param_marks(metafunc)
    _check_budgets(metafunc, declarations, (*of_platforms, *of_params))
    for mark in (*closest, *of_platforms, *of_params):
        if mark is not None and mark.name in _CHECKED_MARKS:
            declarations.read(mark, node)
    _refuse_idle_check(metafunc)
    if _SHARED in metafunc.fixturenames and any(m.name in IMAGE_MARKS for m in of_params):
        raise UsageError(
            "an image or build mark on a pytest.param cannot reach `shared_variant`, which is "
            "wider than one test",
            cure="put the mark on the test, its class or its module, or use `variant`",
        )


def _refuse_idle_check(metafunc: pytest.Metafunc) -> None:
    """Refuse a test's own mark that says how an image is checked, where the test opens none."""
    opening = _IMAGE_FIXTURES.intersection(metafunc.fixturenames)
    if opening - {_SHARED}:
        return
    for mark in metafunc.definition.own_markers:
        if mark.name in _IMAGE_CHECKS and opening:
            raise UsageError(
                f"@pytest.mark.{mark.name} cannot reach `shared_variant`, which is wider than one "
                "test: the mark would do nothing",
                cure=f"write {mark.name}: in multiarch.yaml, which holds for all tests, or ask "
                "for `variant` too",
            )
        if mark.name in _IMAGE_CHECKS:
            raise UsageError(
                f"@pytest.mark.{mark.name} on a test that opens no image: nothing would be checked",
                cure="ask for `variant`, `container` or `variants`, or take the mark off",
            )


def _check_budgets(
    metafunc: pytest.Metafunc, declarations: Declarations, of_params: Iterable[Any]
) -> None:
    """Read the budgets of a test, and refuse those of one that takes no time in containers."""
    node = metafunc.definition
    own = [mark for mark in of_params if mark.name == "overhead"]
    if node.get_closest_marker("overhead") is None and not own:
        return
    declared = declarations.find_platforms(node).platforms
    for mark in own:
        parse_overhead_mark(getattr(mark, "mark", mark), declared)
    declarations.find_budgets(node)
    if {"multiarch_variant", SPREAD}.isdisjoint(metafunc.fixturenames):
        raise UsageError(
            "@pytest.mark.overhead on a test that runs nothing of its own in a container, so that "
            "there is no time to judge",
            cure="ask for `variant`, `container` or `overhead`, or take the mark off",
        )


def find_param_scope(metafunc: pytest.Metafunc) -> Scope:
    """Give the widest scope of the user's fixtures that depend on the platform.

    pytest then keeps the tests of one platform together as far as such a fixture reaches, and
    sets it up once for each; without any, the members of a group stay side by side.
    """
    fixturedefs: dict[str, Any] = getattr(metafunc, "_arg2fixturedefs", {})
    widest = Scope.Function
    for name, definitions in fixturedefs.items():
        if not definitions or definitions[-1].func.__module__ == _OWN_FIXTURES:
            continue
        scope = definitions[-1]._scope  # noqa: SLF001 (its public twin is a word)
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
    """Name the places of the fixtures that say which image a test runs."""
    found = getattr(metafunc, "_arg2fixturedefs", {})
    places = [str(found[name][-1].baseid) if found.get(name) else "" for name in _IMAGE_SOURCES]
    return " ".join(places).rstrip()


def refuse_idle_mark(node: pytest.Item) -> None:
    """Refuse a mark of ours on a test with no fixture of ours; other projects' marks pass."""
    for mark in node.own_markers:
        if mark.name == "platforms" and looks_like_ours(mark):
            _fail(
                node.nodeid,
                UsageError(
                    "@pytest.mark.platforms on a test that uses no fixture of pytest-multiarch: "
                    "it would run on no platform",
                    cure="ask for `variant`, `container`, `platform` or `variants` as an argument "
                    "of the test (request.getfixturevalue is too late), or take the mark off",
                ),
            )


def refuse_unittest(name: str, kind: type) -> None:
    """Refuse a mark of ours on a `unittest.TestCase`, or on a method of it."""
    methods = filter(inspect.isfunction, vars(kind).values())
    if any(_has_own_mark(holder) for holder in (kind, *methods)):
        _fail(
            name,
            UsageError(
                "@pytest.mark.platforms on a unittest.TestCase, which pytest cannot parametrize",
                cure="write the class without unittest.TestCase as its base",
            ),
        )


def _has_own_mark(holder: object) -> bool:
    marks = getattr(holder, "pytestmark", [])
    for each in marks if isinstance(marks, (list, tuple)) else [marks]:
        mark = each.mark if isinstance(each, pytest.MarkDecorator) else each
        if isinstance(mark, pytest.Mark) and mark.name == "platforms" and looks_like_ours(mark):
            return True
    return False


def _fail(where: str, error: UsageError) -> NoReturn:
    pytest.fail(f"{where}: {error}", pytrace=False)
