"""From marks to parametrized tests; a wrong mark is an error where it is collected."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from _pytest.scope import Scope

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.plugin.groups import PlatformParam
from pytest_multiarch.plugin.marks import Declarations, PlatformsMark, looks_like_ours
from pytest_multiarch.plugin.state import PARAM, SPREAD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _pytest.mark.structures import ParameterSet

_SHARED = "multiarch_shared_variant"
_CHECKED_MARKS = ("image", "container", "parity")
_OWN_FIXTURES = "pytest_multiarch.plugin.fixtures"


class Parametrizer:
    """Parametrizes tests; those that declare the same share their parameters."""

    def __init__(self, declarations: Declarations) -> None:
        self._declarations = declarations
        self._params: dict[tuple[int, str, str], tuple[PlatformsMark, list[ParameterSet]]] = {}
        self._interned: dict[tuple[Any, ...], PlatformParam] = {}

    def parametrize(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize a test by its platforms, unless it has them all at once."""
        is_spread = SPREAD in metafunc.fixturenames
        try:
            if is_spread:
                _refuse_both_kinds(metafunc)
            declared = self._declarations.find_platforms(metafunc.definition)
            _check_marks(metafunc, self._declarations, declared)
            if not is_spread:
                self._add_platforms(metafunc, declared)
        except UsageError as error:
            problem = error
        else:
            return
        # Raised out here, since pytest would show both errors of one that handles another.
        _fail(metafunc.definition.nodeid, problem)

    def _add_platforms(self, metafunc: pytest.Metafunc, declared: PlatformsMark) -> None:
        node = metafunc.definition
        image = self._declarations.find_image(node)
        source = _name_image_fixture(metafunc)
        key = id(declared), image, source
        if key not in self._params:
            self._params[key] = (
                declared,
                [
                    pytest.param(
                        self._intern(platform, self._find_own_image(marks, node) or image, source),
                        marks=marks,
                        id=str(platform),
                    )
                    for platform, marks in declared.marks.items()
                ],
            )
        scope = find_param_scope(metafunc)
        metafunc.parametrize(PARAM, self._params[key][1], indirect=True, scope=scope.value)

    def _intern(self, *values: Any) -> PlatformParam:
        return self._interned.setdefault(values, PlatformParam(*values))

    def _find_own_image(self, marks: Iterable[Any], node: pytest.Item) -> str:
        """Give the image of a platform's own `pytest.param`."""
        for each in marks:
            if each.name == "image":
                return str(self._declarations.read(each, node))
        return ""


def _refuse_both_kinds(metafunc: pytest.Metafunc) -> None:
    if PARAM in metafunc.fixturenames:
        raise UsageError(
            "the test asks for `variants`, all platforms at once, and for a fixture that is one "
            "platform's",
            cure="use either `variants`, or `variant`, `container`, `platform`",
        )


def _check_marks(
    metafunc: pytest.Metafunc, declarations: Declarations, declared: PlatformsMark
) -> None:
    """Read every mark that will be used, so that a wrong one is found at collection."""
    node = metafunc.definition
    closest = [node.get_closest_marker(name) for name in _CHECKED_MARKS]
    of_platforms = [mark for marks in declared.marks.values() for mark in marks]
    of_params = [mark for call in getattr(metafunc, "_calls", ()) for mark in call.marks]
    for mark in (*closest, *of_platforms, *of_params):
        if mark is not None and mark.name in _CHECKED_MARKS:
            declarations.read(mark, node)
    if _SHARED in metafunc.fixturenames and any(mark.name == "image" for mark in of_params):
        raise UsageError(
            "an image mark on a pytest.param cannot reach `shared_variant`, which is wider than "
            "one test",
            cure="put @pytest.mark.image on the test, its class or its module, or use `variant`",
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
        scope = definitions[-1]._scope  # noqa: SLF001 (its public twin is a word)  # noqa: SLF001 (`scope` has the word only)
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
