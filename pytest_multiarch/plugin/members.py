"""Members as they travel: what a collected test is, and what its trace holds, as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.member import Member, VariantIdentity
from pytest_multiarch.core.observation import fit_observations

if TYPE_CHECKING:
    import pytest

    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import EngineFacts
    from pytest_multiarch.plugin.groups import Group, Membership
    from pytest_multiarch.plugin.state import PluginState
    from pytest_multiarch.plugin.trace import Trace
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
    budget = _describe_budget(membership.platform, trace)
    own |= {"budget": budget} if budget else {}
    return f"{known[0]}\n{_ENCODE(own | {'rules': rules} if rules else own)}"


def _describe_group(group: Group, state: PluginState) -> dict[str, Any]:
    return {
        "group": group.name,
        "run": state.run_id,
        "declared": [str(each) for each in group.declared],
        "selected": {str(platform): node_id for platform, node_id in group.selected.items()},
        "baseline": str(group.baseline) if group.baseline else None,
    }


def describe_results(
    platform: Platform, trace: Trace, state: PluginState, *, recipe: list[int] | None = None
) -> str:
    """Give what is known of a member once it ran, as two lines of JSON; empty for nothing.

    The second is what was observed, which is passed on as it is. `recipe` is where the session's
    owner finds what it takes to make the calls again, if that is in a file.
    """
    document = _describe_results(platform, trace) | ({"recipe": recipe} if recipe else {})
    news = _gather_news(trace, state)
    if news:
        document["news"] = news
    if platform not in trace.observations:
        return _ENCODE(document) if document else ""
    return f"{_ENCODE(document)}\n{_ENCODE(_describe_observations(platform, trace))}"


def _describe_results(platform: Platform, trace: Trace) -> dict[str, Any]:
    variant = trace.variants.get(platform)
    document = _describe_variant(variant) if variant is not None else {}
    if platform in trace.inside_s:
        document["inside_s"] = trace.inside_s[platform]
    costs = [each.to_mapping() for each in trace.costs if each.platform == platform]
    document |= {"overhead": costs} if costs else {}
    repeats = [each.to_mapping() for each in trace.repeats.get(platform, ())]
    document |= {"repeats": repeats} if repeats else {}
    retried = trace.retried.get(platform)
    document |= {"retried": retried} if retried else {}
    document |= {"refusal": trace.refusal.value} if trace.refusal else {}
    faults = trace.faults.get(platform)
    return document | ({"faults": list(faults)} if faults else {})


def _describe_observations(platform: Platform, trace: Trace) -> list[dict[str, Any]]:
    seen = [each.hide(trace.secrets) for each in trace.observations[platform]]
    return [each.to_mapping() for each in fit_observations(seen)]


def _gather_news(trace: Trace, state: PluginState) -> dict[str, Any]:
    """Give what a record says of images and nodes, once for each in a process."""
    images: dict[str, Any] = {}
    nodes: dict[str, Any] = {}
    for variant in trace.variants.values():
        index, reference, node = variant.resolved.index, variant.reference, variant.node.name
        if index is not None and f"image {reference}" not in state.announced:
            state.announced.add(f"image {reference}")
            entries = {str(each.platform): each.digest for each in reversed(index.entries)}
            images[reference] = {"digest": index.digest, "platforms": entries}
        if f"node {node}" not in state.announced:
            state.announced.add(f"node {node}")
            nodes[node] = _describe_node(variant.node.engine.read_facts())
    inspected, state.inspected = state.inspected, {}
    builds, state.builds = state.builds, {}
    news = {"images": images, "nodes": nodes, "inspected": inspected, "builds": builds}
    return {name: table for name, table in news.items() if table}


def _describe_node(facts: EngineFacts) -> dict[str, str]:
    return {
        "product": facts.product,
        "version": facts.version,
        "platform": str(facts.platform),
        "kernel": facts.kernel,
        "store": "containerd" if facts.has_containerd_store else "classic",
    }


def _describe_variant(variant: Variant) -> dict[str, Any]:
    identity = VariantIdentity(
        reference=variant.reference,
        kind=variant.kind,
        digest=variant.digest,
        config_digest=variant.config_digest,
        pin=variant.resolved.pin,
        index=variant.resolved.index.digest if variant.resolved.index else "",
        size=variant.resolved.size,
        unpacked_size=variant.resolved.unpacked_size,
    )
    return {
        "node": variant.node.name,
        "execution": variant.execution.to_mapping(),
        "variant": identity.to_mapping(),
    }


def describe_spread(
    item: pytest.Item, trace: Trace, state: PluginState, outcome: str, reason: str
) -> str:
    """Give all that is known of a test that has all its platforms at once, as a line of JSON."""
    members = make_members(item, trace, state, outcome, reason)
    document = {"spread": [each.to_mapping() for each in members]}
    return _ENCODE({**document, **_gather_news(trace, state)})


def make_members(
    item: pytest.Item, trace: Trace, state: PluginState, outcome: str, reason: str = ""
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
                "reason": reason,
                "line": (item.location[1] or 0) + 1,
                "started_at_s": trace.started_at_s,
                "budget": _describe_budget(platform, trace),
                **_describe_results(platform, trace),
                "observations": _describe_observations(platform, trace)
                if platform in trace.observations
                else (),
            }
        )
        for platform in trace.platforms
    )


def _describe_budget(platform: Platform, trace: Trace) -> dict[str, Any] | None:
    budget = trace.budgets.get(platform)
    return budget.to_mapping() if budget else None
