"""The one table of settings: what a configuration file may say, its JSON Schema, the options."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pytest_multiarch.core.config_kinds import (
    Choice,
    Field,
    Flag,
    Kind,
    ListOf,
    MappingOf,
    Number,
    Table,
    Text,
    TextOr,
)
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.image_rules import PARTS as STATIC_PARTS
from pytest_multiarch.core.image_rules import SCOPES
from pytest_multiarch.core.normalize import compile_pattern
from pytest_multiarch.core.platform import COMMON_PLATFORMS, Platform
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.core.rules import PARTS, WAYS

UNSTABLE = ("report", "fail")
"""What a difference can be in what varies by itself."""
DEFAULT_RUNNER = "default"
"""The key of `runners` that names no platform."""
_IMAGE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


def _check_reference(text: str) -> str:
    return ImageReference.parse(text).text


def _check_text(text: str) -> str:
    if not text.strip():
        raise UsageError("the text is empty")
    return text


def _check_pattern(text: str) -> str:
    compile_pattern(_check_text(text), what="normalize")
    return text


def _check_image_name(text: str) -> str:
    if not re.search(_IMAGE_NAME, text):
        raise UsageError(
            f"{text!r} is no name for an image: it becomes a part of the ids of tests",
            cure="a name is letters, digits and . _ -, and begins with a letter or a digit",
        )
    try:
        Platform.parse(text)
    except UsageError:
        return text
    raise UsageError(
        f"{text!r} is no name for an image: it is a platform", cure="give it another name"
    )


def _parse_runner_key(text: str) -> Platform | str:
    return text if text == DEFAULT_RUNNER else Platform.parse(text)


_PLATFORM_PATTERN = r"^\s*[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){0,2}\s*$"
PLATFORM = Text(
    what="a platform", parse=Platform.parse, pattern=_PLATFORM_PATTERN, known=COMMON_PLATFORMS
)
REFERENCE = Text(
    what="an image reference", parse=_check_reference, pattern=r"^[A-Za-z0-9._:/@\[\]-]+$"
)
PLATFORMS = ListOf(what="a list of platforms", item=PLATFORM)
_LABEL = Text(what="a runner's label", parse=_check_text)
_REASON = Text(what="a reason", parse=_check_text)

_IMAGE = Table(
    what="a mapping with image, platforms and baseline",
    fields={
        "image": Field(kind=REFERENCE, description="The reference.", is_required=True),
        "platforms": Field(
            kind=PLATFORMS, description="Its platforms, for tests that declare none."
        ),
        "baseline": Field(
            kind=PLATFORM, description="The platform that the others are compared with."
        ),
    },
)
_CONTROL = Table(
    what="a mapping with enabled and emulator",
    fields={
        "enabled": Field(
            kind=Flag(),
            description="Whether containers of control runs may be without a seccomp profile, "
            "so that all that a command starts is emulated too.",
        ),
        "emulator": Field(
            kind=Text(what="a path", parse=_check_text),
            description="The static QEMU on this machine that runs on the node and emulates its "
            "own architecture.",
        ),
    },
)
_ALLOWANCE = Table(
    what="a mapping with label, part, platforms, only, rel, abs and reason",
    fields={
        "label": Field(
            kind=Text(what="a pattern for labels", parse=_check_text),
            description="A pattern as of file names for what was called or checked; all if left "
            "out.",
        ),
        "part": Field(kind=Choice(values=PARTS), description="What may differ; all if left out."),
        "platforms": Field(
            kind=TextOr(text=PLATFORM, other=PLATFORMS),
            description="Those that may differ from the others; all if left out.",
        ),
        "only": Field(
            kind=ListOf(what="a list of ways", item=Choice(values=tuple(WAYS))),
            description="The ways in which numbers may differ; nothing else may then.",
        ),
        "rel": Field(
            kind=Number(),
            description="By how much numbers may differ, relative to the larger one; nothing else "
            "may then.",
        ),
        "abs": Field(
            kind=Number(), description="By how much numbers may differ; nothing else may then."
        ),
        "reason": Field(kind=_REASON, description="Why it is right.", is_required=True),
    },
)

_AUDIT = Table(
    what="a mapping with scope and allow",
    fields={
        "scope": Field(
            kind=Choice(values=SCOPES),
            description="What is looked at: what the image starts and has on PATH (`program`, the "
            "default), every file (`image`), or nothing (`off`).",
        ),
        "allow": Field(
            kind=ListOf(
                what="a list of mappings with path and reason",
                item=Table(
                    what="a mapping with path and reason",
                    fields={
                        "path": Field(
                            kind=Text(what="a pattern for paths", parse=_check_text),
                            description="A pattern for files that may be for another platform; "
                            "`**` crosses folders.",
                            is_required=True,
                        ),
                        "reason": Field(
                            kind=_REASON, description="Why it is right.", is_required=True
                        ),
                    },
                ),
            ),
            description="Files that may be for another platform.",
        ),
    },
)
_INDEX = Table(
    what="a mapping with required",
    fields={
        "required": Field(
            kind=PLATFORMS, description="Platforms that every image under test must have."
        )
    },
)
_STATIC_PARITY = Table(
    what="a mapping with config, tree, packages and allow",
    fields={
        "config": Field(
            kind=Flag(), description="Compare the configs of variants (default: true)."
        ),
        "tree": Field(kind=Flag(), description="Compare their files (default: false)."),
        "packages": Field(
            kind=Flag(), description="Compare their installed packages (default: false)."
        ),
        "allow": Field(
            kind=ListOf(
                what="a list of mappings with subject and reason",
                item=Table(
                    what="a mapping with subject, part, platforms and reason",
                    fields={
                        "subject": Field(
                            kind=Text(what="a pattern for what differs", parse=_check_text),
                            description="A pattern for what differs: `Env LANG`, `/etc/**`, "
                            "`openssl (dpkg)`; all if left out.",
                        ),
                        "part": Field(
                            kind=Choice(values=STATIC_PARTS),
                            description="What may differ; all if left out.",
                        ),
                        "platforms": Field(
                            kind=TextOr(text=PLATFORM, other=PLATFORMS),
                            description="Those that may differ from the others; all if left out.",
                        ),
                        "reason": Field(
                            kind=_REASON, description="Why it is right.", is_required=True
                        ),
                    },
                ),
            ),
            description="Differences that are known and right.",
        ),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A setting: `kind` is None where no file can say it, `mark` and `option` empty if none can.

    `default` is the text of the default value.
    """

    name: str
    description: str
    default: str
    kind: Kind | None = None
    mark: str = ""
    option: str = ""


SETTINGS = (
    Definition(
        name="image",
        description="The image of tests that name none.",
        default="none",
        kind=REFERENCE,
        mark="image(reference)",
        option="--multiarch-image",
    ),
    Definition(
        name="images",
        description="Images that tests which name none are run on, each by its name: a reference, "
        "or a mapping with `image`, `platforms` and `baseline`. Instead of `image`.",
        default="none",
        kind=MappingOf(
            what="a mapping from names to images",
            key=Text(what="a name", parse=_check_image_name, pattern=_IMAGE_NAME),
            item=TextOr(text=REFERENCE, other=_IMAGE),
        ),
        mark="image(reference)",
        option="--multiarch-image",
    ),
    Definition(
        name="platforms",
        description="The platforms of tests that declare none.",
        default="none",
        kind=PLATFORMS,
        mark="platforms(*platforms)",
        option="--multiarch-platforms",
    ),
    Definition(
        name="baseline",
        description="The platform that the others are compared with, for tests that declare no "
        "platforms.",
        default="none",
        kind=PLATFORM,
        mark="platforms(baseline=)",
    ),
    Definition(
        name="runners",
        description="For CI: from a platform to the label, or list of labels, of a runner that "
        "executes it natively; `default` is the runner of the other platforms.",
        default="default: ubuntu-latest",
        kind=MappingOf(
            what="a mapping from platforms to runners",
            key=Text(
                what="a platform",
                parse=_parse_runner_key,
                pattern=_PLATFORM_PATTERN,
                known=(DEFAULT_RUNNER, *COMMON_PLATFORMS),
            ),
            item=TextOr(
                text=_LABEL,
                other=ListOf(what="a list of labels", item=_LABEL, can_be_empty=False),
            ),
        ),
    ),
    Definition(
        name="normalize",
        description="Normalizers for all tests: names, or regular expressions.",
        default="none",
        kind=ListOf(
            what="a list of text",
            item=Text(what="a normalizer's name or a regular expression", parse=_check_pattern),
        ),
        mark="parity(normalize=)",
    ),
    Definition(
        name="allow",
        description="Differences that are known and right, for all tests: mappings with `label`, "
        "`part`, `platforms`, `only`, `rel`, `abs` and `reason`.",
        default="none",
        kind=ListOf(what="a list of mappings with label and reason", item=_ALLOWANCE),
        mark="parity(allow=)",
    ),
    Definition(
        name="audit",
        description="Whether the files of a variant are for its platform, looked at before it "
        "runs: `scope` (`program`, `image` or `off`), and `allow`, a list of mappings with `path` "
        "and `reason`.",
        default="scope: program",
        kind=_AUDIT,
        mark="audit(scope=, allow=)",
        option="--multiarch-audit",
    ),
    Definition(
        name="index",
        description="Platforms that every image under test must have: `required`.",
        default="none",
        kind=_INDEX,
        mark="index(required=)",
    ),
    Definition(
        name="static_parity",
        description="What of an image's variants is compared without running them: `config`, "
        "`tree`, `packages` (each `true` or `false`), and `allow`, a list of mappings with "
        "`subject`, `part`, `platforms` and `reason`.",
        default="config: true, tree: false, packages: false",
        kind=_STATIC_PARITY,
        mark="static_parity(config=, tree=, packages=, allow=)",
    ),
    Definition(
        name="control",
        description="Control runs, which tell what the emulator costs: whether they may reach "
        "whole process trees (`enabled`), and by which QEMU (`emulator`).",
        default="enabled: false",
        kind=_CONTROL,
        option="--multiarch-control",
    ),
    Definition(
        name="replay",
        description="For how many seconds the calls of a test are made again where platforms "
        "differ, to tell why; 0 for not at all. A session takes six times as long for all of them.",
        default="10",
        kind=Number(what="a number of seconds"),
        option="--multiarch-replay",
    ),
    Definition(
        name="repeat",
        description="How often each test makes its calls again when it has ended, for a merge.",
        default="0",
        kind=Number(what="a whole number", is_whole=True),
        option="--multiarch-repeat",
    ),
    Definition(
        name="unstable",
        description="What a difference is in what varies by itself: `report`, or `fail`.",
        default="report",
        kind=Choice(values=UNSTABLE),
        option="--multiarch-unstable",
    ),
    Definition(
        name="parity",
        description="What a difference does: `fail`, `report`, or `off`.",
        default="fail",
        option="--multiarch-parity",
    ),
    Definition(
        name="strict",
        description="Whether a test fails where nothing could be compared.",
        default="false",
        option="--multiarch-strict",
    ),
    Definition(
        name="unavailable",
        description="What a platform that cannot run here is: `error`, or `skip`.",
        default="error",
        option="--multiarch-unavailable",
    ),
    Definition(
        name="pull",
        description="When images are pulled: `missing`, `always`, or `never`.",
        default="missing",
        option="--multiarch-pull",
    ),
    Definition(
        name="blame",
        description="Where a divergence is reported: on its `group`, or on its `members`.",
        default="group",
        option="--multiarch-blame",
    ),
)
DOCUMENT = Table(
    what="a mapping of settings",
    fields={
        each.name: Field(kind=each.kind, description=each.description)
        for each in SETTINGS
        if each.kind is not None
    },
)
"""What a configuration file holds."""


def make_schema() -> dict[str, Any]:
    """Give the JSON Schema of a configuration file, draft 2020-12.

    It refuses nothing that is right. What it cannot know, the run refuses: whether a text that
    looks like a platform is one, and which normalizers there are.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of pytest-multiarch",
        "description": "multiarch.yaml, or [tool.pytest-multiarch] in pyproject.toml",
        **DOCUMENT.make_schema(),
        "not": {"required": ["image", "images"]},
    }
