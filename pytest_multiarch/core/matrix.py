"""The matrix of a CI: one job for each platform, from the collected tests and the settings."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_multiarch.core.settings import Runners

COLLECTED_VERSION = 1
SELECT_ONLY = "--multiarch-select-only"
NATIVE, EMULATED = "native", "emulated"
BUILT_IN_RUNNER = ("ubuntu-latest",)
"""The label where no default is configured: GitHub's own, an amd64 machine."""

_AMD64 = (Platform("linux", "amd64"), Platform("linux", "386"))
_ARM64 = (Platform("linux", "arm64"),)
_ARM_WORDS = {"arm", "arm64", "aarch64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedGroup:
    """A group as collection found it.

    `declared` are all its platforms, `selected` those left to run on. `image` is the name of the
    entry of `images:` that its tests run on, empty if they name their image otherwise.
    """

    name: str
    declared: tuple[Platform, ...]
    selected: tuple[Platform, ...]
    baseline: Platform | None = None
    image: str = ""

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "group": self.name,
            "platforms": list(map(str, self.declared)),
            "selected": list(map(str, self.selected)),
            "baseline": str(self.baseline) if self.baseline else None,
            "image": self.image,
        }

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> CollectedGroup:
        """Read what `to_mapping` gave."""
        baseline = document["baseline"]
        return cls(
            name=document["group"],
            declared=tuple(map(Platform.parse, document["platforms"])),
            selected=tuple(map(Platform.parse, document["selected"])),
            baseline=Platform.parse(baseline) if baseline else None,
            image=document["image"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """One job: a platform, and an entry of `images:` if the tests run on those.

    `runner` are the labels of its machine, `execution` is `NATIVE` or `EMULATED`, `tests` how many
    tests it has. `is_foreign`: other platforms are configured, which must not give way to this one.
    """

    platform: Platform
    runner: tuple[str, ...]
    execution: str
    tests: int
    image: str = ""
    is_foreign: bool = False

    @property
    def name(self) -> str:
        """The row as one word that is safe in names of files and artifacts."""
        return f"{self.image}-{self.platform.slug}" if self.image else self.platform.slug

    @property
    def title(self) -> str:
        """The row as messages name it."""
        return f"{self.image} on {self.platform}" if self.image else str(self.platform)

    @property
    def args(self) -> tuple[str, ...]:
        """The arguments of pytest for this job."""
        image = ("--multiarch-image", self.image) if self.image else ()
        record = f"multiarch-{self.name}.json"
        only = (SELECT_ONLY,) if self.is_foreign else ()
        platform = ("--multiarch-platforms", str(self.platform), *only)
        return (*platform, *image, f"--multiarch-record={record}")

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "platform": str(self.platform),
            "name": self.name,
            "runner": list(self.runner),
            "execution": self.execution,
            "image": self.image,
            "tests": self.tests,
            "args": list(self.args),
        }


def make_rows(
    groups: Iterable[CollectedGroup], runners: Runners, configured: Iterable[Platform] = ()
) -> tuple[MatrixRow, ...]:
    """Make a row of each platform and image that tests run on, in the order they declare them.

    `configured` are the platforms of tests that declare none.
    """
    known = set(configured)
    counts: dict[Platform, Counter[str]] = {}
    for group in groups:
        for platform in group.selected:
            counts.setdefault(platform, Counter())[group.image] += 1
    rows = []
    for platform, by_image in counts.items():
        runner, execution = choose_runner(platform, runners)
        # Tests that are not run on the entries cannot be told apart on the command line, so they
        # go along with each of them; merged records have them once.
        everywhere = by_image.pop("", 0)
        for image, count in (by_image or {"": 0}).items():
            rows.append(
                MatrixRow(
                    platform=platform,
                    runner=runner,
                    execution=execution,
                    tests=count + everywhere,
                    image=image,
                    is_foreign=bool(known) and platform not in known,
                )
            )
    return tuple(rows)


def choose_runner(platform: Platform, runners: Runners) -> tuple[tuple[str, ...], str]:
    """Give the labels of a platform's runner, and how it executes there.

    A runner that `runners:` names for a platform is native; everything else runs on the default.
    """
    named = runners.by_platform.get(platform)
    if named:
        return named, NATIVE
    own = _list_native_platforms(runners)
    base = Platform(platform.os, platform.architecture)
    is_native = platform in own or (base.architecture == "amd64" and base in own)
    return runners.default, NATIVE if is_native else EMULATED


def _list_native_platforms(runners: Runners) -> tuple[Platform, ...]:
    """Give what the default runner runs natively, by what else is said of its label."""
    same = [each for each, labels in runners.by_platform.items() if labels == runners.default]
    if same:
        return _AMD64 if set(same) & set(_AMD64) else tuple(same)
    words = {word for label in runners.default for word in re.split(r"[^a-z0-9]+", label.lower())}
    return _ARM64 if words & _ARM_WORDS else _AMD64


def list_untested(
    groups: Iterable[CollectedGroup], configured: Iterable[Platform]
) -> tuple[Platform, ...]:
    """Give the platforms that are configured and that no collected test runs on."""
    tested = {platform for group in groups for platform in group.selected}
    return tuple(each for each in dict.fromkeys(configured) if each not in tested)


def format_github(rows: Iterable[MatrixRow]) -> str:
    """Give one line for `strategy.matrix: ${{ fromJSON(...) }}` of GitHub Actions."""
    include = [
        row.to_mapping()
        | {
            "runner": row.runner[0] if len(row.runner) == 1 else list(row.runner),
            "args": " ".join(row.args),
        }
        for row in rows
    ]
    return json.dumps({"include": include})


def format_json(rows: Iterable[MatrixRow]) -> str:
    """Give a list with a row on each line, for any other CI; `runner` and `args` are lists."""
    lines = ",\n".join(f"  {json.dumps(row.to_mapping())}" for row in rows)
    return f"[\n{lines}\n]"


_GITLAB_HEAD = """\
# By pytest-multiarch matrix --format gitlab: a job that runs `pytest $ARGS` extends this one.
.multiarch:
  tags: [$RUNNER]
  variables:
    ARGS: {args}
  parallel:
    matrix:
"""


def format_gitlab(rows: Iterable[MatrixRow]) -> str:
    """Give a hidden job `.multiarch` with a `parallel:matrix`, for a child pipeline of GitLab.

    The values of a matrix become the job's name, of 255 characters at most: so `ARGS` is not one.

    Raises:
        UsageError: a runner cannot be a tag of GitLab.
    """
    rows = tuple(rows)
    for row in rows:
        _check_gitlab_runner(row)
    has_images = any(row.image for row in rows)
    image = "$IMAGE_ARGS " if has_images else ""
    only = f"{SELECT_ONLY} " if any(row.is_foreign for row in rows) else ""
    args = f"--multiarch-platforms $PLATFORM {only}{image}--multiarch-record=multiarch-$NAME.json"
    lines = []
    for row in rows:
        values = {"PLATFORM": str(row.platform), "EXECUTION": row.execution}
        values |= {"RUNNER": row.runner[0], "NAME": row.name}
        if has_images:
            values["IMAGE_ARGS"] = f"--multiarch-image {row.image}" if row.image else ""
        inside = ", ".join(f"{key}: {json.dumps(value)}" for key, value in values.items())
        lines.append(f"      - {{{inside}}}\n")
    return (_GITLAB_HEAD.format(args=args) + "".join(lines)).rstrip("\n")


def _check_gitlab_runner(row: MatrixRow) -> None:
    if len(row.runner) > 1:
        raise UsageError(
            f"runners: {row.platform} has the labels {', '.join(row.runner)}, and a matrix of "
            "GitLab can choose a runner by one tag only",
            cure="give the runner a tag of its own, and name that one",
        )
    if row.runner == BUILT_IN_RUNNER:
        raise UsageError(
            f"{row.platform} is for the default runner, and {BUILT_IN_RUNNER[0]} is a label of "
            "GitHub",
            cure="write the tag of a GitLab runner in multiarch.yaml, for example runners: "
            "{default: saas-linux-small-amd64}",
        )
