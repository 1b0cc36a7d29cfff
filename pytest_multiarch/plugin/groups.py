"""Groups: the collected tests that differ only in platform."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_multiarch.plugin.state import IMAGE_PARAM, MEMBERSHIP, PARAM, SPREAD, PluginState

if TYPE_CHECKING:
    import pytest

    from pytest_multiarch.core.build import BuildSpec
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.settings import ImageEntry
    from pytest_multiarch.plugin.marks import Declarations


@dataclass(frozen=True, slots=True, eq=False)
class PlatformParam:
    """The value a test is parametrized by.

    Tests of one value share wider fixtures, so everything that decides their image is in it. There
    is one object of each value, compared by identity: pytest hashes it many times per test.
    """

    platform: Platform
    image: str | BuildSpec = ""
    image_fixture: str = ""
    entry: ImageEntry | None = None

    def __repr__(self) -> str:
        return str(self.platform)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What members share: their declaration, and the values of all other parameters.

    `selected` maps the platforms that will run to the ids of their tests; `description` is what
    all members say of the group, once the first has made it.
    """

    name: str
    declared: tuple[Platform, ...]
    baseline: Platform | None
    others: tuple[object, ...]
    selected: dict[Platform, str] = field(default_factory=dict)
    description: list[str] = field(default_factory=list)

    def takes(self, others: tuple[object, ...]) -> bool:
        """Whether a test with these other parameters is a member: the same objects, not equal ones.

        (pytest lets two tests have one id.)
        """
        return len(self.others) == len(others) and all(map(operator.is_, self.others, others))


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A collected test's place in its group."""

    group: Group
    platform: Platform


def group_items(items: list[pytest.Item], declared: Declarations) -> None:
    """Give each test that has a platform its membership."""
    groups: dict[str, Group] = {}
    for item in items:
        callspec = getattr(item, "callspec", None)
        param = None if callspec is None else callspec.params.get(PARAM)
        if callspec is None or not isinstance(param, PlatformParam):
            continue
        others = tuple(value for name, value in callspec.params.items() if name != PARAM)
        name = found = name_group(item, param.platform)
        number = 1
        while found in groups and not groups[found].takes(others):
            number += 1
            found = f"{name} #{number}"
        if found not in groups:
            mark = declared.find_platforms(item)
            groups[found] = Group(
                name=found, declared=mark.platforms, baseline=mark.baseline, others=others
            )
        item.stash[MEMBERSHIP] = Membership(group=groups[found], platform=param.platform)


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


def is_selected(item: pytest.Item, state: PluginState) -> bool:
    """Whether the command line selects a test: its image, and its platform or one of them."""
    settings = state.settings
    entry = find_entry(item)
    if settings.selected_images and entry and entry.name not in settings.selected_images:
        return False
    membership = item.stash.get(MEMBERSHIP, None)
    if not settings.selected:
        return True
    if membership is not None:
        return membership.platform in settings.selected
    return SPREAD not in getattr(item, "fixturenames", ()) or bool(
        state.declared.select_platforms(item)
    )


def find_entry(item: pytest.Item) -> ImageEntry | None:
    """Give the configured image that a test was parametrized by, if it was."""
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return None
    param = callspec.params.get(PARAM)
    if isinstance(param, PlatformParam):
        return param.entry
    entry: ImageEntry | None = callspec.params.get(IMAGE_PARAM)
    return entry
