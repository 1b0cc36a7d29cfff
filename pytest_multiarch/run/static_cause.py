"""Looking for what in two variants differs that a call comes to: in containers never started."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import MultiarchError
from pytest_multiarch.core.repeats import Repeats
from pytest_multiarch.core.static_cause import CallReach, find_static_causes
from pytest_multiarch.run.calls import list_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.recipe import Recipe, RecordedCall
    from pytest_multiarch.core.settling import CallInQuestion
    from pytest_multiarch.core.variant import ResolvedVariant
    from pytest_multiarch.run.partial_tree import PartialTree
    from pytest_multiarch.run.variant import Variant

Pair = tuple["CallInQuestion", "CallInQuestion"]
_Opened = tuple["ResolvedVariant", "PartialTree"]


def look_for_causes(
    pairs: Sequence[Pair],
    recipes: Mapping[Platform, Recipe],
    open_variant: Callable[[Recipe], Variant],
    read_observation: Callable[[CallInQuestion], Observation],
) -> tuple[Repeats, ...]:
    """Find static causes of calls that differ between two platforms; never raises a MultiarchError.

    What cannot be looked at has none. They come as repeats of the second call of each pair.
    """
    found: list[Repeats] = []
    opened: dict[Platform, _Opened] = {}
    with ExitStack() as stack:
        for ours, theirs in pairs:
            try:
                for each in (ours, theirs):
                    if each.platform not in opened:
                        variant = open_variant(recipes[each.platform])
                        files = variant.node.auditor.open_files(variant.resolved)
                        opened[each.platform] = variant.resolved, stack.enter_context(files)
                causes = find_static_causes(
                    _reach(ours, recipes, opened),
                    _reach(theirs, recipes, opened),
                    texts={e.platform: _list_texts(read_observation(e)) for e in (ours, theirs)},
                )
            except MultiarchError:
                continue
            if causes:
                found.append(
                    Repeats(
                        label=theirs.own_label,
                        kind=theirs.kind,  # type: ignore[arg-type]
                        number=theirs.own_number,
                        platform=theirs.platform,
                        static_causes={ours.platform: causes},
                    )
                )
    return tuple(found)


def _reach(
    question: CallInQuestion, recipes: Mapping[Platform, Recipe], opened: Mapping[Platform, _Opened]
) -> CallReach:
    recipe = recipes[question.platform]
    resolved, tree = opened[question.platform]
    found = recipe.find_call(question.position)
    assert found is not None  # it was made again
    is_exec = found.kind == "exec"
    own = resolved.config.entrypoint if found.call.entrypoint is None else found.call.entrypoint
    return CallReach(
        platform=question.platform,
        config=resolved.config,
        call=found.call,
        words=found.call.argv if is_exec else list_command(resolved, found.call),
        entrypoint_size=0 if is_exec else len(tuple(filter(None, own))),
        is_exec=is_exec,
        tree=tree,
        put_in=tuple(_list_put_in(recipe, found)),
    )


def _list_put_in(recipe: Recipe, found: RecordedCall) -> list[str]:
    """Give the paths that a test put into the container of a call, or mounted there."""
    calls = [found.call]
    if found.kind == "exec":
        container = recipe.containers[found.container]
        calls.append(container.call)
        put = [file.path for step in container.steps[: found.step] for file in step.files]
    else:
        put = []
    for call in calls:
        put += [file.path for file in call.files if not file.is_folder]
        put += [each.target for each in call.options.volumes]
        put += [path for path, _ in call.options.tmpfs]
    return put


def _list_texts(observation: Observation) -> list[str]:
    excerpts = (each.raw or each.excerpt for each in observation.streams)
    return [text for each in excerpts for text in (each.head, each.tail)]
