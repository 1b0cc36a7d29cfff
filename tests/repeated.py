"""Calls that were made again, and verdicts diagnosed by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.diagnosis import diagnose
from pytest_multiarch.core.parity import Verdict, compare_group
from pytest_multiarch.core.repeats import Repeats
from tests.samples import AMD64, ARM64, make_member, observe

if TYPE_CHECKING:
    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.platform import Platform


def see(made: Any, platform: Platform = AMD64, **options: Any) -> Observation:
    """Observe what a call did: what it printed, its exit code, or both."""
    out, code = made if isinstance(made, tuple) else (made, 0)
    out, code = ("", out) if isinstance(out, int) else (out, code)
    return observe(out, exit_code=code, platform=platform, **options)


def repeat(
    platform: Platform, *made: Any, number: int = 1, label: str = "run: app", **fields: Any
) -> Repeats:
    options = fields.pop("options", {})
    return Repeats(
        label=label,
        kind="run",
        number=number,
        platform=platform,
        observations=tuple(see(each, platform, **options) for each in made),
        **fields,
    )


def control(*made: Any, **fields: Any) -> Repeats:
    return repeat(AMD64, *made, is_control=True, **fields)


def judge(
    ours: list[Any],
    theirs: list[Any],
    *repeats: Repeats,
    members: dict[Platform, dict[str, Any]] | None = None,
    options: dict[str, Any] | None = None,
    **settings: Any,
) -> Verdict:
    """Diagnose one call; the first of what it did is what the test saw, the rest its repeats."""
    given = members or {}
    verdict = compare_group(
        make_member(platform, see(made[0], platform, **(options or {})), **given.get(platform, {}))
        for platform, made in ((AMD64, ours), (ARM64, theirs))
    )
    own = [
        repeat(platform, *made[1:], options=options or {})
        for platform, made in ((AMD64, ours), (ARM64, theirs))
    ]
    return diagnose(verdict, [*own, *repeats], **settings)
