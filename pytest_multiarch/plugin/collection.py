"""The hooks of collection: they find the tests that are ours, and leave all others alone."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.plugin.options import keeps_record
from pytest_multiarch.plugin.state import MEMBERSHIP, PARAM, SPREAD, PluginState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.plugin.parametrize import Parametrizer


class Collection:
    """Has our tests parametrized and grouped, and watched once they run; offline."""

    def __init__(self, state: PluginState) -> None:
        self._state = state

    @cached_property
    def _parametrizer(self) -> Parametrizer:
        from pytest_multiarch.plugin.parametrize import Parametrizer

        return Parametrizer(self._state.declared)

    @pytest.hookimpl(trylast=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize last, so that the platform stands last in ids."""
        names = metafunc.fixturenames
        if PARAM in names or SPREAD in names:
            self._parametrizer.parametrize(metafunc)
        elif any(mark.name == "platforms" for mark in metafunc.definition.own_markers):
            from pytest_multiarch.plugin.parametrize import refuse_idle_mark

            refuse_idle_mark(metafunc.definition)

    @pytest.hookimpl(wrapper=True)
    def pytest_pycollect_makeitem(
        self, collector: pytest.Module | pytest.Class, name: str, obj: object
    ) -> Iterator[Any]:
        """Refuse platforms on unittest classes, whose tests pytest cannot parametrize."""
        unittest = sys.modules.get("unittest")
        if unittest is not None and isinstance(obj, type) and issubclass(obj, unittest.TestCase):
            from pytest_multiarch.plugin.parametrize import refuse_unittest

            refuse_unittest(f"{collector.nodeid}::{name}", obj)
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Group members, and deselect platforms that were not selected, before others shard."""
        if not any(map(_is_ours, items)):
            return
        from pytest_multiarch.plugin.groups import group_items, is_selected

        group_items(items, self._state.declared)
        dropped = [item for item in items if not is_selected(item, self._state)]
        if dropped:
            items[:] = [item for item in items if is_selected(item, self._state)]
            config.hook.pytest_deselected(items=dropped)
        if keeps_record(config):
            self._state.collected = dropped

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which members are left to run, once everybody has deselected."""
        if self._state.collected or keeps_record(session.config):
            self._note_collected(session)
        for item in session.items:
            membership = item.stash.get(MEMBERSHIP, None)
            if membership is not None:
                membership.group.selected[membership.platform] = item.nodeid
                self._state.selected.add(membership.platform)
            elif SPREAD in getattr(item, "fixturenames", ()):
                self._state.selected.update(self._state.declared.select_platforms(item))
        self._state.items = session.items
        manager = session.config.pluginmanager
        if self._state.selected and not manager.has_plugin("multiarch-tracker"):
            from pytest_multiarch.plugin.tracking import Tracker

            manager.register(Tracker(self._state), "multiarch-tracker")
        path = session.config.getoption("--multiarch-collected")
        if path and not self._state.worker:
            from pytest_multiarch.plugin.listing import write_collected

            write_collected(session, self._state.declared, path)

    def _note_collected(self, session: pytest.Session) -> None:
        """Keep our tests for the record: those that will run, and those of which the platform is
        not selected, unless `-k` or `-m` leaves them out anyway."""
        dropped = self._state.collected
        marks = session.config.pluginmanager.get_plugin("mark")
        if dropped and marks is not None:
            marks.pytest_collection_modifyitems(items=dropped, config=session.config)
        self._state.collected = [*filter(_is_ours, session.items), *dropped]


def _is_ours(item: pytest.Item) -> bool:
    names = getattr(item, "fixturenames", ())
    return PARAM in names or SPREAD in names
