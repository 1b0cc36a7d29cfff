"""Waiting until a container is ready, with a deadline, and saying what was waited for."""

from __future__ import annotations

import http.client
import re
import socket
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import (
    ContainerError,
    DeadlineError,
    MultiarchError,
    NotReadyError,
    ProgramNotFoundError,
)
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
    from collections.abc import Callable

    from pytest_multiarch.core.ports import ContainerState
    from pytest_multiarch.run.container import Container

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5
_HOLD_S = 0.2
"""How long a connection has to last: on a busy machine Docker's proxy hangs up after 80 ms."""
_PODMAN_HOLD_S = 1.0
"""A rootless Podman's takes 200 ms, on a busy machine 350."""
_CONNECT_S = 2.0
_ANSWER_S = 5.0
_LOG_LINES = 20_000
"""Of each poll: engines read a tail from its end, and all of a log of 1 GB takes too long."""


def wait_ready(container: Container, waits: tuple[Wait, ...], *, limit_s: float) -> None:
    """Wait until all conditions hold, in their order.

    Without a condition a container is ready unless it has failed already.

    Raises:
        NotReadyError: the container ended, was called unhealthy, or ran out of time; what was
            waited for, how it stands, and the last lines of the log are in the message.
    """
    deadline = time.monotonic() + limit_s
    for wait in waits:
        if isinstance(wait, StrategyWait):
            _wait_by_strategy(container, wait)
        else:
            _poll(container, wait, deadline, limit_s)
    if not waits:
        state = container.inspect()
        if state.exit_code:
            raise container.explain_ended(state)


def _poll(container: Container, wait: Wait, deadline: float, limit_s: float) -> None:
    holds = _make_check(container, wait)
    pause_s = _FIRST_PAUSE_S
    while True:
        state = container.inspect()
        problem = holds()
        if problem is None:
            return
        # Looked at before: what is waited for may come with its last words.
        if not state.is_running:
            raise _explain_ended(container, state, wait)
        if time.monotonic() >= deadline:
            raise NotReadyError(
                f"the container was not ready within {limit_s:g} s: waited for {wait}{problem}"
                + container.quote_log(),
                cure="give it more time with timeout=SECONDS, or mend what keeps it",
            )
        time.sleep(min(pause_s, max(deadline - time.monotonic(), 0)))
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)


def _explain_ended(container: Container, state: ContainerState, wait: Wait) -> MultiarchError:
    error = container.explain_ended(state)
    if not isinstance(error, ContainerError):
        return error
    return NotReadyError(f"while waiting for {wait}: {error.what}", cure=error.cure)


def _make_check(container: Container, wait: Wait) -> Callable[[], str | None]:
    """Give a function that tells what is still wrong, or None."""
    match wait:
        case LogWait():
            pattern = re.compile(wait.pattern, re.MULTILINE)
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


def _check_log(container: Container, pattern: re.Pattern[str], times: int) -> str | None:
    texts = (
        data.decode("utf-8", "replace").replace("\r\n", "\n")
        for data in container.read_log_bytes(tail=_LOG_LINES)
    )
    found = sum(1 for text in texts for _ in pattern.finditer(text))
    return None if found >= times else (f"; seen {found} of {times} times" if times > 1 else "")


def _check_port(container: Container, port: int) -> str | None:
    """Connect and see whether the connection lasts: Docker's proxy accepts for a port on which
    nothing listens yet, and hangs up at once."""
    try:
        address = container.address(port)
        with socket.create_connection(address, timeout=_CONNECT_S) as connection:
            connection.settimeout(_PODMAN_HOLD_S if _is_on_podman(container) else _HOLD_S)
            try:
                return None if connection.recv(1) else "; it hangs up"
            except TimeoutError:
                return None  # a server that waits for its client to speak
    except ContainerError as error:
        return f"; {error.headline}"
    except OSError as error:
        return f"; {error.strerror or error}"


def _is_on_podman(container: Container) -> bool:
    return container.started.node.engine.read_facts().product == "Podman"


def _check_http(container: Container, wait: HttpWait) -> str | None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _KeepRedirect())
    try:
        host, port = container.address(wait.port)
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}{wait.path}"
        with opener.open(url, timeout=_ANSWER_S) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        with error:
            status = error.code
    except ContainerError as error:
        return f"; {error.headline}"
    except (OSError, http.client.HTTPException) as error:
        return f"; {str(error) or type(error).__name__}"
    return None if wait.accepts(status) else f"; it answers {status}"


class _KeepRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Take a redirect as the answer."""


def _check_health(container: Container) -> str | None:
    state = container.inspect()
    if state.health == "healthy":
        return None
    if not state.health and state.is_running:
        note = ""
        if _is_on_podman(container):
            note = " (Podman does not see that of an image in the OCI format)"
        raise NotReadyError(
            f"{container.variant.reference} has no HEALTHCHECK to wait for{note}",
            cure="give another wait=, for example a port or a line of its log",
        )
    # Its author chose the check's patience for native execution; emulated, it may yet recover.
    if state.health == "unhealthy" and not container.execution.is_emulated:
        raise NotReadyError(
            "the container's HEALTHCHECK calls it unhealthy" + container.quote_log(),
            cure="mend what the check finds, or give another wait=",
        )
    return f"; it says {state.health}"


def _check_callable(container: Container, wait: CallableWait) -> str | None:
    try:
        return None if wait.function(container) else ""
    except ProgramNotFoundError:
        raise
    except (ContainerError, DeadlineError) as error:
        return f"; {error.headline}"
    except MultiarchError:
        raise
    except Exception as error:  # noqa: BLE001 - a client may raise anything until its server is up
        return f"; it raised {type(error).__name__}: {error}"


def _wait_by_strategy(container: Container, wait: StrategyWait) -> None:
    try:
        container.run_wait_strategy(wait.strategy)
    except MultiarchError:
        raise
    except Exception as error:  # noqa: BLE001 - TimeoutError, RuntimeError and their own
        state = container.inspect()
        if not state.is_running:
            raise _explain_ended(container, state, wait) from None
        raise NotReadyError(
            f"the container was not ready: waited for {wait}: {error}" + container.quote_log(),
            cure="give the strategy more time (with_startup_timeout), or mend what keeps it",
        ) from None
