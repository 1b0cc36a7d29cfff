"""What was collected, written for `pytest-multiarch matrix`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.matrix import COLLECTED_VERSION, CollectedGroup
from pytest_multiarch.plugin.groups import find_entry
from pytest_multiarch.plugin.state import MEMBERSHIP, SPREAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.plugin.marks import Declarations
    from pytest_multiarch.plugin.state import PluginState


def write_collected(session: pytest.Session, declared: Declarations, path: str) -> None:
    """Write the groups among a session's tests as one JSON document.

    Raises:
        pytest.UsageError: the file cannot be written.
    """
    groups = [each.to_mapping() for each in list_groups(session.items, declared)]
    document = {
        "version": COLLECTED_VERSION,
        "rootdir": str(session.config.rootpath),
        "groups": groups,
    }
    try:
        Path(path).write_text(json.dumps(document), encoding="utf-8")
    except OSError as error:
        raise pytest.UsageError(f"--multiarch-collected: {error}") from None


def describe_collected(state: PluginState) -> list[dict[str, Any]]:
    """Give every collected group with its platforms, declared and selected, as JSON holds it."""
    return [
        {
            "group": each.name,
            "declared": [*map(str, each.declared)],
            "selected": [*map(str, each.selected)],
        }
        for each in list_groups(state.collected, state.declared)
    ]


def list_groups(items: Iterable[pytest.Item], declared: Declarations) -> Iterator[CollectedGroup]:
    """Give each group of the tests once; a test that has its platforms all at once is its own."""
    seen: set[int] = set()
    for item in items:
        membership = item.stash.get(MEMBERSHIP, None)
        if membership is not None and id(membership.group) not in seen:
            group = membership.group
            seen.add(id(group))
            yield CollectedGroup(
                name=group.name,
                declared=group.declared,
                selected=tuple(group.selected),
                baseline=group.baseline,
                image=_name_entry(item),
            )
        elif SPREAD in getattr(item, "fixturenames", ()):
            mark = declared.find_platforms(item)
            yield CollectedGroup(
                name=item.nodeid,
                declared=mark.platforms,
                selected=declared.select_platforms(item),
                baseline=mark.baseline,
                image=_name_entry(item),
            )


def _name_entry(item: pytest.Item) -> str:
    entry = find_entry(item)
    return entry.name if entry else ""
