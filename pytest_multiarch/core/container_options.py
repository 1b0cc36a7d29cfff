"""What a container is given beside its command: mounts, limits, capabilities.

The keyword names are those of testcontainers, which passes them on to docker-py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypedDict

from pytest_multiarch.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZE = re.compile(r"(\d+)([bkmgt]?)\Z", re.IGNORECASE)
_UNITS = {"": 0, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_CAPABILITY = re.compile(r"(?:CAP_)?([A-Z_]+)\Z")
_HOSTNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?\Z")
_LABEL_OF_OURS = "org.pytest-multiarch."
_ULIMITS = (
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc",
    "rss", "rtprio", "rttime", "sigpending", "stack",
)  # fmt: skip
_SMALLEST_MEMORY = 6 << 20


class OptionArguments(TypedDict, total=False):
    """The options as tests write them, by keyword."""

    volumes: Sequence[tuple[Any, ...]]
    tmpfs: Mapping[str, str]
    ulimits: Mapping[str, int | tuple[int, int]] | Sequence[Any]
    mem_limit: int | str
    nano_cpus: int
    cap_add: str | Sequence[str]
    cap_drop: str | Sequence[str]
    shm_size: int | str
    read_only: bool
    labels: Mapping[str, str]
    hostname: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A file or folder of the test's machine, mounted at `target`, which cannot be written to."""

    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ulimit:
    """A limit of each process; -1 for none."""

    name: str
    soft: int
    hard: int

    def __str__(self) -> str:
        return f"{self.name}={self.soft}:{self.hard}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """What a container is given beside its command; sizes are bytes, 0 for the engine's own."""

    volumes: tuple[Bind, ...] = ()
    tmpfs: tuple[tuple[str, str], ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    mem_limit: int = 0
    nano_cpus: int = 0
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    shm_size: int = 0
    read_only: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    hostname: str = ""

    @property
    def has_limits(self) -> bool:
        """Whether there are limits that the kernel of an engine may not know."""
        return bool(self.mem_limit or self.nano_cpus or self.ulimits)

    def to_words(self) -> tuple[str, ...]:
        """Write them as options of `docker run`."""
        flags = [
            *(("--mount", f"type=bind,src={e.source},dst={e.target},ro") for e in self.volumes),
            *(("--tmpfs", f"{path}:{how}" if how else path) for path, how in self.tmpfs),
            *(("--ulimit", str(each)) for each in self.ulimits),
            *((("--memory", str(self.mem_limit)),) if self.mem_limit else ()),
            *((("--cpus", f"{self.nano_cpus / 1e9:g}"),) if self.nano_cpus else ()),
            *(("--cap-add", each) for each in self.cap_add),
            *(("--cap-drop", each) for each in self.cap_drop),
            *((("--shm-size", str(self.shm_size)),) if self.shm_size else ()),
            *((("--read-only",),) if self.read_only else ()),
            *(("--label", f"{name}={value}") for name, value in self.labels),
            *((("--hostname", self.hostname),) if self.hostname else ()),
        ]
        return tuple(word for flag in flags for word in flag)


def parse_options(arguments: Mapping[str, Any], *, what: str) -> ContainerOptions:
    """Read options as tests write them; `what` takes them, for messages.

    Sources of `volumes` have to be absolute by now.

    Raises:
        UsageError: one is unknown or wrong.
    """
    given: dict[str, Any] = {}
    for name, value in arguments.items():
        parse = _PARSERS.get(name)
        if parse is None:
            raise UsageError(
                f"{what} has no argument {name!r}", cure=f"valid are {', '.join(OPTION_NAMES)}"
            )
        if value is None:
            continue
        try:
            given[name] = parse(value)
        except UsageError as error:
            raise UsageError(f"{what}: {name}={value!r}: {error.what}", cure=error.cure) from None
    return ContainerOptions(**given)


def _parse_volumes(value: object) -> tuple[Bind, ...]:
    pairs = [
        (source, how.get("bind"), how.get("mode", "ro")) if isinstance(how, Mapping) else ()
        for source, how in (value.items() if isinstance(value, Mapping) else ())
    ]
    return tuple(map(_parse_volume, pairs or _list(value)))


def _parse_volume(value: object) -> Bind:
    if not isinstance(value, (tuple, list)) or len(value) not in (2, 3):
        raise UsageError(
            "a volume is (path here, path in the container)",
            cure='write for example volumes=[("data", "/data")]',
        )
    source, target, mode = (*value, "ro")[:3]
    if mode != "ro":
        raise UsageError(
            f"{mode!r} is not supported: what is mounted is read-only, since what one platform "
            "writes would be there for the next",
            cure="put files in with files=, take them out with copy_out, or use tmpfs=",
        )
    if not isinstance(target, str) or not target.startswith("/"):
        raise UsageError(f"{target!r} is not absolute", cure=f"write '/{target}'")
    return Bind(source=str(source), target=target)


def _parse_tmpfs(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping):
        raise UsageError(
            "it is a mapping from path to options", cure='write for example {"/tmp": "size=64m"}'
        )
    for path, how in value.items():
        if not isinstance(path, str) or not path.startswith("/"):
            raise UsageError(f"{path!r} is not absolute", cure=f"write '/{path}'")
        if not isinstance(how, str):
            raise UsageError(f"{how!r} is not text", cure='write for example "size=64m", or ""')
    return tuple(sorted(value.items()))


def _parse_ulimits(value: object) -> tuple[Ulimit, ...]:
    if isinstance(value, Mapping) and "Name" not in value:
        return tuple(_parse_ulimit(name, limits) for name, limits in value.items())
    # docker-py's `Ulimit` is a dict.
    return tuple(
        _parse_ulimit(
            each["Name"], (each.get("Soft", each.get("Hard")), each.get("Hard", each.get("Soft")))
        )
        if isinstance(each, Mapping) and "Name" in each
        else _parse_ulimit(each, None)
        for each in _list(value)
    )


def _parse_ulimit(name: object, limits: object) -> Ulimit:
    if name not in _ULIMITS:
        raise UsageError(
            f"{name!r} is no limit",
            cure=f'write for example {{"nofile": 1024}}; there are {", ".join(_ULIMITS)}',
        )
    soft: Any
    hard: Any
    soft, hard = limits if isinstance(limits, (tuple, list)) and len(limits) == 2 else (limits,) * 2
    if not (_is_number(soft) and _is_number(hard)):
        raise UsageError(f"the limit of {name} is no number", cure="write one, or (soft, hard)")
    if hard != -1 and (soft > hard or soft == -1):
        raise UsageError(f"the soft limit of {name} is above the hard one")
    return Ulimit(name=str(name), soft=soft, hard=hard)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= -1


def _parse_size(value: object) -> int:
    if isinstance(value, str) and (found := _SIZE.match(value.strip())):
        value = int(found[1]) << _UNITS[found[2].lower()]
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise UsageError("it is no size", cure='write bytes, or for example "64m"')
    return value


def _parse_memory(value: object) -> int:
    size = _parse_size(value)
    if size < _SMALLEST_MEMORY:
        raise UsageError("engines take no less than 6m")
    return size


def _parse_cpus(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 10**7:
        raise UsageError(
            "it is no number of billionths of a CPU, 10_000_000 at least",
            cure="write nano_cpus=500_000_000 for half a CPU",
        )
    return value


def _parse_capabilities(value: object) -> tuple[str, ...]:
    names = []
    for each in _list(value):
        found = _CAPABILITY.match(each.upper()) if isinstance(each, str) else None
        if found is None:
            raise UsageError(
                f"{each!r} is no capability", cure='write for example ["NET_ADMIN"], or ["ALL"]'
            )
        names.append(found[1])
    return tuple(names)


def _parse_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise UsageError("it is True or False")
    return value


def _parse_labels(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping) or not all(
        isinstance(word, str) for pair in value.items() for word in pair
    ):
        raise UsageError("it is a mapping from text to text")
    ours = next((name for name in value if name.startswith(_LABEL_OF_OURS)), None)
    if ours is not None:
        raise UsageError(f"{ours} is a label of pytest-multiarch", cure="give it another name")
    return tuple(sorted(value.items()))


def _parse_hostname(value: object) -> str:
    if not isinstance(value, str) or not _HOSTNAME.match(value):
        raise UsageError("it is no host name: letters, digits, hyphens and dots, at most 63")
    return value


def _list(value: object) -> list[Any]:
    is_many = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
    return list(value) if is_many else [value]  # type: ignore[call-overload]


_PARSERS: dict[str, Callable[[object], object]] = {
    "volumes": _parse_volumes,
    "tmpfs": _parse_tmpfs,
    "ulimits": _parse_ulimits,
    "mem_limit": _parse_memory,
    "nano_cpus": _parse_cpus,
    "cap_add": _parse_capabilities,
    "cap_drop": _parse_capabilities,
    "shm_size": _parse_size,
    "read_only": _parse_flag,
    "labels": _parse_labels,
    "hostname": _parse_hostname,
}
OPTION_NAMES = tuple(each.name for each in fields(ContainerOptions))
"""The keyword names of all options."""
