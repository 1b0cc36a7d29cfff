"""Waiting until a container is ready, with a deadline, and saying what was waited for."""

from __future__ import annotations

import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import ContainerError, EngineGoneError, NotReadyError
from pytest_multiarch.core.ports import ContainerState
from pytest_multiarch.core.wait import (
    CallableWait,
    HealthWait,
    HttpWait,
    LogWait,
    PortWait,
    StrategyWait,
    Wait,
)

if TYPE_CHECKING:
    from pytest_multiarch.run.container import Container

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5
_HOLD_S = 0.05


def wait_ready(container: Container, waits: tuple[Wait, ...], *, limit_s: float) -> None:
    """Wait until all conditions hold, in their order.

    Raises:
        NotReadyError: the container ended, was called unhealthy, or ran out of time; what was
            waited for, how it stands, and the last lines of the log are in the message.
    """
    deadline = time.monotonic() + limit_s
    for wait in waits:
        if isinstance(wait, StrategyWait):
            _wait_by_strategy(container, wait, limit_s)
        else:
            _poll(container, wait, deadline, limit_s)


def _poll(container: Container, wait: Wait, deadline: float, limit_s: float) -> None:
    holds = _make_check(container, wait)
    pause_s = _FIRST_PAUSE_S
    while True:
        problem = holds()
        if problem is None:
            return
        _refuse_ended(container, container.inspect(), wait, holds)
        if time.monotonic() >= deadline:
            raise NotReadyError(
                f"the container was not ready within {limit_s:g} s: waited for {wait}{problem}"
                + container.quote_log(),
                cure="give it more time with timeout=SECONDS, or mend what keeps it",
            )
        time.sleep(min(pause_s, max(deadline - time.monotonic(), 0)))
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)


def _refuse_ended(
    container: Container, state: ContainerState, wait: Wait, holds: Callable[[], str | None]
) -> None:
    # What it was waited for may have come with its last words.
    if state.is_running or (isinstance(wait, LogWait) and holds() is None):
        return
    raise NotReadyError(
        f"the container ended with exit code {state.exit_code} while waiting for {wait}"
        + (f" ({state.error})" if state.error else "")
        + container.quote_log(),
        cure="its command must stay in the foreground; for a program that ends by itself use "
        "variant.run(...)",
    )


def _make_check(container: Container, wait: Wait) -> Callable[[], str | None]:
    """Give a function that tells what is still wrong, or None."""
    match wait:
        case LogWait():
            pattern = re.compile(wait.pattern.encode(), re.MULTILINE)
            return lambda: _check_log(container, pattern, wait.times)
        case PortWait():
            return lambda: _check_port(container, wait.port)
        case HttpWait():
            return lambda: _check_http(container, wait)
        case HealthWait():
            return lambda: _check_health(container)
        case CallableWait():
            return lambda: _check_callable(container, wait)
        case StrategyWait():
            raise AssertionError("strategies wait by themselves")


def _check_log(container: Container, pattern: re.Pattern[bytes], times: int) -> str | None:
    out, err = container.read_log_bytes()
    found = len(pattern.findall(out)) + len(pattern.findall(err))
    return None if found >= times else (f"; seen {found} of {times} times" if times > 1 else "")


def _check_port(container: Container, port: int) -> str | None:
    """Connect and see whether the connection lasts: Docker's proxy accepts for a port on which
    nothing listens yet, and hangs up at once."""
    try:
        with socket.create_connection(container.address(port), timeout=2) as connection:
            connection.settimeout(_HOLD_S)
            return None if connection.recv(1) else "; it hangs up"
    except TimeoutError:
        return None
    except OSError as error:
        return f"; {error.strerror or error}"


def _check_http(container: Container, wait: HttpWait) -> str | None:
    host, port = container.address(wait.port)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _KeepRedirect())
    try:
        with opener.open(f"http://{host}:{port}{wait.path}", timeout=5) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError as error:
        return f"; {error}"
    return None if wait.accepts(status) else f"; it answers {status}"


class _KeepRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Take a redirect as the answer."""


def _check_health(container: Container) -> str | None:
    state = container.inspect()
    if state.health == "healthy":
        return None
    if not state.health:
        raise NotReadyError(
            f"{container.variant.reference} has no HEALTHCHECK to wait for",
            cure="give another wait=, for example a port or a line of its log",
        )
    return f"; it says {state.health}"


def _check_callable(container: Container, wait: CallableWait) -> str | None:
    try:
        return None if wait.function(container) else ""
    except EngineGoneError:
        raise
    except ContainerError as error:
        return f"; {error.headline}"
    except Exception as error:  # a client library may raise anything until its server is up
        return f"; it raised {type(error).__name__}: {error}"


def _wait_by_strategy(container: Container, wait: StrategyWait, limit_s: float) -> None:
    try:
        container.run_wait_strategy(wait.strategy)
    except NotReadyError:
        raise
    except Exception as error:  # strategies raise TimeoutError, RuntimeError and their own
        raise NotReadyError(
            f"the container was not ready within {limit_s:g} s: waited for {wait}: {error}"
            + container.quote_log(),
            cure="give the strategy more time (with_startup_timeout), or mend what keeps it",
        ) from None
