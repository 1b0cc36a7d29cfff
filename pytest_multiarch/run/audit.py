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
from pytest_multiarch.core.errors import (
    EngineGoneError,
    ImageError,
    MultiarchError,
    WrongArchitectureError,
)
from pytest_multiarch.core.ports import ContainerSpec
from pytest_multiarch.run.examine import Examiner, TellingReader
from pytest_multiarch.run.partial_tree import FOLDER_LIMIT, PartialTree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_multiarch.core.audit import PathAllowance
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.variant import ResolvedVariant
    from pytest_multiarch.run.examine import VariantContent
    from pytest_multiarch.run.node import Node

_SMALL_BYTES = 24 * 1024 * 1024
"""An image of which an export is as fast as a few looks into a container."""
_LOCATED_BYTES = 512 * 1024 * 1024
"""An image of which all is read once it is wrong, to say of which layer: 12 seconds at most."""


def refuse_findings(variant: ResolvedVariant, report: AuditReport) -> None:
    """Refuse a variant that holds what it should not.

    Raises:
        WrongArchitectureError: a file is for another platform, or cannot start, and nothing
            allows it.
    """
    if report.open_findings:
        what, cure = explain_audit(variant.reference.text, report)
        error = WrongArchitectureError(what, cure=cure)
        error.is_of_image = True
        raise error


class Auditor:
    """Audits the variants of one node, each once; what was found is kept across sessions."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.RLock()
        self._reports: dict[tuple[str, Platform, AuditScope], AuditReport] = {}

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
        key = variant.digest, variant.platform, scope
        with self._lock:
            if key not in self._reports:
                self._reports[key] = self._find_report(variant, scope)
            return allow_findings(self._reports[key], allow)

    def _find_report(self, variant: ResolvedVariant, scope: AuditScope) -> AuditReport:
        cache = self._node.tools.image_cache
        name = f"{scope.value} {variant.kind} {variant.digest} {variant.platform}"
        report = cache.find_report(name)
        if report is None:
            report = self._look_at_files(variant, scope)
            cache.keep_report(name, report)
        return report

    def _look_at_files(self, variant: ResolvedVariant, scope: AuditScope) -> AuditReport:
        """Look at what an audit is about, by the cheapest way there is."""
        if scope is AuditScope.IMAGE:
            return _audit_content(self.read_content(variant), variant, scope)
        size = variant.size or variant.unpacked_size
        report = self._try_export(variant, scope) if 0 < size <= _SMALL_BYTES else None
        if report is not None:
            return report
        with self.open_files(variant) as tree:
            report = audit_tree(tree, variant.config, variant.platform, scope=scope)
        is_located = bool(report.findings) and 0 < size <= _LOCATED_BYTES
        return (self._try_export(variant, scope) if is_located else None) or report

    def _try_export(self, variant: ResolvedVariant, scope: AuditScope) -> AuditReport | None:
        """Audit an export; None if there is none.

        Docker 26 cannot export what was pulled without the node's own platform.
        """
        try:
            return _audit_content(self.read_content(variant), variant, scope)
        except EngineGoneError:
            raise
        except MultiarchError:
            return None

    def read_content(self, variant: ResolvedVariant) -> VariantContent:
        """Read all files of a variant, from an export of it where they are not kept.

        Raises:
            ImageError, EngineError: it cannot be read.
        """
        tools = self._node.tools
        source = self._node.engine.open_image(variant.create_image)
        reader = TellingReader(tools.read_layer)
        examiner = Examiner(source, reader, tools.image_cache)
        entries = source.read_index().variants
        entry = next((each for each in entries if each.platform == variant.platform), None)
        if entry is None:
            raise ImageError(f"{source.name} holds no {variant.platform}")
        task = f"reading {variant.platform} of {variant.reference}"
        size = variant.size or variant.unpacked_size
        with tools.show_progress(task) as tell, reader.telling(tell, size):
            return examiner.examine(entry)

    @contextmanager
    def open_files(
        self, variant: ResolvedVariant, *, file_limit: int = FOLDER_LIMIT
    ) -> Iterator[PartialTree]:
        """Look into a container that is created, and not started: nothing of the image runs."""
        spec = ContainerSpec(
            image=variant.create_image, platform=variant.create_platform, entrypoint=("/",)
        )
        engine, container_id = self._node.engine, self._node.create(spec)
        try:
            read_layer = self._node.tools.read_layer
            yield PartialTree(engine, container_id, read_layer, file_limit=file_limit)
        finally:
            self._node.remove_quietly(container_id)


def _audit_content(
    content: VariantContent, variant: ResolvedVariant, scope: AuditScope
) -> AuditReport:
    return audit_tree(
        content.tree,
        variant.config,
        variant.platform,
        scope=scope,
        layers=content.manifest.layers,
    )
