"""Look at an image without running it: what it is, what it costs, what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.audit import AuditScope, allow_findings, audit_tree
from pytest_multiarch.core.errors import ImageError, PlatformMissingError
from pytest_multiarch.core.execution import ExecutionKind
from pytest_multiarch.core.index_checks import check_index
from pytest_multiarch.core.inspection import InspectedVariant, Inspection, read_system
from pytest_multiarch.core.path_pattern import compile_path_pattern
from pytest_multiarch.core.static_parity import (
    compare_configs,
    compare_packages,
    compare_trees,
    describe_config,
    find_stale_allowances,
)
from pytest_multiarch.run.examine import Examiner, TellingReader
from pytest_multiarch.run.progress import ShowProgress, show_nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_multiarch.core.audit import AuditReport, PathAllowance
    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.filetree import FileTree
    from pytest_multiarch.core.image_rules import ImageRules
    from pytest_multiarch.core.manifest import (
        EntryDocument,
        IndexDocument,
        VariantManifest,
    )
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import (
        ImageCache,
        ImageSource,
        LayerReader,
    )
    from pytest_multiarch.core.static_parity import StaticDifference

_RELEASES = ("/etc/os-release", "/usr/lib/os-release")


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionTools:
    """What looking at an image needs of the outside, handed in by a shell.

    `forecast` says how a platform would run here, without starting anything, or None if that cannot
    be said; it is None itself where no engine is asked.
    """

    read_layer: LayerReader
    cache: ImageCache
    forecast: Callable[[Platform], Execution | None] | None = None
    show_progress: ShowProgress = show_nothing


def inspect_image(
    source: ImageSource,
    tools: InspectionTools,
    rules: ImageRules,
    *,
    reference: str,
    platforms: tuple[Platform, ...] = (),
    baseline: Platform | None = None,
    notes: tuple[str, ...] = (),
) -> Inspection:
    """Look at the variants for `platforms`, or at all; every file is audited, whatever the scope.

    A variant whose content is not there, or is broken, is told of, and the others are looked at.

    Raises:
        ImageError: there is no such image, or it has no variant for one of the `platforms`.
        EngineError: a registry or an engine cannot be reached, or refuses.
    """
    index = source.read_index()
    inspector = _Inspector(source, tools, rules, reference)
    variants = tuple(map(inspector.look_at, _choose_entries(index, platforms, source.name)))
    configs = {each.entry.digest: each.manifest.config for each in variants if each.manifest}
    chosen = _choose_baseline(variants, baseline)
    differences = inspector.compare(chosen) if chosen else ()
    return Inspection(
        reference=reference,
        source=source.name,
        index=index,
        variants=variants,
        required=rules.index.required,
        index_findings=check_index(index, configs, required=rules.index.required),
        baseline=chosen,
        differences=differences,
        deciding=frozenset(rules.static_parity.parts),
        notes=(
            *notes,
            *_list_untold(index, reference),
            *inspector.list_unused(differences),
        ),
    )


def _choose_entries(
    index: IndexDocument, platforms: tuple[Platform, ...], name: str
) -> tuple[EntryDocument, ...]:
    has = [each.platform for each in index.variants]
    for platform in platforms:
        if platform not in has:
            listed = ", ".join(str(each) for each in has if each) or "none"
            raise PlatformMissingError(
                f"{name} has no variant for {platform}; it has {listed}",
                cure="leave it out of --platforms; that platforms are there is what --required "
                "checks",
            )
    return tuple(each for each in index.variants if not platforms or each.platform in platforms)


def _list_untold(index: IndexDocument, reference: str) -> Iterator[str]:
    if index.is_single and index.is_partial:
        yield (
            "a classic image store keeps one platform of an image; whether there are others, its "
            f"registry tells: docker://{reference.removeprefix('docker-daemon:')}"
        )


def _is_needed(allowance: PathAllowance, audit: AuditReport) -> bool:
    pattern = compile_path_pattern(allowance.path)
    return any(pattern.fullmatch(each.path) for each in audit.findings)


def _choose_baseline(
    variants: Sequence[InspectedVariant], wanted: Platform | None
) -> Platform | None:
    """Give what was configured, else the first that would run natively, else the first."""
    seen = [each for each in variants if each.manifest and each.platform]
    wished = (each for each in seen if each.platform == wanted)
    native = (
        each for each in seen if each.execution and each.execution.kind is ExecutionKind.NATIVE
    )
    chosen = next(chain(wished, native, seen), None)
    return chosen.platform if chosen else None


class _Inspector:
    """Looks at one variant after the other, and keeps what is compared in the end."""

    def __init__(
        self, source: ImageSource, tools: InspectionTools, rules: ImageRules, reference: str
    ) -> None:
        self._source = source
        self._tools = tools
        self._rules = rules
        self._reference = reference
        self._reader = TellingReader(tools.read_layer)
        self._examiner = Examiner(source, self._reader, tools.cache)
        self._configs: dict[Platform, Mapping[str, Any]] = {}
        self._trees: dict[Platform, FileTree] = {}
        self._unused = list(rules.audit.allow)

    def look_at(self, entry: EntryDocument) -> InspectedVariant:
        """Look at the variant of an entry; where that cannot be done, say why."""
        variant = InspectedVariant(entry=entry)
        try:
            manifest = self._source.read_variant(entry)
            variant = replace(variant, manifest=manifest)
            platform = variant.platform or manifest.platform
            self._configs.setdefault(platform, describe_config(manifest.document))
            variant = self._examine(variant, manifest, platform)
        except ImageError as error:
            variant = replace(variant, problem=str(error))
        if self._tools.forecast and variant.platform:
            execution = self._tools.forecast(variant.platform)
            variant = replace(variant, execution=execution)
        return variant

    def _examine(
        self, variant: InspectedVariant, manifest: VariantManifest, platform: Platform
    ) -> InspectedVariant:
        task = f"reading {platform} of {self._reference}"
        with self._tools.show_progress(task) as tell, self._reader.telling(tell, manifest.size):
            content = self._examiner.examine(variant.entry)
        audit = audit_tree(
            content.tree,
            manifest.config,
            platform,
            scope=AuditScope.IMAGE,
            layers=manifest.layers,
        )
        allow = [each for each in self._rules.audit.allow if _is_needed(each, audit)]
        self._unused = [each for each in self._unused if each not in allow]
        self._trees.setdefault(platform, content.tree)
        texts = content.tree.texts
        release = next((texts[path] for path in _RELEASES if path in texts), "")
        return replace(
            variant,
            audit=allow_findings(audit, allow),
            system=read_system(release),
            unpacked=content.unpacked,
        )

    def list_unused(self, differences: Sequence[StaticDifference]) -> Iterator[str]:
        """Name the allowances that nothing needs: they would hide what comes later."""
        for path in self._unused:
            yield f"nothing is found at {path.path}, which is allowed ({path.reason}): take it out"
        for each in find_stale_allowances(self._rules.static_parity.allow, differences):
            yield f"{each.subject} does not differ, and may ({each.reason}): take it out"

    def compare(self, baseline: Platform) -> tuple[StaticDifference, ...]:
        """Compare configs, files and packages of the variants with those of one."""
        allow = self._rules.static_parity.allow
        packages = {platform: tree.packages for platform, tree in self._trees.items()}
        return (
            *compare_configs(self._configs, baseline=baseline, allow=allow),
            *compare_trees(self._trees, baseline=baseline, allow=allow),
            *compare_packages(packages, baseline=baseline, allow=allow),
        )
