"""Looking for what in two variants differs that a call comes to: in containers never started."""

from __future__ import annotations

import posixpath
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import MultiarchError
from pytest_multiarch.core.repeats import Repeats
from pytest_multiarch.core.static_cause import CallReach, find_static_causes, list_named_paths
from pytest_multiarch.run.calls import list_command, measure_entrypoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_multiarch.core.call import Call
    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.recipe import Recipe, RecordedCall
    from pytest_multiarch.core.settling import CallInQuestion
    from pytest_multiarch.core.variant import ResolvedVariant
    from pytest_multiarch.run.partial_tree import PartialTree
    from pytest_multiarch.run.variant import Variant

Pair = tuple["CallInQuestion", "CallInQuestion"]
_FILE_LIMIT = 32 * 1024 * 1024


def look_for_causes(
    pairs: Sequence[Pair],
    recipes: Mapping[Platform, Recipe],
    open_variant: Callable[[Recipe], Variant],
    read_observation: Callable[[CallInQuestion], Observation],
    *,
    is_over: Callable[[], bool],
) -> tuple[Repeats, ...]:
    """Find static causes of calls that differ between two platforms; never raises.

    What cannot be looked at has none. They come as repeats of the second call of each pair.
    """
    found: list[Repeats] = []
    with ExitStack() as stack:
        opened = _Opened(recipes, open_variant, stack)
        for ours, theirs in pairs:
            if is_over():
                break
            try:
                causes = find_static_causes(
                    _reach(ours, opened),
                    _reach(theirs, opened),
                    texts={e.platform: _list_texts(read_observation(e)) for e in (ours, theirs)},
                )
            except Exception:  # noqa: BLE001, S112 (the evidence that is there must not be lost)
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


class _Opened:
    """The variants of recipes, each opened once, and their files."""

    def __init__(
        self,
        recipes: Mapping[Platform, Recipe],
        open_variant: Callable[[Recipe], Variant],
        stack: ExitStack,
    ) -> None:
        self.recipes = recipes
        self._open_variant = open_variant
        self._stack = stack
        self._found: dict[Platform, tuple[ResolvedVariant, PartialTree] | Exception] = {}

    def find(self, platform: Platform) -> tuple[ResolvedVariant, PartialTree]:
        """Give a platform's variant and files; or raise, each time, why there are none."""
        if platform not in self._found:
            try:
                variant = self._open_variant(self.recipes[platform])
                files = variant.node.auditor.open_files(variant.resolved, file_limit=_FILE_LIMIT)
                self._found[platform] = variant.resolved, self._stack.enter_context(files)
            except (MultiarchError, LookupError) as error:
                self._found[platform] = error
        found = self._found[platform]
        if isinstance(found, Exception):
            raise found
        return found


def _reach(question: CallInQuestion, opened: _Opened) -> CallReach:
    """Say what a call comes to.

    Raises:
        MultiarchError, LookupError: its image cannot be looked into, or nothing is known of it.
    """
    resolved, tree = opened.find(question.platform)
    recipe = opened.recipes[question.platform]
    found = recipe.find_call(question.position)
    if found is None:
        raise LookupError(f"{question.own_label} has no recipe")
    is_exec = found.kind == "exec"
    call = (
        _join_calls(recipe.containers[found.container].call, found.call) if is_exec else found.call
    )
    return CallReach(
        platform=question.platform,
        config=resolved.config,
        call=call,
        words=call.argv if is_exec else list_command(resolved, call),
        entrypoint_size=0 if is_exec else measure_entrypoint(resolved, call),
        is_exec=is_exec,
        tree=tree,
        put_in=tuple(_list_put_in(recipe, found)),
    )


def _join_calls(container: Call, call: Call) -> Call:
    """Give an exec with what holds for it of its container."""
    return replace(
        call,
        env={**container.env, **call.env},
        user=call.user or container.user,
        workdir=posixpath.join(container.workdir, call.workdir),
    )


def _list_put_in(recipe: Recipe, found: RecordedCall) -> list[str]:
    """Give the paths that a test put into the container of a call, mounted there, or may have
    written by an earlier call that names them."""
    calls, put = [found.call], list[str]()
    if found.kind == "exec":
        container = recipe.containers[found.container]
        steps = container.steps[: found.step]
        put += [file.path for step in steps for file in step.files]
        before = [container.call, *(step.call for step in steps if step.call is not None)]
        put += [path for each in before for path in list_named_paths(each.argv)]
        calls += before
    for call in calls:
        put += [file.path for file in call.files if not file.is_folder]
        put += [each.target for each in call.options.volumes]
        put += [path for path, _ in call.options.tmpfs]
    return put


def _list_texts(observation: Observation) -> list[str]:
    excerpts = (each.raw or each.excerpt for each in observation.streams)
    return [text for each in excerpts for text in (each.head, each.tail)]
