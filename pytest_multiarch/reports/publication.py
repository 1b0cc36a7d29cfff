"""What became of publishing, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.cost_table import name_size
from pytest_multiarch.reports.diff import clean
from pytest_multiarch.reports.paint import Paint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.core.publishing import Publication, PublishedVariant

_PLAIN = Paint()


def render_publication(
    publication: Publication, *, repository: str, paint: Paint = _PLAIN
) -> Iterator[str]:
    """Give the lines: what was published, or why not; `repository` is the name without a tag."""
    if publication.refusals:
        yield paint.bad(f"not published: {clean(publication.tag)}")
        for refusal in publication.refusals:
            yield f"  - {clean(refusal.what)}"
            if refusal.cure:
                yield f"    {clean(refusal.cure)}"
        yield "Nothing was pushed."
        return
    title = "published" if publication.is_done else "would publish"
    yield paint.good(f"{title} {clean(publication.tag)}")
    kind = ", the one that was tested" if publication.is_as_tested else ""
    yield f"  index {publication.digest}{kind}"
    if publication.previous == publication.digest:
        yield "  the tag named it already"
    elif publication.previous:
        yield f"  the tag named {publication.previous} before"
    for variant in publication.variants:
        yield f"  {variant.tested.platform}  {variant.digest}"
        yield f"    {_describe(variant, is_done=publication.is_done)}"
    for note in publication.notes:
        yield paint.doubtful(f"  note: {clean(note)}")
    if publication.is_done:
        yield "to sign, with a signer of your choice:"
        for digest in _list_digests(publication):
            yield f"  {clean(repository)}@{digest}"


def _describe(variant: PublishedVariant, *, is_done: bool) -> str:
    tested = variant.tested
    how = ", ".join(map(clean, tested.executions)) or "unknown"
    count = len(variant.attestations)
    attested = f", {count} attestation{'s'[: count != 1]}" if count else ""
    if variant.sent:
        sent = f"{name_size(variant.sent)} {'sent' if is_done else 'to send'}"
    else:
        sent = "all of it there already"
    return (
        f"{tested.tests} test{'s'[: tested.tests != 1]} passed ({how}); from "
        f"{clean(variant.source)}{attested}, {name_size(variant.size)}, {sent}"
    )


def _list_digests(publication: Publication) -> list[str]:
    return [publication.digest, *(each.digest for each in publication.variants)]


def describe_publication(publication: Publication, *, repository: str) -> dict[str, Any]:
    """Give the JSON form."""
    return {
        "tag": publication.tag,
        "published": publication.is_done,
        "digest": publication.digest,
        "previous": publication.previous,
        "as_tested": publication.is_as_tested,
        "variants": [
            {
                "platform": str(each.tested.platform),
                "digest": each.digest,
                "config_digest": each.config_digest,
                "executions": list(each.tested.executions),
                "tests": each.tested.tests,
                "source": each.source,
                "attestations": list(each.attestations),
                "size": each.size,
                "sent": each.sent,
            }
            for each in publication.variants
        ],
        "sign": [f"{repository}@{digest}" for digest in _list_digests(publication)]
        if publication.is_done
        else [],
        "refusals": [{"what": each.what, "cure": each.cure} for each in publication.refusals],
        "notes": list(publication.notes),
    }
