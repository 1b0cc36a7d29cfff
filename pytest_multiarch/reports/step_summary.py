"""The summary of a step of GitHub Actions: Markdown, as much as there is room for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_multiarch.reports.markdown import render_markdown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.core.merging import Judgement

_FENCE = re.compile("`{3,}")
_NOTE = "\n*There is more than a step summary has room for.*\n"
_LEAST = 500


def is_one_part(judgement: Judgement) -> bool:
    """Tell a run of some platforms, with which nothing is wrong and nothing can be compared yet.

    Its comparison is another job's to tell.
    """
    is_open = any(each.not_selected for each in judgement.verdicts)
    is_compared = any(each.compared for each in judgement.verdicts)
    return is_open and not is_compared and not judgement.has_failed


def render_step_summary(judgement: Judgement, room: int) -> str:
    """Give what a judgement comes to in no more bytes than there is room for; empty for none."""
    text = render_markdown(judgement)
    if _measure(text) <= room:
        return text
    return "".join(_cut(text, room - _LEAST)) + _NOTE if room > 2 * _LEAST else ""


def _cut(text: str, room: int) -> Iterator[str]:
    """Give whole lines as far as they fit; a block of code that is cut is closed."""
    fence = ""
    for line in text.splitlines(keepends=True):
        match = None if fence else _FENCE.match(line)
        opened = match[0] if match else fence
        room -= _measure(line)
        if room < len(opened):
            break
        yield line
        fence = "" if fence and line.rstrip("\n") == fence else opened
    if fence:
        yield f"{fence}\n"


def _measure(text: str) -> int:
    return len(text.encode("utf-8", "backslashreplace"))
