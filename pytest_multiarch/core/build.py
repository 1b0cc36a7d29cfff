"""What is to be built, and what a build came to: values, their checks, their JSON form."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.core.secret_text import hide_in_text, hide_secret

DEFAULT_DOCKERFILE = "Dockerfile"
BUILD_KEYS = (
    "context", "dockerfile", "target", "args", "secrets", "platform_args", "cache_from",
    "cache_to", "tag",
)  # fmt: skip
_ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ABSOLUTE = re.compile(r"/|[A-Za-z]:[/\\]")
_SECRET_KEYS = ("id", "env", "src", "source", "type")
_EXAMPLE = 'write for example build(".", dockerfile="Dockerfile")'

Arguments = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """An image to build. Paths are absolute.

    `args` and `platform_args` are build arguments, the latter of single platforms. `secrets` are
    as `docker buildx build --secret` takes them, `cache_from` and `cache_to` as its options of
    these names. Values of arguments and secrets are never recorded.
    """

    context: str
    dockerfile: str
    target: str = ""
    args: Arguments = field(default=(), repr=False)
    secrets: tuple[str, ...] = ()
    platform_args: tuple[tuple[Platform, Arguments], ...] = field(default=(), repr=False)
    cache_from: tuple[str, ...] = field(default=(), repr=False)
    cache_to: tuple[str, ...] = field(default=(), repr=False)
    tag: str = ""

    @property
    def key(self) -> str:
        """What tells this image from others that are built: 12 hexadecimal digits."""
        told = (
            self.context, self.dockerfile, self.target, self.args,
            [(str(platform), args) for platform, args in self.platform_args], self.tag,
        )  # fmt: skip
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """The name under which the image stays in the engine until the next build."""
        if self.tag:
            return self.tag
        folder = re.sub(r"[^a-z0-9]+", "-", re.split(r"[/\\]", self.context)[-1].lower()).strip("-")
        return f"multiarch-build/{folder or 'image'}:{self.key}"

    @property
    def title(self) -> str:
        """The Dockerfile as messages and records call it: `app/Dockerfile`."""
        folder = re.split(r"[/\\]", self.context)[-1]
        return f"{folder}/{self.dockerfile.removeprefix(self.context).lstrip('/')}"

    def name_for(self, platform: Platform) -> str:
        """The name of one platform's image, where an engine keeps one platform under a name."""
        return name_apart(self.name, platform)

    def list_args(self, platform: Platform | None) -> dict[str, str]:
        """Give the build arguments, with those of one platform."""
        own = dict(self.platform_args).get(platform, ()) if platform else ()
        return {**dict(self.args), **dict(own)}

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form, as a configuration file writes it; what looks secret is hidden."""
        plain: dict[str, Any] = {
            "context": self.context,
            "dockerfile": self.dockerfile,
            "target": self.target,
            "args": _hide_arguments(self.args),
            "secrets": list(self.secrets),
            "platform_args": {
                str(platform): _hide_arguments(args) for platform, args in self.platform_args
            },
            "cache_from": [*map(hide_in_text, self.cache_from)],
            "cache_to": [*map(hide_in_text, self.cache_to)],
            "tag": self.tag,
        }
        return {name: each for name, each in plain.items() if each}

    def name_cache(self, platform: Platform | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Give `cache_from` and `cache_to`, of one platform's build apart from the others'."""
        if platform is None:
            return self.cache_from, self.cache_to
        return (
            tuple(_set_apart(each, platform) for each in self.cache_from),
            tuple(_set_apart(each, platform) for each in self.cache_to),
        )


def _hide_arguments(args: Arguments) -> dict[str, str]:
    return {name: hide_secret(name, value) for name, value in args}


def _set_apart(option: str, platform: Platform) -> str:
    """Give a cache a place of its own: a build overwrites what is there."""
    fields = dict(part.partition("=")[::2] for part in option.split(","))
    match fields.get("type", "registry"):
        case "local":
            for name in ("src", "dest"):
                if name in fields:
                    fields[name] = f"{fields[name]}/{platform.slug}"
        case "registry":
            if "ref" not in fields:
                return _tag_apart(option, platform)
            fields["ref"] = _tag_apart(fields["ref"], platform)
        case "gha":
            fields["scope"] = f"{fields.get('scope', 'buildkit')}-{platform.slug}"
        case _:
            return option
    return ",".join(f"{name}={value}" for name, value in fields.items())


def _tag_apart(reference: str, platform: Platform) -> str:
    has_tag = ":" in reference.rpartition("/")[2]
    return f"{reference}-{platform.slug}" if has_tag else f"{reference}:{platform.slug}"


def name_apart(reference: str, platform: Platform) -> str:
    """Name the image of one platform, where an engine keeps one platform under a name."""
    suffix = "-".join(filter(None, (platform.architecture, platform.variant)))
    base = reference if ":" in reference.rpartition("/")[2] else f"{reference}:latest"
    return f"{base}-{suffix}"


def describe_cache(option: str) -> str:
    """Give a cache option as it may be recorded: its kind and place, no credentials."""
    fields = dict(part.partition("=")[::2] for part in option.split(","))
    if "type" not in fields:
        return option.partition("@")[0]
    told = [fields[name] for name in ("ref", "src", "dest", "scope") if name in fields]
    return " ".join((fields["type"], *told))


def make_build_spec(
    context: object = None,
    *,
    dockerfile: object = DEFAULT_DOCKERFILE,
    target: object = "",
    args: object = None,
    secrets: object = (),
    platform_args: object = None,
    cache_from: object = (),
    cache_to: object = (),
    tag: object = "",
    folder: str,
) -> BuildSpec:
    """Check what is to be built; a relative context is in `folder`, a relative Dockerfile in it.

    Raises:
        UsageError: something is missing, or of the wrong kind.
    """
    if not _is_path(context):
        raise UsageError(f"the context is a folder, not {context!r}", cure=_EXAMPLE)
    if "://" in str(context):
        raise UsageError(
            f"{str(context)!r} is a context elsewhere", cure="check it out, and name the folder"
        )
    if not _is_path(dockerfile):
        raise UsageError(f"dockerfile is a file, not {dockerfile!r}", cure=_EXAMPLE)
    for name, text in (("target", target), ("tag", tag)):
        if not isinstance(text, str):
            raise UsageError(f"{name} is a text, not {text!r}")
    place = _join(folder, str(context))
    if tag and ImageReference.parse(str(tag)).digest:
        raise UsageError(f"tag {tag!r} has a digest", cure="write name:tag")
    return BuildSpec(
        context=place,
        dockerfile=_join(place, str(dockerfile)),
        target=str(target),
        args=_read_arguments(args, "args"),
        secrets=tuple(_read_secret(each, folder) for each in _list_texts(secrets, "secrets")),
        platform_args=_read_platform_args(platform_args),
        cache_from=tuple(
            _place_cache(each, folder) for each in _list_texts(cache_from, "cache_from")
        ),
        cache_to=tuple(_place_cache(each, folder) for each in _list_texts(cache_to, "cache_to")),
        tag=str(tag),
    )


def _is_path(value: object) -> bool:
    return (isinstance(value, str) or hasattr(value, "__fspath__")) and bool(str(value))


def _join(folder: str, path: str) -> str:
    """Put a path behind a folder, unless it is a whole one, without `.` and `..` in it."""
    whole = path if _ABSOLUTE.match(path) else f"{folder}/{path}"
    parts: list[str] = []
    for part in whole.split("/"):
        if part == ".." and parts and parts[-1] not in ("", ".."):
            parts.pop()
        elif part != "." and (part or not parts):
            parts.append(part)
    return "/".join(parts) or "/"


def _read_arguments(value: object, what: str) -> Arguments:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise UsageError(
            f"{what} is a mapping from names to values, not a {type(value).__name__}",
            cure=f'write for example {what}={{"VERSION": "1.4"}}',
        )
    for name, each in value.items():
        if not isinstance(name, str) or not _ARGUMENT.match(name):
            raise UsageError(f"{what}: {name!r} is no name of a build argument")
        if not isinstance(each, (str, int, float)):
            raise UsageError(f"{what}: the value of {name} is no text")
    return tuple((name, str(each)) for name, each in value.items())


def _read_platform_args(value: object) -> tuple[tuple[Platform, Arguments], ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise UsageError(
            f"platform_args is a mapping from platforms to args, not a {type(value).__name__}",
            cure='write for example platform_args={"linux/arm64": {"CFLAGS": "-O1"}}',
        )
    return tuple(
        (Platform.parse(str(name)), _read_arguments(each, f"platform_args of {name}"))
        for name, each in value.items()
    )


def _list_texts(value: object, what: str) -> tuple[str, ...]:
    given = (value,) if isinstance(value, str) else value
    if not isinstance(given, Sequence) or not all(isinstance(each, str) for each in given):
        raise UsageError(f"{what} is a list of texts, not {type(value).__name__}")
    return tuple(given)


def _read_secret(text: str, folder: str) -> str:
    """Read `id=token,env=TOKEN` or `id=key,src=key.pem`; a relative file is in `folder`."""
    fields = dict(part.partition("=")[::2] for part in text.split(","))
    sources = [name for name in ("env", "src", "source") if fields.get(name)]
    if not fields.get("id") or set(fields) - set(_SECRET_KEYS) or len(sources) > 1:
        # The text itself may hold what must not be shown.
        raise UsageError(
            "secrets: one is not written as docker buildx build --secret takes it",
            cure='write for example secrets=["id=token,env=TOKEN"] or ["id=key,src=key.pem"]',
        )
    if sources and sources[0] != "env":
        fields["src"] = _join(folder, fields.pop(sources[0]))
    return ",".join(f"{name}={value}" for name, value in fields.items())


def _place_cache(text: str, folder: str) -> str:
    fields = dict(part.partition("=")[::2] for part in text.split(","))
    if fields.get("type") != "local":
        return text
    for name in ("src", "dest"):
        if name in fields:
            fields[name] = _join(folder, fields[name])
    return ",".join(f"{name}={value}" for name, value in fields.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """One call of the builder: an image for some platforms, loaded under a name.

    `is_apart`: one of several calls that build one platform each.
    """

    spec: BuildSpec
    platforms: tuple[Platform, ...]
    name: str
    is_apart: bool = False

    @property
    def only(self) -> Platform | None:
        """The platform of a call that builds one apart from the others."""
        return self.platforms[0] if self.is_apart else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderFacts:
    """What builds: its name and driver, the version of buildx, the platforms of its machines.

    `nodes` is how many machines it has; those that nobody has started tell no platform.
    """

    name: str
    driver: str
    version: str
    machines: tuple[Platform, ...] = ()
    nodes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFinding:
    """Something about a Dockerfile that was found before building: where, what, and the cure.

    `platforms` are those that it stops from being built; empty if it is only to be told.
    """

    rule: str
    line: int
    what: str
    cure: str
    platforms: tuple[Platform, ...] = ()

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {**asdict(self), "platforms": [*map(str, self.platforms)]}

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> BuildFinding:
        """Read what `to_mapping` gave."""
        platforms = tuple(map(Platform.parse, document.get("platforms", ())))
        return cls(**{**document, "platforms": platforms})


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedStep:
    """A step that ran emulated: its text, its line (0 if not known), its seconds.

    `compiles`: it looks like one that could cross-compile instead.
    """

    step: str
    line: int
    wall_s: float
    compiles: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformBuild:
    """What the build of one platform came to.

    `name` is what the engine has it under, `image_id` what it was there; `kind`, `digest` and
    `config_digest` are the variant's identity. `steps` are those of the Dockerfile that it takes,
    without bases, `cached` those of them that did not run. `wall_s` is the time in which at least
    one of its steps ran. `ratio` is to the native platform, over the steps that ran for both;
    None where there are none. `error` says why it is not there, `cure` what mends that.
    """

    name: str = ""
    image_id: str = ""
    kind: str = ""
    digest: str = ""
    config_digest: str = ""
    is_native: bool = True
    steps: int = 0
    cached: int = 0
    wall_s: float = 0.0
    ratio: float | None = None
    emulated: tuple[EmulatedStep, ...] = ()
    error: str = ""
    cure: str = ""

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {**asdict(self), "emulated": [asdict(each) for each in self.emulated]}

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> PlatformBuild:
        """Read what `to_mapping` gave."""
        emulated = tuple(EmulatedStep(**each) for each in document.get("emulated", ()))
        return cls(**{**document, "emulated": emulated})


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One image that a run built. `wall_s` is what all of it took; names only of args and secrets.

    `node` is the engine that has it. `started_at_s` is in seconds since 1970. `notes` are what
    could not be looked at.
    """

    name: str
    dockerfile: str
    node: str = ""
    target: str = ""
    args: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    builder: str = ""
    driver: str = ""
    buildx: str = ""
    started_at_s: float = 0.0
    wall_s: float = 0.0
    platforms: Mapping[Platform, PlatformBuild] = field(default_factory=dict)
    findings: tuple[BuildFinding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What tells it from the other builds of a run: each node has its own."""
        return f"{self.name} on {self.node}" if self.node else self.name

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        plain = {
            name: list(value) if isinstance(value, tuple) else value
            for name in self.__slots__
            if name not in ("platforms", "findings")
            for value in (getattr(self, name),)
        }
        return {
            **plain,
            "platforms": {str(key): each.to_mapping() for key, each in self.platforms.items()},
            "findings": [each.to_mapping() for each in self.findings],
        }

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Build:
        """Read what `to_mapping` gave."""
        lists = ("args", "secrets", "cache_from", "cache_to", "notes")
        return cls(
            **{
                **document,
                **{name: tuple(document.get(name, ())) for name in lists},
                "platforms": {
                    Platform.parse(key): PlatformBuild.from_mapping(each)
                    for key, each in document.get("platforms", {}).items()
                },
                "findings": tuple(map(BuildFinding.from_mapping, document.get("findings", ()))),
            }
        )


def start_build(
    spec: BuildSpec, builder: BuilderFacts, *, node: str = "", started_at_s: float
) -> Build:
    """Give what is known of a build before it begins; of what is secret only the names."""
    own = [name for _, args in spec.platform_args for name, _ in args]
    fields = [dict(part.partition("=")[::2] for part in each.split(",")) for each in spec.secrets]
    return Build(
        name=spec.name,
        dockerfile=spec.title,
        node=node,
        target=spec.target,
        args=tuple(dict.fromkeys([*dict(spec.args), *own])),
        secrets=tuple(each["id"] for each in fields),
        cache_from=tuple(map(describe_cache, spec.cache_from)),
        cache_to=tuple(map(describe_cache, spec.cache_to)),
        builder=builder.name,
        driver=builder.driver,
        buildx=builder.version,
        started_at_s=started_at_s,
    )
