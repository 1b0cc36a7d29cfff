"""Members as they travel: what a collected test is, and what its trace holds, as JSON."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_multiarch.core.member import Member, VariantIdentity
from pytest_multiarch.core.observation import fit_observations
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.plugin.state import Membership, PluginState, Trace
from pytest_multiarch.run.variant import Variant


def describe_member(membership: Membership, trace: Trace, state: PluginState) -> dict[str, Any]:
    """Give what is known of a member before it ran; `selected` maps platforms to test ids."""
    return {
        "group": membership.group,
        "platform": str(membership.platform),
        "node_id": membership.selected.get(membership.platform, ""),
        "run": state.run_id,
        "worker": state.worker,
        "declared": [str(each) for each in membership.declared],
        "selected": {str(platform): node for platform, node in membership.selected.items()},
        "baseline": str(membership.baseline) if membership.baseline else None,
        "rules": trace.rules.to_mapping(),
        "started_at_s": trace.started_at_s,
    }


def describe_results(platform: Platform, trace: Trace) -> dict[str, Any]:
    """Give what is known of a member once it ran."""
    variant = trace.variants.get(platform)
    observations = fit_observations(trace.observations.get(platform, []))
    return {
        **_describe_variant(variant),
        "observations": [each.to_mapping() for each in observations],
        "inside_s": trace.inside_s.get(platform, 0.0),
    }


def _describe_variant(variant: Variant | None) -> dict[str, Any]:
    if variant is None:
        return {}
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
                **describe_results(platform, trace),
            }
        )
        for platform in trace.platforms
    )
