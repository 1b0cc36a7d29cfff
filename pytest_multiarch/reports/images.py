"""What looking at images came to, without running them: as a failure, and in lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_multiarch.reports.account import Section
from pytest_multiarch.reports.diff import clean, cut
from pytest_multiarch.reports.summary import UNBOUNDED, Layout
from pytest_multiarch.reports.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.inspected import ImageVerdict
    from pytest_multiarch.core.static_parity import StaticDifference

_MOST_LISTED = 40
_WIDTH = 300


def make_image_headline(verdict: ImageVerdict) -> str:
    """Say in a line what is wrong with an image."""
    parts = []
    if verdict.index:
        parts.append(clean(verdict.index[0].what))
        if len(verdict.index) > 1:
            parts.append(f"{len(verdict.index) - 1} more in its index")
    number = len(verdict.open_differences)
    if number:
        verb = "differs" if number == 1 else "differ"
        first = "" if number > 1 else f": {clean(verdict.open_differences[0].subject)}"
        parts.append(f"{count(number, 'thing')} {verb} between its variants{first}")
    if not parts:
        parts.append(f"{count(len(verdict.notes), 'thing')} could not be looked at")
    return cut(f"{clean(verdict.reference)}: {', and '.join(parts)}", _WIDTH)


def render_image(verdict: ImageVerdict) -> str:
    """Give the whole text of an image that is not in order: what, and what mends it."""
    return "\n".join(_list_lines(verdict))


def _list_lines(verdict: ImageVerdict) -> Iterator[str]:
    yield make_image_headline(verdict)
    for finding in verdict.index[:_MOST_LISTED]:
        yield from ("", cut(clean(finding.what), _WIDTH), f"  {clean(finding.cure)}")
    if verdict.notes:
        yield from ("", "not looked at:")
        yield from (f"  {cut(clean(each), _WIDTH)}" for each in verdict.notes)
    differences = verdict.open_differences
    if not differences:
        return
    yield from ("", "found without running anything:")
    for difference in differences[:_MOST_LISTED]:
        yield from describe_difference(difference)
    if len(differences) > _MOST_LISTED:
        yield f"  ... and {len(differences) - _MOST_LISTED} more"
    subject = json.dumps(clean(differences[0].subject))
    yield from (
        "",
        "build the variants alike, or allow what is right, with a reason: in multiarch.yaml",
        f'  static_parity: {{allow: [{{subject: {subject}, reason: "..."}}]}}',
        f"all of it: pytest-multiarch inspect {clean(verdict.reference)} --static-parity",
    )


def describe_difference(difference: StaticDifference) -> Iterator[str]:
    """Give lines for a difference: what, then what each variant has."""
    subject = cut(clean(difference.subject), _WIDTH)
    yield f"  {difference.part.value}: {subject} ({difference.aspect})"
    width = max((len(str(each)) for each in difference.values), default=0)
    for platform, value in difference.values.items():
        yield f"    {platform!s:{width}}  {cut(clean(value), _WIDTH)}"


def list_images(
    verdicts: Iterable[ImageVerdict], *, is_failing: bool = True, layout: Layout = UNBOUNDED
) -> Iterator[Section]:
    """List what is wrong with images, what may differ in them, and what was not looked at.

    `is_failing`: differences are failures, as what is wrong with an index always is.
    """
    given = tuple(verdicts)
    wrong = [each for each in given if each.index or (is_failing and each.is_failure)]
    told = [each for each in given if each.is_failure and each not in wrong]
    parts = (
        ("images", map(make_image_headline, wrong)),
        ("images (reported only)", map(make_image_headline, told)),
        ("allowed to differ between variants", _list_allowed(given)),
        ("not looked at in images", _list_notes(given)),
    )
    for title, texts in parts:
        yield Section(title, tuple(line for text in texts for line in layout.fit("", text)))


def _list_allowed(verdicts: tuple[ImageVerdict, ...]) -> Iterator[str]:
    for verdict in verdicts:
        for each in verdict.differences:
            if each.allowed:
                subject = f"{each.part.value} {clean(each.subject)}"
                yield cut(f"{clean(verdict.reference)} {subject}: {clean(each.allowed)}", _WIDTH)
        for report in verdict.audits:
            for finding in report.findings:
                if finding.allowed:
                    what = f"{clean(finding.path)} on {report.platform}"
                    why = clean(finding.allowed)
                    yield cut(f"{clean(verdict.reference)} {what}: {why}", _WIDTH)


def _list_notes(verdicts: tuple[ImageVerdict, ...]) -> Iterator[str]:
    for verdict in verdicts:
        for note in verdict.notes:
            yield cut(f"{clean(verdict.reference)}: {clean(note)}", _WIDTH)
        for report in verdict.audits:
            for note in report.notes:
                what = f"{clean(verdict.reference)} for {report.platform}"
                yield cut(f"{what}: {clean(note)}", _WIDTH)
