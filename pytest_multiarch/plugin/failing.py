"""Tests that came to their end, and whose budgets do not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _pytest.outcomes import Failed

from pytest_multiarch.plugin.reports import OVERBUDGET, UNDECIDED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_multiarch.core.budgets import JudgedBudget


class OverBudgetError(Failed):
    """A platform took longer, or less, than its budget says."""

    __module__ = "builtins"
    word = OVERBUDGET


class UndecidedError(Failed):
    """Whether a budget holds could not be told, and `--multiarch-strict` is on."""

    __module__ = "builtins"
    word = UNDECIDED


def fail_budgets(judged: Iterable[JudgedBudget], *, is_strict: bool) -> None:
    """Fail a test whose budgets do not hold.

    Raises:
        OverBudgetError: one is exceeded.
        UndecidedError: one could not be decided, and the run is strict.
    """
    given = tuple(judged)
    exceeded = [each for each in given if each.is_exceeded]
    still_open = [each for each in given if each.is_open]
    if exceeded:
        from pytest_multiarch.reports.overhead import render_over_budget

        raise OverBudgetError(render_over_budget(exceeded)[1], pytrace=False)
    if still_open and is_strict:
        from pytest_multiarch.reports.overhead import render_undecided

        raise UndecidedError(render_undecided(still_open)[1], pytrace=False)
