"""Hooks that other plugins and conftest files can implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.core.rules import Allowance


@pytest.hookspec()
def pytest_multiarch_normalizers(  # type: ignore[empty-body]
    config: pytest.Config,
) -> Mapping[str, Callable[[str], str]]:
    """Give normalizers by name, for `parity(normalize=[...])` and the configuration.

    Called in each process that runs tests, before the first test. A normalizer takes the text of
    an output (undecodable bytes as lone surrogates) and returns it with what may differ replaced;
    it must do the same on every machine. A name of the built-in ones replaces that one.

        def pytest_multiarch_normalizers(config):
            return {"build-number": lambda text: re.sub(r"build \\d+", "build <n>", text)}
    """


@pytest.hookspec(firstresult=True)
def pytest_multiarch_resolve_image(
    config: pytest.Config, item: pytest.Item | None, reference: str
) -> str | None:
    """Give the image that runs where `reference` is named; None leaves it to others.

    Called when a variant is opened, never while tests are collected. `reference` is that of the
    test's mark, of `multiarch_image` or of the settings. `item` is None for `shared_variant`,
    which belongs to no single test: then the conftest files of all folders are asked.
    `--multiarch-image OLD=NEW` answers first.

        def pytest_multiarch_resolve_image(config, item, reference):
            if reference == "app:candidate":
                return os.environ["CANDIDATE_IMAGE"]
    """


@pytest.hookspec()
def pytest_multiarch_allowances(  # type: ignore[empty-body]
    item: pytest.Item,
) -> Iterable[Allowance]:
    """Give differences that are known and right for a test, besides those of its mark.

    Called once a test that runs on platforms is set up. They are part of what the test reports,
    so whoever compares its platforms knows them. The configured `allow` comes this way.

        def pytest_multiarch_allowances(item):
            if item.get_closest_marker("floats"):
                yield pytest_multiarch.allow("app mean *", reason="FMA on arm64")
    """


@pytest.hookspec()
def pytest_multiarch_report_formats(  # type: ignore[empty-body]
    config: pytest.Config,
) -> Mapping[str, Callable[[Judgement], str]]:
    """Give formats of reports by name, for `--multiarch-report FORMAT=FILE`.

    Called when the session starts, if reports are asked for; conftest files at the root can
    answer. A format is a function that gives the text of the file. What it is given is all that
    the session, or the records of `--multiarch-merge`, came to: `judgement.verdicts`, each with its
    `group`, `kind`, `members` and `differences`, and `judgement.record` with the runs. A name of
    the built-in ones (`junit`, `markdown`) replaces that one.

        def pytest_multiarch_report_formats(config):
            return {"groups": lambda judgement: "\\n".join(v.group for v in judgement.verdicts)}
    """
