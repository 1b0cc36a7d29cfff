"""Where the recipes of a run are: in memory, or under xdist in a private folder of the session.

They never go on a report: what a worker's report has is the place of its recipe in the folder.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_multiarch.core.errors import RecordError
from pytest_multiarch.core.recipe import Recipe, RecordedCall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.normalize import TextFunction
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.files.recipe_file import Place, RecipeFolder
    from pytest_multiarch.plugin.trace import Trace
    from pytest_multiarch.run.started import StartedContainer


def name_folder(run_id: str) -> str:
    """Give the folder of a session's recipes; it is made when the first of them is written."""
    return str(Path(tempfile.gettempdir()) / f"pytest-multiarch-recipes-{run_id}")


def make_recipe(trace: Trace, platform: Platform) -> Recipe | None:
    """Say how to make the calls of one member again; None if it made none."""
    variant = trace.variants.get(platform)
    if variant is None or not trace.seen:
        return None
    started: dict[int, tuple[int, StartedContainer]] = {}
    calls: list[RecordedCall] = []
    for seen, position in trace.seen:
        if seen.variant.platform != platform:
            continue
        container = -1
        if seen.started is not None:
            known = started.setdefault(id(seen.started), (len(started), seen.started))
            container = known[0]
        calls.append(
            RecordedCall(
                kind=seen.kind,
                call=seen.call,
                position=position,
                container=container,
                step=seen.step,
            )
        )
    if not any(each.position is not None for each in calls):
        return None
    return Recipe(
        platform=platform,
        reference=variant.reference,
        digest=variant.digest,
        rules=trace.rules,
        calls=tuple(calls),
        containers=tuple(each.to_recipe() for _, each in started.values()),
        secrets=dict(trace.secrets),
    )


class RecipeKeeper(Protocol):
    """Keeps the recipes of the tests that a process runs."""

    def keep(self, node_id: str, recipe: Recipe) -> Place | None:
        """Keep a test's recipe; give where it is, if the session's owner is to know."""

    def close(self) -> None:
        """Let go of what it has open."""


class RecipeMemory:
    """The recipes of a lone process, until their groups have their verdicts."""

    def __init__(self) -> None:
        self._recipes: dict[tuple[str, Platform], Recipe] = {}

    def keep(self, node_id: str, recipe: Recipe) -> None:
        """Keep a test's recipe; of several attempts the last one counts."""
        self._recipes[node_id, recipe.platform] = recipe

    def find(self, node_id: str, platform: Platform) -> Recipe | None:
        """Give a test's recipe."""
        return self._recipes.get((node_id, platform))

    def forget(self, node_id: str, platform: Platform) -> None:
        """Let a test's recipe go."""
        self._recipes.pop((node_id, platform), None)

    def close(self) -> None:
        """Let all recipes go."""
        self._recipes.clear()


class WorkerRecipes:
    """The recipes of a worker of xdist, in the folder that the owner reads."""

    def __init__(self, path: str, worker: str) -> None:
        self._path = path
        self._worker = worker
        self._folder: RecipeFolder | None = None

    def keep(self, node_id: str, recipe: Recipe) -> Place | None:  # noqa: ARG002
        """Write a test's recipe; a disk that is full must not end the tests."""
        from pytest_multiarch.files.recipe_file import RecipeFolder

        if self._folder is None:
            self._folder = RecipeFolder(Path(self._path))
        try:
            return self._folder.write(self._worker, recipe)
        except OSError:
            return None

    def close(self) -> None:
        """Let the file go."""
        if self._folder is not None:
            self._folder.close()


def read_recipe(
    path: str, worker: str, place: Place, platform: Platform, named: Mapping[str, TextFunction]
) -> Recipe:
    """Read what a worker wrote; what cannot be read says so as its problem."""
    from pytest_multiarch.files.recipe_file import RecipeFolder

    try:
        return RecipeFolder(Path(path)).read(worker, place, named=named)
    except RecordError as error:
        return Recipe(platform=platform, reference="", digest="", problem=error.headline)
