"""A record as one HTML page: self-contained, and safe whatever tests and containers print."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from pytest_multiarch.reports.builds import list_of_runs, view_builds
from pytest_multiarch.reports.headline import word_headline
from pytest_multiarch.reports.page.costs import view_costs
from pytest_multiarch.reports.page.gaps import list_allowed, list_beside, list_gaps, list_notes
from pytest_multiarch.reports.page.images import view_images
from pytest_multiarch.reports.page.matrix import Matrix, view_matrix
from pytest_multiarch.reports.page.runs import view_environment
from pytest_multiarch.reports.page.text import name_moment, show, write_css_text

if TYPE_CHECKING:
    from jinja2 import Template

    from pytest_multiarch.core.merging import Judgement

_MOST_COLUMNS = 6
"""How many platforms stand side by side; with more of them, each test is a card."""
_MOST_OPEN = 3


def render_html(judgement: Judgement) -> str:
    """Render a record as a page: verdict, matrix of tests, what was not compared, costs, runs.

    Nothing is loaded from anywhere, and the page's own policy forbids it. Without its script, all
    but the filter works.
    """
    from markupsafe import Markup

    matrix = view_matrix(judgement)
    script = _read("page.js")
    style = _read("page.css") + _style_columns(matrix)
    return _load_template().render(
        headline=word_headline(judgement),
        tone=_choose_tone(judgement),
        when=_name_when(judgement),
        where=_name_where(judgement),
        matrix=matrix,
        beside=list_beside(judgement),
        is_wide=len(matrix.columns) > _MOST_COLUMNS,
        opens=sum(row.case is not None for row in matrix.rows) <= _MOST_OPEN,
        gaps=list_gaps(judgement),
        allowed=list_allowed(judgement),
        notes=list_notes(judgement),
        images=view_images(judgement),
        costs=view_costs(judgement),
        builds=view_builds(list_of_runs(judgement.record.runs)),
        environment=view_environment(judgement),
        policy=_make_policy(script, style),
        script=Markup(script),  # noqa: S704 - both are this package's own files, and CSS text
        style=Markup(style),  # noqa: S704 - that is escaped for CSS
    )


@cache
def _load_template() -> Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_read("page.html.j2"))


@cache
def _read(name: str) -> str:
    return resources.files(__package__).joinpath("page").joinpath(name).read_text(encoding="utf-8")


def _make_policy(script: str, style: str) -> str:
    """Allow this script and this style, and nothing else: nothing injected, nothing loaded."""
    allowed = [f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'"]
    return "; ".join([*allowed, "base-uri 'none'; form-action 'none'"])


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _style_columns(matrix: Matrix) -> str:
    """Write the rules that depend on the platforms: where there are no columns, cells are named."""
    rules = [f":root{{--columns:{max(len(matrix.columns), 1)}}}"]
    for number, column in enumerate(matrix.columns, start=3):
        name = write_css_text(column.platform)
        rules.append(f".matrix > tbody > tr > td:nth-child({number})::after{{content:{name}}}")
    return "\n".join(rules)


def _choose_tone(judgement: Judgement) -> str:
    """Choose what the page looks like at first sight."""
    if judgement.diverged:
        return "diverged"
    if judgement.has_failed:
        return "failed"
    return "equal" if judgement.is_complete else "not-compared"


def _name_when(judgement: Judgement) -> str:
    started = [each.started_at_s for each in judgement.record.runs if each.started_at_s > 0]
    return name_moment(min(started)) if started else ""


def _name_where(judgement: Judgement) -> str:
    """Name the run, or say how many there are, and the commit if they share one."""
    runs = judgement.record.runs
    commits = {each.commit for each in runs if each.commit}
    parts = [show(runs[0].name, 80) if len(runs) == 1 else f"{len(runs)} runs"] if runs else []
    parts += [f"commit {show(min(commits)[:12])}"] if len(commits) == 1 else []
    return ", ".join(parts)
