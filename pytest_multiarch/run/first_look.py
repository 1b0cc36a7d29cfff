"""What is learned of the image of a test before the test runs, and goes on record."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.audit import AuditScope
from pytest_multiarch.core.errors import EngineGoneError, MultiarchError
from pytest_multiarch.core.index_checks import check_index
from pytest_multiarch.core.inspected import Inspected
from pytest_multiarch.core.manifest import EntryDocument, IndexDocument
from pytest_multiarch.core.static_parity import (
    StaticPart,
    compare_packages,
    compare_trees,
    describe_config,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_multiarch.core.image_rules import AuditRules, ImageRules, IndexRules, StaticRules
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.static_parity import StaticDifference
    from pytest_multiarch.core.variant import ResolvedVariant
    from pytest_multiarch.run.examine import VariantContent
    from pytest_multiarch.run.node import Node

_Compared = tuple[tuple["StaticDifference", ...], tuple[str, ...]]
_Asked = tuple[str, "StaticRules", tuple["Platform", ...]]


class FirstLook:
    """Looks at images on one node as tests declare it, at each part of each image once."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.RLock()
        self._compared: dict[_Asked, _Compared] = {}
        self._seen: dict[tuple[object, ...], Inspected] = {}

    def look(
        self, variant: ResolvedVariant, rules: ImageRules, platforms: Sequence[Platform]
    ) -> Inspected:
        """Give what a variant's index, config and files say, and how those of its image differ.

        `platforms` are those that the test declares: their variants are compared.

        Raises:
            EngineGoneError: the engine stopped answering.
            ImageError, EngineError: all files were to be audited, and they cannot be read. What
                else goes wrong is a note: each program is looked at again before it starts.
        """
        asked = (variant.reference.text, variant.digest, variant.platform, rules, tuple(platforms))
        with self._lock:
            found = self._seen.get(asked)
            if found is None:
                found = self._look(variant, rules, platforms)
                if not found.notes:  # what could not be looked at is tried again
                    self._seen[asked] = found
            return found

    def _look(
        self, variant: ResolvedVariant, rules: ImageRules, platforms: Sequence[Platform]
    ) -> Inspected:
        inspected = self._audit(variant, rules.audit)
        static = rules.static_parity
        inspected = replace(inspected, allow=static.allow)
        if StaticPart.CONFIG in static.parts and variant.config.settings:
            described = describe_config(variant.config.settings)
            inspected = replace(inspected, configs={variant.platform: described})
        inspected = _add_index(inspected, variant, rules.index)
        if {StaticPart.TREE, StaticPart.PACKAGES} & set(static.parts):
            differences, notes = self._compare(variant, static, platforms)
            notes = (*inspected.notes, *notes)
            inspected = replace(inspected, differences=differences, notes=notes)
        return inspected

    def _audit(self, variant: ResolvedVariant, rules: AuditRules) -> Inspected:
        if rules.scope is AuditScope.OFF:
            return Inspected()
        try:
            report = self._node.auditor.audit(variant, rules.scope, rules.allow)
        except EngineGoneError:
            raise
        except MultiarchError as error:
            if rules.scope is AuditScope.IMAGE:
                raise
            why = f"the files of {variant.platform} were not audited: {error.headline}"
            return Inspected(notes=(why,))
        return Inspected(audits=(report,))

    def _compare(
        self, variant: ResolvedVariant, rules: StaticRules, platforms: Sequence[Platform]
    ) -> _Compared:
        key = variant.reference.text, rules, tuple(platforms)
        with self._lock:
            if key not in self._compared:
                self._compared[key] = self._compare_contents(variant, rules, platforms)
            return self._compared[key]

    def _compare_contents(
        self, variant: ResolvedVariant, rules: StaticRules, platforms: Sequence[Platform]
    ) -> _Compared:
        contents: dict[Platform, VariantContent] = {}
        notes = []
        for platform in platforms:
            try:
                resolved = self._node.resolve(variant.reference, platform)
                contents[platform] = self._node.auditor.read_content(resolved)
            except EngineGoneError:
                raise
            except MultiarchError as error:
                notes.append(f"the files of {platform} were not compared: {error.headline}")
        if len(contents) < 2:
            return (), tuple(notes)
        baseline = next(iter(contents))
        trees = {platform: each.tree for platform, each in contents.items()}
        found: list[StaticDifference] = []
        if StaticPart.TREE in rules.parts:
            found += compare_trees(trees, baseline=baseline, allow=rules.allow)
        if StaticPart.PACKAGES in rules.parts:
            packages = {platform: each.packages for platform, each in trees.items()}
            found += compare_packages(packages, baseline=baseline, allow=rules.allow)
        return tuple(found), tuple(notes)


def _add_index(inspected: Inspected, variant: ResolvedVariant, rules: IndexRules) -> Inspected:
    index = variant.index
    if index is None and variant.kind == "config":
        # A classic store keeps one variant of what was built here: nobody knows of others.
        if not rules.required:
            return inspected
        note = "the index was not checked: this engine's store keeps single variants"
        return replace(inspected, notes=(*inspected.notes, note))
    if index is None:
        entries: tuple[EntryDocument, ...]
        entries = (EntryDocument(digest=variant.digest, platform=variant.platform),)
    else:
        entries = tuple(
            EntryDocument(
                digest=each.digest,
                platform=each.platform,
                media_type=each.media_type,
                size=each.size,
            )
            for each in index.entries
        )
    document = IndexDocument(
        digest=index.digest if index else variant.digest, entries=entries, is_single=index is None
    )
    configs = {variant.digest: variant.config}
    return replace(inspected, index=check_index(document, configs, required=rules.required))
