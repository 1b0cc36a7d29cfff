"""The "Supported architectures" section of a README, from what was really tested."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING

from pytest_multiarch.reports.diff import clean
from pytest_multiarch.reports.markdown import write_code
from pytest_multiarch.reports.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_multiarch.core.member import Member, VariantIdentity
    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.core.platform import Platform

HEADING = "## Supported architectures"


def render_supported(judgement: Judgement) -> str:
    """Render a Markdown section: every tested platform of each image, how, its digest and size.

    Sizes are those in a registry, compressed, in units of 1,000 and 1,000,000 bytes.
    """
    by_image: dict[str, list[Member]] = {}
    for member in judgement.members:
        if member.variant is not None and member.outcome.has_run:
            by_image.setdefault(member.variant.reference, []).append(member)
    lines = [HEADING]
    for reference, members in sorted(by_image.items()):
        lines += ["", f"{write_code(clean(reference))}, tested with pytest-multiarch:", ""]
        lines += ["| platform | tested | digest | size |", "|---|---|---|---:|"]
        lines += _list_rows(members, judgement)
    if not by_image:
        lines += ["", "No image was tested."]
    return "\n".join(lines) + "\n"


def _list_rows(members: list[Member], judgement: Judgement) -> Iterable[str]:
    order = dict.fromkeys(platform for each in members for platform in each.declared)
    for platform in order:
        own = [each for each in members if each.platform == platform]
        if own:
            yield _write_row(platform, own, judgement)


def _write_row(platform: Platform, members: list[Member], judgement: Judgement) -> str:
    ways = dict.fromkeys(_name_way(each) for each in members)
    variants: dict[str, VariantIdentity] = {}
    for variant in (each.variant for each in members if each.variant is not None):
        known = variants.get(variant.digest, variant)
        variants[variant.digest] = max(known, variant, key=attrgetter("size"))
    digests = ", ".join(write_code(clean(each[:19])) for each in variants)
    sizes = ", ".join(map(_name_size, variants.values()))
    tested = [f"{' and '.join(ways)}, {count(len(members), 'test')}"]
    tested += _list_blemishes(platform, members, judgement)
    cells = (write_code(str(platform)), "; ".join(tested), digests, sizes)
    return f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |"


def _name_size(variant: VariantIdentity) -> str:
    if variant.size:
        return _name_bytes(variant.size)
    return f"{_name_bytes(variant.unpacked_size)} unpacked" if variant.unpacked_size else "unknown"


def _name_bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 999_500 else f"{size / 1e3:.0f} kB"


def _name_way(member: Member) -> str:
    execution = member.execution
    if execution is None:
        return "not executed"
    return f"emulated ({clean(str(execution))})" if execution.is_emulated else "natively"


def _list_blemishes(
    platform: Platform, members: list[Member], judgement: Judgement
) -> Iterable[str]:
    groups = {each.group for each in members}
    differs = Counter(
        other
        for verdict in judgement.diverged
        if verdict.group in groups
        for other in {p for each in verdict.differences for p in each.others}
    )[platform]
    if differs:
        yield f"**differs in {count(differs, 'test')}**"
    failed = sum(each.has_failed for each in members)
    if failed:
        yield f"**{count(failed, 'test')} failed**"


def find_section(readme: str) -> str | None:
    """Give the section that a README has: from its heading to the next one of its rank."""
    lines = readme.replace("\r\n", "\n").split("\n")
    if HEADING not in lines:
        return None
    start = lines.index(HEADING)
    ends = (n for n in range(start + 1, len(lines)) if lines[n].startswith(("# ", "## ")))
    return "\n".join(lines[start : next(ends, len(lines))]).strip() + "\n"
