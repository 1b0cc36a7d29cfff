"""When a container is ready: conditions, as plain values.

wait="Ready to accept connections"     a regular expression, found in the log
wait=6379                              a port that accepts connections
wait="http://:8080/health"             an HTTP request that is answered with 2xx or 3xx
wait=wait.healthy()                    the image's HEALTHCHECK says healthy
wait=lambda container: ...             a callable that becomes true
wait=LogMessageWaitStrategy(...)       any wait strategy of testcontainers
wait=[6379, "Ready"]                   all of them
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

READY_TIMEOUT_S = 60.0
"""How long a container may take to become ready, natively."""

RUN_TIMEOUT_S = 120.0
"""How long one run or exec may take, natively."""

EMULATION_STRETCH = 5.0
"""The factor by which default deadlines are longer under emulation; a written one holds as is."""


def stretch_deadline(default_s: float, written_s: float | None, *, is_emulated: bool) -> float:
    """Give the seconds a wait may take: what the user wrote, else the default, stretched."""
    if written_s is not None:
        return written_s
    return default_s * EMULATION_STRETCH if is_emulated else default_s


@dataclass(frozen=True, slots=True)
class LogWait:
    """A regular expression is found in the log (stdout or stderr), `times` times."""

    pattern: str
    times: int = 1

    def __str__(self) -> str:
        times = f" {self.times} times" if self.times > 1 else ""
        return f"{self.pattern!r}{times} in its log"


@dataclass(frozen=True, slots=True)
class PortWait:
    """A port of the container accepts connections and keeps them open."""

    port: int

    def __str__(self) -> str:
        return f"port {self.port} to accept connections"


@dataclass(frozen=True, slots=True)
class HttpWait:
    """A GET request is answered with one of `statuses`, or with 2xx or 3xx if there are none."""

    port: int
    path: str = "/"
    statuses: tuple[int, ...] = ()

    def accepts(self, status: int) -> bool:
        """Whether an answer with this status counts as ready."""
        return status in self.statuses if self.statuses else 200 <= status < 400

    def __str__(self) -> str:
        what = " or ".join(map(str, self.statuses)) or "2xx or 3xx"
        return f"{what} from http://:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class HealthWait:
    """The engine runs the image's HEALTHCHECK and calls the container healthy."""

    def __str__(self) -> str:
        return "its HEALTHCHECK to say healthy"


@dataclass(frozen=True, slots=True)
class CallableWait:
    """A callable, given the container, returns something true; an exception means not yet."""

    function: Callable[[Any], object]

    def __str__(self) -> str:
        return f"{getattr(self.function, '__name__', 'a callable')} to return true"


@dataclass(frozen=True, slots=True)
class StrategyWait:
    """A wait strategy object of testcontainers."""

    strategy: Any

    def __str__(self) -> str:
        return type(self.strategy).__name__


Wait = LogWait | PortWait | HttpWait | HealthWait | CallableWait | StrategyWait
_HTTP = re.compile(r"http://:(\d+)(/.*)?\Z")


def log(pattern: str, *, times: int = 1) -> LogWait:
    """Wait for a regular expression in the log; `^` and `$` match at each line."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise UsageError(f"wait={pattern!r} is not a regular expression: {error}") from None
    return LogWait(pattern, times)


def port(number: int) -> PortWait:
    """Wait until a port of the container accepts connections."""
    return PortWait(number)


def http(port: int, path: str = "/", *, status: int | tuple[int, ...] = ()) -> HttpWait:
    """Wait until a GET request is answered with `status` (2xx or 3xx if none is given)."""
    return HttpWait(port, path, (status,) if isinstance(status, int) else tuple(status))


def healthy() -> HealthWait:
    """Wait until the image's HEALTHCHECK says healthy."""
    return HealthWait()


def parse_wait(value: object) -> tuple[Wait, ...]:
    """Read `wait=` in any of its forms into the conditions that must all hold.

    Raises:
        UsageError: it is none of them.
    """
    match value:
        case None:
            return ()
        case LogWait() | PortWait() | HttpWait() | HealthWait() | CallableWait() | StrategyWait():
            return (value,)
        case bool():
            pass
        case int():
            return (port(value),)
        case str():
            found = _HTTP.match(value)
            return (http(int(found[1]), found[2] or "/") if found else log(value),)
        case list() | tuple():
            return tuple(wait for each in value for wait in parse_wait(each))
        case _ if hasattr(value, "wait_until_ready"):
            return (StrategyWait(value),)
        case _ if callable(value):
            return (CallableWait(value),)
    raise UsageError(
        f"wait={value!r} is not something to wait for",
        cure="give a regular expression for the log, a port number, 'http://:PORT/PATH', "
        "wait.healthy(), a callable, a testcontainers wait strategy, or a list of them",
    )
