"""Asks those who implement our hooks; what goes wrong there is said with the place of the hook."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.core.rules import Allowance
from pytest_multiarch.plugin import builtin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    import pluggy
    import pytest

    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.core.normalize import TextFunction

    ReportFormat = Callable[[Judgement], str]

_CALLERS = ("pluggy", "pytest_multiarch")


def gather_normalizers(config: pytest.Config) -> Mapping[str, TextFunction]:
    """Give the normalizers that have names; of two of one name, the one that is asked first.

    Raises:
        UsageError: an implementation failed, or gave no mapping from names to functions.
    """
    hook = config.hook.pytest_multiarch_normalizers
    gathered: dict[str, TextFunction] = {}
    with _blame(f"the hook {hook.name}"):
        answers = hook(config=config)
    for answer in reversed(answers):
        if not _names_functions(answer):
            raise _refuse(hook, answer, "a mapping from names to functions from text to text")
        gathered.update(answer)
    return gathered


def _names_functions(answer: object) -> bool:
    return isinstance(answer, Mapping) and all(
        isinstance(name, str) and callable(function) for name, function in answer.items()
    )


def gather_report_formats(config: pytest.Config) -> Mapping[str, ReportFormat]:
    """Give the formats of reports by name; of two of one name, the one that is asked first.

    Raises:
        UsageError: an implementation failed, or gave no mapping from names to functions.
    """
    hook = config.hook.pytest_multiarch_report_formats
    gathered: dict[str, ReportFormat] = {}
    with _blame(f"the hook {hook.name}"):
        answers = hook(config=config)
    for answer in reversed(answers):
        if not _names_functions(answer):
            raise _refuse(hook, answer, "a mapping from names to functions that give text")
        gathered.update(answer)
    return gathered


def render_report(name: str, render: ReportFormat, judgement: Judgement) -> str:
    """Have a report made.

    Raises:
        UsageError: the function failed, or gave no text.
    """
    with _blame(f"the report format {name}"):
        text = render(judgement)
    if not isinstance(text, str):
        raise UsageError(
            f"the report format {name} gave {text!r:.200}",
            cure=f"implemented at {_locate(render)}, it has to give text",
        )
    return text


def resolve_image(
    config: pytest.Config, item: pytest.Item | None, reference: str
) -> ImageReference:
    """Give the image that runs where `reference` is named: the same one if nobody says another.

    Raises:
        UsageError: an implementation failed, or gave no reference; or `reference` is none.
    """
    # Of a shared variant the answer must not depend on which test is the first to ask for it.
    hook = (config.hook if item is None else item.ihook).pytest_multiarch_resolve_image
    with _blame(f"the hook {hook.name}"):
        answer = hook(config=config, item=item, reference=reference)
    if answer is None:
        return ImageReference.parse(reference)
    if isinstance(answer, str):
        try:
            return ImageReference.parse(answer)
        except UsageError:
            pass
    raise _refuse(
        hook, answer, "an image reference as text, for example 'ghcr.io/acme/app:1.4', or None"
    )


def gather_allowances(item: pytest.Item) -> tuple[Allowance, ...]:
    """Give the differences that are known and right for a test, besides those of its mark.

    Raises:
        UsageError: an implementation failed, or gave something else than allowances.
    """
    hook = item.ihook.pytest_multiarch_allowances
    gathered: list[Allowance] = []
    with _blame(f"the hook {hook.name}"):
        # An implementation may be a generator, which is at work only when it is iterated over.
        answers = [list(each) if isinstance(each, Iterable) else each for each in hook(item=item)]
    for answer in answers:
        if not isinstance(answer, list) or not all(isinstance(each, Allowance) for each in answer):
            raise _refuse(hook, answer, "a list of pytest_multiarch.allow(..., reason=...)")
        gathered += answer
    return tuple(gathered)


@contextmanager
def _blame(what: str) -> Iterator[None]:
    """Turn an exception in others' code into an error that shows where in there it was raised."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (anything can go wrong in code that is not ours)
        name, frames = type(error).__name__, traceback.format_tb(_skip_callers(error.__traceback__))
        problem = UsageError(f"{what} failed: {name}: {error}\n{''.join(frames)}")
    else:
        return
    raise problem


def _skip_callers(frame: TracebackType | None) -> TracebackType | None:
    while frame is not None and _name_package(frame) in _CALLERS:
        frame = frame.tb_next
    return frame


def _name_package(frame: TracebackType) -> str:
    return str(frame.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _refuse(hook: pluggy.HookCaller, answer: object, expected: str) -> UsageError:
    functions = [each.function for each in hook.get_hookimpls()]
    places = [_locate(each) for each in functions if each.__module__ != builtin.__name__]
    return UsageError(
        f"the hook {hook.name} gave {answer!r:.200}",
        cure=f"implemented at {' and '.join(places)}, it has to give {expected}",
    )


def _locate(function: Callable[..., object]) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)
