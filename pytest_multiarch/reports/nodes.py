"""Which node ran what: said where there are several, or where one is not as configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.reports.diff import clean, cut

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.platform import Platform


def list_nodes(members: Iterable[Member], *, notes_only: bool = False) -> list[tuple[str, str]]:
    """Give pairs of a platform and the node that ran it, with what is to be said of that.

    Empty where one node ran everything as it should. `notes_only` leaves out the nodes of which
    there is nothing else to say.
    """
    places: dict[tuple[Platform, str, str], None] = {}
    for each in members:
        if each.execution is not None and each.node:
            places[each.platform, each.node, each.execution.note] = None
    if len({node for _, node, _ in places}) < 2 or notes_only:
        places = {place: None for place in places if place[2] or not notes_only}
        if not any(note for _, _, note in places):
            return []
    return [
        (str(platform), cut(clean(f"{node}, {note}" if note else node), 400))
        for platform, node, note in places
    ]
