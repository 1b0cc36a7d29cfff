"""Members as they travel: what a collected test is, and what its trace holds, as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.member import Member, VariantIdentity
from pytest_multiarch.core.observation import fit_observations

if TYPE_CHECKING:
    import pytest

    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.plugin.groups import Group, Membership
    from pytest_multiarch.plugin.state import PluginState
    from pytest_multiarch.plugin.tracking import Trace
    from pytest_multiarch.run.variant import Variant

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


def describe_member(membership: Membership, trace: Trace, state: PluginState) -> str:
    """Give what is known of a member before it ran, as two lines of JSON.

    The first is of its group, the same text in all its members; the second is its own.
    """
    known = membership.group.description
    if not known:
        known.append(_ENCODE(_describe_group(membership.group, state)))
    own: dict[str, Any] = {"worker": state.worker, "started_at_s": trace.started_at_s}
    rules = trace.rules.to_mapping()
    return f"{known[0]}\n{_ENCODE(own | {'rules': rules} if rules else own)}"


def _describe_group(group: Group, state: PluginState) -> dict[str, Any]:
    return {
        "group": group.name,
        "run": state.run_id,
        "declared": [str(each) for each in group.declared],
        "selected": {str(platform): node_id for platform, node_id in group.selected.items()},
        "baseline": str(group.baseline) if group.baseline else None,
    }


def describe_results(platform: Platform, trace: Trace) -> str:
    """Give what is known of a member once it ran, as a line of JSON; empty for nothing."""
    document = _describe_results(platform, trace)
    return _ENCODE(document) if document else ""


def _describe_results(platform: Platform, trace: Trace) -> dict[str, Any]:
    variant = trace.variants.get(platform)
    document = _describe_variant(variant) if variant is not None else {}
    if platform in trace.observations:
        observations = fit_observations(trace.observations[platform])
        document["observations"] = [each.to_mapping() for each in observations]
    if platform in trace.inside_s:
        document["inside_s"] = trace.inside_s[platform]
    return document


def _describe_variant(variant: Variant) -> dict[str, Any]:
    identity = VariantIdentity(
        reference=variant.reference,
        kind=variant.kind,
        digest=variant.digest,
        config_digest=variant.config_digest,
        pin=variant.resolved.pin,
    )
    return {
        "node": variant.node.name,
        "execution": variant.execution.to_mapping(),
        "variant": identity.to_mapping(),
    }


def describe_spread(item: pytest.Item, trace: Trace, state: PluginState, outcome: str) -> str:
    """Give all that is known of a test that has all its platforms at once, as a line of JSON."""
    members = make_members(item, trace, state, outcome)
    return _ENCODE({"spread": [each.to_mapping() for each in members]})


def make_members(
    item: pytest.Item, trace: Trace, state: PluginState, outcome: str
) -> tuple[Member, ...]:
    """Give the members of a test that has all its platforms at once."""
    declared = state.declared.find_platforms(item)
    return tuple(
        Member.from_mapping(
            {
                "group": item.nodeid,
                "platform": str(platform),
                "node_id": item.nodeid,
                "run": state.run_id,
                "worker": state.worker,
                "declared": [str(each) for each in declared.platforms],
                "selected": [str(each) for each in trace.platforms],
                "baseline": str(declared.baseline) if declared.baseline else None,
                "rules": trace.rules.to_mapping(),
                "outcome": outcome,
                "started_at_s": trace.started_at_s,
                **_describe_results(platform, trace),
            }
        )
        for platform in trace.platforms
    )
