"""A badge for a README: the platforms that were tested, and whether they behave the same."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.core.platform import Platform

_GREEN, _ORANGE, _RED, _GREY = "#2a6844", "#a8380a", "#a01240", "#5c5951"
_LABEL_COLOR = "#33312d"
_HEIGHT = 20
_PADDING = 7
_NARROW = frozenset("fijlrt1 /.,·|")
_WIDE = frozenset("mw≠✓✕—")


def render_badge(judgement: Judgement) -> str:
    """Render the platforms that tests ran on as SVG; those that diverged or failed are marked.

    Its text is fitted to the width it was given, whatever font there is.
    """
    tested = _list_tested(judgement)
    marks = {each: _mark(each, judgement) for each in tested}
    systems = {each.os for each in tested}
    label = systems.pop() if len(systems) == 1 else "platforms"
    names = (str(each).removeprefix(f"{label}/") for each in tested)
    parts = [f"{name} {mark}" for name, mark in zip(names, marks.values(), strict=True)]
    title = f"Tested on {', '.join(_describe(each, marks[each]) for each in tested) or 'nothing'}"
    return _draw(label, "  ".join(parts) or "not tested", _choose_color(judgement, tested), title)


def _list_tested(judgement: Judgement) -> tuple[Platform, ...]:
    """Give the platforms on which something ran, in the order of the longest declaration."""
    ran = {each.platform for each in judgement.members if each.outcome.has_run}
    declared = sorted({each.declared for each in judgement.verdicts}, key=lambda d: (-len(d), d))
    return tuple(p for p in dict.fromkeys(p for each in declared for p in each) if p in ran)


def _mark(platform: Platform, judgement: Judgement) -> str:
    if platform in _list_diverging(judgement):
        return "≠"
    return "✕" if any(each.platform == platform for each in judgement.failed) else "✓"


def _list_diverging(judgement: Judgement) -> set[Platform]:
    return {p for verdict in judgement.diverged for d in verdict.differences for p in d.others}


def _describe(platform: Platform, mark: str) -> str:
    words = {"≠": " (differs)", "✕": " (failed)"}
    return f"{platform}{words.get(mark, '')}"


def _choose_color(judgement: Judgement, tested: Iterable[Platform]) -> str:
    if judgement.diverged:
        return _ORANGE
    if judgement.has_failed:
        return _RED
    return _GREEN if any(each.compared for each in judgement.verdicts) and tested else _GREY


def _draw(label: str, message: str, color: str, title: str) -> str:
    left, right = (_measure(each) + 2 * _PADDING for each in (label, message))
    width = left + right
    texts = "\n".join(
        f'<text x="{x}" y="14" textLength="{size - 2 * _PADDING}" '
        f'lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'
        for text, x, size in ((label, _PADDING, left), (message, left + _PADDING, right))
    )
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" role="img" \
aria-label="{escape(title)}">
<title>{escape(title)}</title>
<clipPath id="round"><rect width="{width}" height="{_HEIGHT}" rx="4"/></clipPath>
<g clip-path="url(#round)">
<rect width="{left}" height="{_HEIGHT}" fill="{_LABEL_COLOR}"/>
<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{color}"/>
</g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" xml:space="preserve">
{texts}
</g>
</svg>
"""


def _measure(text: str) -> int:
    """Estimate the width of a text in pixels, at 11 pixels of Verdana."""
    return round(sum(4.3 if c in _NARROW else 9.5 if c in _WIDE else 7.0 for c in text))
