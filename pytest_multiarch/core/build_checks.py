"""Pitfalls of Dockerfiles, found before anything is built: bases that lack a platform, and what
BuildKit's own checks say, each with what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.build import BuildFinding
from pytest_multiarch.core.dockerfile import SCRATCH, expand, list_platform_values
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_multiarch.core.build import BuildSpec
    from pytest_multiarch.core.dockerfile import Dockerfile

MISSING_BASE = "base image lacks the platform"
PINNED_BASE = "base image pinned to a platform"
_OTHER_BASE = "InvalidBaseImagePlatform"
_CROSS = "FROM --platform=$BUILDPLATFORM, if the stage only compiles for the target"
_CURES = {
    "FromPlatformFlagConstDisallowed": f"leave --platform= out, or write {_CROSS}",
    "RedundantTargetPlatform": "leave --platform=$TARGETPLATFORM out: it is the default",
    _OTHER_BASE: "take a base image that has the platform, or build that one for it",
    "SecretsUsedInArgOrEnv": "pass it as a secret: RUN --mount=type=secret,id=..., and secrets= "
    "of the build",
    "UndefinedArgInFrom": "declare it with ARG before the first FROM",
    "InvalidDefaultArgInFrom": "give the ARG a default with which the FROM is right",
    "UndefinedVar": "declare it with ARG or ENV in the stage that uses it",
    "FromAsCasing": "write FROM and AS in the same case",
    "StageNameCasing": "write the name of the stage in lower case",
    "JSONArgsRecommended": 'write the command as a list: CMD ["app", "--flag"]',
    "MaintainerDeprecated": "write LABEL org.opencontainers.image.authors=...",
    "WorkdirRelativePath": "write WORKDIR with an absolute path",
    "LegacyKeyValueFormat": "write ENV NAME=value",
    "CopyIgnoredFile": "take the file out of .dockerignore, or the instruction out",
    "DuplicateStageName": "give each stage a name of its own",
    "MultipleInstructionsDisallowed": "keep one of them",
    "NoEmptyContinuation": "take the empty line out of the instruction",
    "ConsistentInstructionCasing": "write all instructions in the same case",
    "ReservedStageName": "give the stage another name",
    "InvalidDefinitionDescription": "write a comment that begins with the name, or none",
}


def make_finding(document: Mapping[str, Any]) -> BuildFinding:
    """Read one of BuildKit's warnings; what mends it is ours, or where it is told."""
    rule = str(document.get("ruleName", ""))
    what = str(document.get("detail") or document.get("description") or rule)
    ranges = (document.get("location") or {}).get("ranges") or ()
    line = int(ranges[0]["start"]["line"]) if ranges else 0
    url = str(document.get("url", ""))
    return BuildFinding(rule=rule, line=line, what=what, cure=_CURES.get(rule) or f"see {url}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """An image that a build begins with: for which platform it is needed, and for which targets."""

    reference: str
    platform: Platform
    targets: tuple[Platform, ...]
    line: int


def list_bases(
    dockerfile: Dockerfile, spec: BuildSpec, platforms: Iterable[Platform], builder: Platform
) -> tuple[BaseImage, ...]:
    """Give the images that a build takes, and for which platforms; what is unclear is left out."""
    found: dict[tuple[str, Platform, int], list[Platform]] = {}
    for target in platforms:
        given = {
            name: value
            for name, value in spec.list_args(target).items()
            if name in dockerfile.arguments
        }
        values = {**list_platform_values(target, builder), **dockerfile.arguments, **given}
        for stage in dockerfile.list_needed(spec.target):
            base = expand(stage.base, values)
            if base in ("", SCRATCH) or dockerfile.is_stage(base, stage):
                continue
            try:
                pinned = expand(stage.platform, values)
                platform = Platform.parse(pinned) if pinned else target
            except UsageError:
                continue
            found.setdefault((base, platform, stage.line), []).append(target)
    return tuple(
        BaseImage(reference=base, platform=platform, line=line, targets=tuple(targets))
        for (base, platform, line), targets in found.items()
    )


def find_missing_bases(
    bases: Iterable[BaseImage], available: Mapping[str, tuple[Platform, ...]]
) -> tuple[BuildFinding, ...]:
    """Say which base images lack platforms; `available` are those of the ones that were read."""
    missing: dict[tuple[str, int], list[BaseImage]] = {}
    for base in bases:
        if base.platform not in available.get(base.reference, (base.platform,)):
            missing.setdefault((base.reference, base.line), []).append(base)
    found = []
    for (reference, line), lacking in missing.items():
        lacks = " and ".join(str(each.platform) for each in lacking)
        has = ", ".join(map(str, available[reference])) or "nothing"
        found.append(
            BuildFinding(
                rule=MISSING_BASE,
                line=line,
                what=f"{reference} has no {lacks}: it has {has}",
                cure=f"take a base image (or a tag of it) that has {lacks}, or write {_CROSS}",
                platforms=tuple(each for base in lacking for each in base.targets),
            )
        )
    return tuple(found)


def leave_out_told(
    checked: Iterable[BuildFinding], told: Iterable[BuildFinding]
) -> tuple[BuildFinding, ...]:
    """Leave out what BuildKit says of bases whose platforms are told of already."""
    lines = {each.line for each in told}
    return tuple(each for each in checked if each.rule != _OTHER_BASE or each.line not in lines)


def find_pinned_bases(
    dockerfile: Dockerfile, spec: BuildSpec, platforms: Iterable[Platform]
) -> tuple[BuildFinding, ...]:
    """Say which last stage is of one platform whatever is built: its programs are for that one."""
    last = dockerfile.find_stage(spec.target)
    while last is not None and dockerfile.is_stage(last.base, last):
        last = dockerfile.find_stage(last.base)
    if last is None or not last.platform or "TARGET" in last.platform:
        return ()
    try:
        pinned = None if "$" in last.platform else Platform.parse(last.platform)
    except UsageError:
        return ()
    others = [each for each in platforms if each != pinned]
    if not others:
        return ()
    return (
        BuildFinding(
            rule=PINNED_BASE,
            line=last.line,
            what=f"the image is made of {last.base} for {last.platform}, also where it is built "
            f"for {', '.join(map(str, others))}",
            cure="leave --platform= out of the FROM of the last stage",
        ),
    )
