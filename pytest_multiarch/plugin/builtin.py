"""What the plugin itself answers to its hooks: what is built in, and what is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.plugin.state import STATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.core.rules import Allowance


@pytest.hookimpl(trylast=True)
def pytest_multiarch_normalizers() -> Mapping[str, Callable[[str], str]]:
    """Give the built-in ones, last, so that others can replace them."""
    from pytest_multiarch.core.normalize import BUILT_IN

    return BUILT_IN


@pytest.hookimpl(tryfirst=True)
def pytest_multiarch_resolve_image(config: pytest.Config, reference: str) -> str | None:
    """Give what `--multiarch-image OLD=NEW` says, first, since the command line wins."""
    return config.stash[STATE].settings.replacements.get(reference)


@pytest.hookimpl(tryfirst=True)
def pytest_multiarch_allowances(item: pytest.Item) -> Iterable[Allowance]:
    """Give what the configuration allows for all tests."""
    return item.config.stash[STATE].declared.configured_allowances


@pytest.hookimpl(trylast=True)
def pytest_multiarch_report_formats() -> Mapping[str, Callable[[Judgement], str]]:
    """Give the built-in ones, last, so that others can replace them."""
    from pytest_multiarch.reports.annotations import render_code_quality
    from pytest_multiarch.reports.badge import render_badge
    from pytest_multiarch.reports.html import render_html
    from pytest_multiarch.reports.junit import render_junit
    from pytest_multiarch.reports.markdown import render_markdown

    return {
        "badge": render_badge,
        "codequality": render_code_quality,
        "html": render_html,
        "junit": render_junit,
        "markdown": render_markdown,
    }
