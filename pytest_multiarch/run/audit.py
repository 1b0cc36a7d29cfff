"""Audits of variants that a node has: before their first test, without running them."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_multiarch.core.audit import (
    AuditReport,
    AuditScope,
    allow_findings,
    audit_tree,
    explain_audit,
)
from pytest_multiarch.core.errors import ImageError, WrongArchitectureError
from pytest_multiarch.core.ports import ContainerSpec
from pytest_multiarch.run.examine import Examiner
from pytest_multiarch.run.partial_tree import PartialTree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_multiarch.core.audit import PathAllowance
    from pytest_multiarch.core.manifest import StoredLayer
    from pytest_multiarch.core.reached import Files
    from pytest_multiarch.core.variant import ResolvedVariant
    from pytest_multiarch.run.examine import VariantContent
    from pytest_multiarch.run.node import Node

_SMALL_BYTES = 24 * 1024 * 1024
"""An image of which an export is as fast as a few looks into a container."""


def refuse_findings(variant: ResolvedVariant, report: AuditReport) -> None:
    """Refuse a variant that holds what it should not.

    Raises:
        WrongArchitectureError: a file is for another platform, or cannot start, and nothing
            allows it.
    """
    if report.open_findings:
        what, cure = explain_audit(variant.reference.text, report)
        raise WrongArchitectureError(what, cure=cure)


class Auditor:
    """Audits the variants of one node, each once; what was found is kept across sessions."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.RLock()
        self._reports: dict[tuple[str, AuditScope], AuditReport] = {}
        self._contents: dict[str, VariantContent] = {}

    def audit(
        self, variant: ResolvedVariant, scope: AuditScope, allow: Sequence[PathAllowance] = ()
    ) -> AuditReport:
        """Look at a variant's files.

        Raises:
            ImageError: the engine gave what cannot be read.
            EngineError: the engine could not give them.
        """
        if scope is AuditScope.OFF:
            return AuditReport(platform=variant.platform, scope=scope)
        key = variant.digest, scope
        with self._lock:
            if key not in self._reports:
                self._reports[key] = self._find_report(variant, scope)
            return allow_findings(self._reports[key], allow)

    def _find_report(self, variant: ResolvedVariant, scope: AuditScope) -> AuditReport:
        cache = self._node.tools.image_cache
        name = f"{scope.value} {variant.kind} {variant.digest} {variant.platform}"
        report = cache.find_report(name)
        if report is None:
            with self._open_tree(variant, scope) as (tree, layers):
                report = audit_tree(
                    tree, variant.config, variant.platform, scope=scope, layers=layers
                )
            cache.keep_report(name, report)
        return report

    def read_content(self, variant: ResolvedVariant) -> VariantContent:
        """Read all files of a variant, from an export of it where they are not kept.

        Raises:
            ImageError, EngineError: it cannot be read.
        """
        with self._lock:
            if variant.digest not in self._contents:
                tools = self._node.tools
                source = self._node.engine.open_image(variant.create_image)
                examiner = Examiner(source, tools.read_layer, tools.image_cache)
                entries = source.read_index().variants
                entry = next((e for e in entries if e.platform == variant.platform), None)
                if entry is None:
                    raise ImageError(f"{source.name} holds no {variant.platform}")
                self._contents[variant.digest] = examiner.examine(entry)
            return self._contents[variant.digest]

    @contextmanager
    def _open_tree(
        self, variant: ResolvedVariant, scope: AuditScope
    ) -> Iterator[tuple[Files, Sequence[StoredLayer]]]:
        """Give the files that an audit looks at, by the cheapest way there is."""
        if scope is AuditScope.IMAGE or _is_small(variant):
            content = self.read_content(variant)
            yield content.tree, content.manifest.layers
            return
        with self._open_container(variant) as container_id:
            yield PartialTree(self._node.engine, container_id, self._node.tools.read_layer), ()

    @contextmanager
    def _open_container(self, variant: ResolvedVariant) -> Iterator[str]:
        """Create a container to look into. It is not started: nothing of the image runs."""
        spec = ContainerSpec(
            image=variant.create_image, platform=variant.create_platform, entrypoint=("/",)
        )
        container_id = self._node.create(spec)
        try:
            yield container_id
        finally:
            self._node.remove_quietly(container_id)


def _is_small(variant: ResolvedVariant) -> bool:
    return 0 < (variant.size or variant.unpacked_size) <= _SMALL_BYTES
