"""What tests declare: marks, read into values; a wrong one is an error where it is collected."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.mark.structures import ParameterSet

from pytest_multiarch.core.budgets import parse_budgets
from pytest_multiarch.core.build import BUILD_KEYS, BuildSpec, make_build_spec
from pytest_multiarch.core.container_options import OPTION_NAMES
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.image_rules import (
    ImageRules,
    make_audit_rules,
    make_index_rules,
    make_static_rules,
)
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.core.rules import Allowance, ParityRules, make_rules
from pytest_multiarch.plugin.groups import find_entry
from pytest_multiarch.run.arguments import FileSource, place_sources
from pytest_multiarch.run.settings import Service, read_settings
from pytest_multiarch.run.started import ContainerSettings

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_multiarch.core.budget import Budget
    from pytest_multiarch.core.normalize import TextFunction
    from pytest_multiarch.core.settings import ImageEntry, Settings


IMAGE_MARKS = ("image", "build")
"""The marks that say which image a test runs; the closest of them holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformsMark:
    """A test's platforms in the order declared, each with the marks of its `pytest.param`."""

    platforms: tuple[Platform, ...]
    marks: Mapping[Platform, tuple[pytest.Mark | pytest.MarkDecorator, ...]]
    baseline: Platform | None


def parse_platforms_mark(mark: pytest.Mark) -> PlatformsMark:
    """Read `@pytest.mark.platforms(...)`.

    Raises:
        UsageError: no platform, an unknown one, one given twice, or an unknown argument.
    """
    _check_keywords(mark, ("baseline",))
    marks: dict[Platform, tuple[pytest.Mark | pytest.MarkDecorator, ...]] = {}
    for value, own_marks in _flatten(mark.args):
        platform = _parse_platform(value)
        if platform in marks:
            raise UsageError(f"@pytest.mark.platforms names {platform} twice")
        marks[platform] = own_marks
    if not marks:
        raise UsageError(
            "@pytest.mark.platforms names no platform",
            cure='write for example @pytest.mark.platforms("linux/amd64", "linux/arm64")',
        )
    baseline = mark.kwargs.get("baseline")
    chosen = None if baseline is None else _parse_platform(baseline)
    if chosen is not None and chosen not in marks:
        raise UsageError(
            f"@pytest.mark.platforms: baseline {chosen} is not one of its platforms",
            cure=f"take one of {', '.join(map(str, marks))}",
        )
    return PlatformsMark(platforms=tuple(marks), marks=marks, baseline=chosen)


def _make_defaults(platforms: tuple[Platform, ...], baseline: Platform | None) -> PlatformsMark:
    return PlatformsMark(
        platforms=platforms,
        marks=dict.fromkeys(platforms, ()),
        baseline=baseline if baseline in platforms else None,
    )


def _flatten(
    values: Iterable[Any],
) -> Iterable[tuple[Any, tuple[pytest.Mark | pytest.MarkDecorator, ...]]]:
    for value in values:
        if isinstance(value, ParameterSet):
            if len(value.values) != 1:
                raise UsageError(
                    f"@pytest.mark.platforms: pytest.param takes one platform, found {value.values}"
                )
            yield value.values[0], tuple(value.marks)
        elif isinstance(value, (list, tuple)):
            yield from _flatten(value)
        else:
            yield value, ()


def _parse_platform(value: object) -> Platform:
    if isinstance(value, Platform):
        return value
    if isinstance(value, str):
        return Platform.parse(value)
    raise UsageError(f"@pytest.mark.platforms: {value!r} is not a platform")


def looks_like_ours(mark: pytest.Mark) -> bool:
    """Whether a `platforms` mark is meant for this plugin: other projects use the name too."""
    try:
        parse_platforms_mark(mark)
    except UsageError:
        return False
    return True


def parse_image_mark(mark: pytest.Mark) -> str:
    """Read `@pytest.mark.image(reference)`.

    Raises:
        UsageError: not one reference, or not a valid one.
    """
    _check_keywords(mark, ())
    if len(mark.args) != 1 or not isinstance(mark.args[0], str):
        raise UsageError(
            f"@pytest.mark.image takes one image reference, found {mark.args!r}",
            cure='write for example @pytest.mark.image("ghcr.io/acme/app:1.4")',
        )
    ImageReference.parse(mark.args[0])
    return mark.args[0]


def parse_build_mark(mark: pytest.Mark, *, folder: Path) -> BuildSpec:
    """Read `@pytest.mark.build(context, ...)`; a relative context is beside the test.

    Raises:
        UsageError: an argument is unknown, missing or wrong.
    """
    _check_keywords(mark, BUILD_KEYS)
    if len(mark.args) > 1:
        raise UsageError(
            f"@pytest.mark.build takes one context, found {mark.args!r}",
            cure='write for example @pytest.mark.build(".", dockerfile="Dockerfile")',
        )
    try:
        return make_build_spec(*mark.args, **mark.kwargs, folder=folder.as_posix())
    except TypeError:
        raise UsageError("@pytest.mark.build names its context twice") from None
    except UsageError as error:
        raise UsageError(f"@pytest.mark.build: {error.what}", cure=error.cure) from None


def make_container_settings(
    *command: str,
    env: Mapping[str, str] | None = None,
    ports: int | Sequence[int] = (),
    wait: object = None,
    scope: str = "function",
    init: bool | None = None,
    entrypoint: str | Sequence[str] | None = None,
    user: str = "",
    workdir: str = "",
    network: str = "",
    network_aliases: str | Sequence[str] = (),
    files: Mapping[str, FileSource] | None = None,
    timeout: float | None = None,
    with_: Mapping[str, Service] | None = None,
    **options: Any,
) -> ContainerSettings:
    """Read the arguments of `@pytest.mark.container(...)`.

    Raises:
        UsageError: one of them is wrong.
    """
    return read_settings(
        "@pytest.mark.container", *command, env=env, ports=ports, wait=wait, scope=scope,
        init=init, entrypoint=entrypoint, user=user, workdir=workdir, network=network,
        network_aliases=network_aliases, files=files, timeout=timeout, with_=with_, **options,
    )  # fmt: skip


def parse_container_mark(mark: pytest.Mark, *, folder: Path) -> ContainerSettings:
    """Read `@pytest.mark.container(...)`; relative sources in `files=` are beside the test.

    Raises:
        UsageError: an argument is unknown or wrong.
    """
    valid = list(inspect.signature(make_container_settings).parameters)
    _check_keywords(mark, (*valid[1:-1], *OPTION_NAMES))
    kwargs = place_sources(mark.kwargs, folder)
    for name in ("env", "files", "with_"):
        if not isinstance(kwargs.get(name) or {}, Mapping):
            raise UsageError(f"@pytest.mark.container: {name}= is a mapping, not {kwargs[name]!r}")
    kwargs["with_"] = {
        name: each.place(folder) if isinstance(each, Service) else each
        for name, each in (kwargs.get("with_") or {}).items()
    }
    timeout = kwargs.get("timeout")
    if timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0):
        raise UsageError(f"@pytest.mark.container: timeout={timeout!r} is no number of seconds")
    return make_container_settings(*mark.args, **kwargs)


def parse_parity_mark(
    mark: pytest.Mark | None, settings: Settings, named: Mapping[str, TextFunction]
) -> ParityRules:
    """Read `@pytest.mark.parity(...)` on top of the configured normalizers.

    Raises:
        UsageError: an argument is unknown or wrong.
    """
    kwargs: dict[str, Any] = {}
    if mark is not None:
        _check_keywords(mark, _PARITY_ARGUMENTS)
        if mark.args:
            raise UsageError(
                f"@pytest.mark.parity takes keyword arguments only, found {mark.args!r}",
                cure='write for example @pytest.mark.parity(normalize=["timestamps"])',
            )
        kwargs = dict(mark.kwargs)
    kwargs["ignore"] = _listed(kwargs.get("ignore"))
    kwargs["normalize"] = [*settings.normalize.value, *_listed(kwargs.get("normalize"))]
    kwargs["allow"] = _listed(kwargs.get("allow"))
    return make_rules(**kwargs, named=named)


def parse_overhead_mark(
    mark: pytest.Mark, declared: Sequence[Platform]
) -> Mapping[Platform, Budget]:
    """Read `@pytest.mark.overhead(max=, min=)` of a test with these platforms.

    Raises:
        UsageError: an argument is unknown or wrong, or names none of the platforms.
    """
    _check_keywords(mark, ("max", "min"))
    if mark.args or not mark.kwargs:
        raise UsageError(
            f"@pytest.mark.overhead takes max=, min= or both, found {mark.args!r}",
            cure="write for example @pytest.mark.overhead(max=20): at most 20 times the "
            "baseline's time",
        )
    try:
        return parse_budgets(mark.kwargs.get("max"), mark.kwargs.get("min"), declared)
    except UsageError as error:
        raise UsageError(f"@pytest.mark.overhead: {error.what}", cure=error.cure) from None


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, set, frozenset)) else [value]


_PARITY_ARGUMENTS = (
    "compare", "ignore", "normalize", "allow", "stateless", "stdout", "stderr", "rel", "abs",
    "unordered",
)  # fmt: skip
_IMAGE_MARKS = {
    "audit": ("scope", "allow"),
    "index": ("required",),
    "static_parity": ("config", "tree", "packages", "allow"),
}


def _read_keywords(mark: pytest.Mark) -> dict[str, Any]:
    """Give the arguments of a mark that takes keyword arguments only."""
    _check_keywords(mark, _IMAGE_MARKS[mark.name])
    if mark.args:
        raise UsageError(
            f"@pytest.mark.{mark.name} takes keyword arguments only, found {mark.args!r}",
            cure=f"write {_IMAGE_MARKS[mark.name][0]}= before it",
        )
    return dict(mark.kwargs)


def _check_keywords(mark: pytest.Mark, valid: Sequence[str]) -> None:
    for name in mark.kwargs:
        if name not in valid:
            raise UsageError(
                f"@pytest.mark.{mark.name} has no argument {name!r}",
                cure=f"valid are {', '.join(f'{each}=' for each in valid) or 'none'}",
            )


def find_mark(node: pytest.Item, *names: str) -> pytest.Mark | None:
    """Give a test's closest mark of one of these names: one on its `pytest.param` is closer than
    the function's own."""
    callspec = getattr(node, "callspec", None)
    for mark in reversed(() if callspec is None else callspec.marks):
        plain: pytest.Mark = getattr(mark, "mark", mark)
        if plain.name in names:
            return plain
    return next((mark for mark in node.iter_markers() if mark.name in names), None)


class Declarations:
    """What tests declare, read from their closest marks and completed by the settings.

    A module's mark is one object that all its tests share: each is read once.
    """

    def __init__(
        self, settings: Settings, find_normalizers: Callable[[], Mapping[str, TextFunction]]
    ) -> None:
        self._settings = settings
        self._find_normalizers = find_normalizers
        self._read: dict[int, tuple[object, Any]] = {}

    def read(self, mark: pytest.Mark | pytest.MarkDecorator, node: pytest.Item) -> Any:
        """Read one of our marks; relative paths in it start at the folder of the test.

        Raises:
            UsageError: the mark is wrong.
        """
        plain = mark.mark if isinstance(mark, pytest.MarkDecorator) else mark
        found = self._read.get(id(plain))
        if found is None:
            found = self._read[id(plain)] = (plain, self._parse(plain, node.path.parent))
        return found[1]

    def _parse(self, mark: pytest.Mark, folder: Path) -> Any:
        match mark.name:
            case "platforms":
                return parse_platforms_mark(mark)
            case "image":
                return parse_image_mark(mark)
            case "build":
                return parse_build_mark(mark, folder=folder)
            case "container":
                return parse_container_mark(mark, folder=folder)
            case "parity":
                return parse_parity_mark(mark, self._settings, self._find_normalizers())
            case "audit":
                return make_audit_rules(self._settings.audit.value, **_read_keywords(mark))
            case "index":
                return make_index_rules(self._settings.index.value, **_read_keywords(mark))
            case "static_parity":
                return make_static_rules(self._settings.static_parity.value, **_read_keywords(mark))
        return None

    def find_platforms(self, node: pytest.Item, entry: ImageEntry | None = None) -> PlatformsMark:
        """Give a test's platforms on a configured image, by default that of the test if any.

        Raises:
            UsageError: it names none, and there are no defaults.
        """
        mark = node.get_closest_marker("platforms")
        if mark is not None:
            found: PlatformsMark = self.read(mark, node)
            return found
        of_image = entry or find_entry(node)
        defaults = self._defaults[of_image.name if of_image else ""]
        if not defaults.platforms:
            raise UsageError(
                "the test names no platforms, and there are no defaults",
                cure='write @pytest.mark.platforms("linux/amd64", "linux/arm64"), or '
                "platforms: [linux/amd64, linux/arm64] in multiarch.yaml",
            )
        return defaults

    @cached_property
    def _defaults(self) -> Mapping[str, PlatformsMark]:
        """By the names of configured images; the empty name is for tests on none of them."""
        platforms, baseline = self._settings.platforms.value, self._settings.baseline.value
        of_images = {
            each.name: _make_defaults(each.platforms or platforms, each.baseline or baseline)
            for each in self.entries
        }
        return {"": _make_defaults(platforms, baseline), **of_images}

    @property
    def entries(self) -> tuple[ImageEntry, ...]:
        """The configured images."""
        return self._settings.images.value

    def select_platforms(self, node: pytest.Item) -> tuple[Platform, ...]:
        """Give those of a test's platforms that the command line selects."""
        selected = self._settings.selected
        declared = self.find_platforms(node).platforms
        return tuple(each for each in declared if not selected or each in selected)

    def find_image(self, node: pytest.Item) -> str | BuildSpec:
        """Give the image that a test's mark names, or has built; empty if it has no such mark."""
        mark = find_mark(node, *IMAGE_MARKS)
        if mark is None:
            return ""
        found: str | BuildSpec = self.read(mark, node)
        return found

    def find_container(self, node: pytest.Item) -> ContainerSettings:
        """Give how a test's container is started."""
        mark = find_mark(node, "container")
        if mark is None:
            return ContainerSettings()
        found: ContainerSettings = self.read(mark, node)
        return found

    def has_container(self, node: pytest.Item) -> bool:
        """Whether a mark says how a test's container is started."""
        return find_mark(node, "container") is not None

    def find_budgets(self, node: pytest.Item) -> Mapping[Platform, Budget]:
        """Give how much longer than the baseline each of a test's platforms may take.

        Of one platform the mark of its `pytest.param` holds, else that of the test.

        Raises:
            UsageError: a mark is wrong.
        """
        closest = find_mark(node, "overhead")
        platforms = self.find_platforms(node)
        budgets = {} if closest is None else parse_overhead_mark(closest, platforms.platforms)
        found = dict(budgets)
        for platform, marks in platforms.marks.items():
            for each in marks:
                if each.name == "overhead":
                    plain = each.mark if isinstance(each, pytest.MarkDecorator) else each
                    own = parse_overhead_mark(plain, platforms.platforms)
                    found.pop(platform, None)
                    found |= {platform: own[platform]} if platform in own else {}
        return found

    def find_rules(self, node: pytest.Item) -> ParityRules:
        """Give what of a test is compared, and what may differ by its own mark."""
        mark = find_mark(node, "parity")
        if mark is None:
            return self._default_rules
        found: ParityRules = self.read(mark, node)
        return found

    def find_image_rules(self, node: pytest.Item | None) -> ImageRules:
        """Give what is looked at in a test's image before it runs; without a test, in any."""
        settings = self._settings
        if node is None:
            return ImageRules(
                audit=settings.audit.value,
                index=settings.index.value,
                static_parity=settings.static_parity.value,
            )
        names = ("audit", "index", "static_parity")
        audit, index, static = (find_mark(node, each) for each in names)
        return ImageRules(
            audit=self.read(audit, node) if audit else settings.audit.value,
            index=self.read(index, node) if index else settings.index.value,
            static_parity=self.read(static, node) if static else settings.static_parity.value,
        )

    @cached_property
    def configured_allowances(self) -> tuple[Allowance, ...]:
        """What the configuration allows for all tests."""
        return make_rules(allow=self._settings.allow.value).allowances

    @cached_property
    def _default_rules(self) -> ParityRules:
        if not self._settings.normalize.value:
            return ParityRules()
        return parse_parity_mark(None, self._settings, self._find_normalizers())

    def check_default_rules(self) -> None:
        """Read the rules that the configuration declares for all tests.

        Raises:
            pytest.UsageError: one of them is wrong.
        """
        try:
            _ = self._default_rules, self.configured_allowances
        except UsageError as error:
            where = self._settings.normalize.origin
            raise pytest.UsageError(f"pytest-multiarch: {where}: {error}") from None
