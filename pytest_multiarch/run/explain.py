"""What a container's failure means: its last words, and the kernel's refusals among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import (
    ContainerError,
    EngineGoneError,
    MultiarchError,
)
from pytest_multiarch.core.known_message import Occasion
from pytest_multiarch.core.known_messages import find_last_words

if TYPE_CHECKING:
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import ContainerState
    from pytest_multiarch.run.node import Node

_LINES = 20
_WIDTH = 500


def explain_last_words(
    exit_code: int | None, output: bytes, platform: Platform
) -> MultiarchError | None:
    """Recognize what stands in a program's place in all that a container or exec printed.

    Runtimes report the kernel's refusal of a program as plain output, and an emulator that it
    finds no loader.
    """
    if len(output) > _WIDTH:
        return None
    text = show_text(output)
    known = find_last_words(text, exit_code)
    return known.explain(text, Occasion(platform=str(platform))) if known else None


def explain_ended(node: Node, state: ContainerState, platform: Platform) -> MultiarchError:
    """Say that a container has ended, though it was to go on: how, and its last words."""
    out, err = _read_log(node, state.id)
    refused = explain_last_words(state.exit_code, out + err, platform)
    if refused is not None:
        return refused
    how = f"with exit code {state.exit_code}" + (f" ({state.error})" if state.error else "")
    return ContainerError(
        f"the container has ended {how}{_quote(out, err)}",
        cure="its command must stay in the foreground; for a program that ends by itself use "
        "variant.run(...)",
    )


def quote_log(node: Node, container_id: str, *, nothing: str = "its log is empty") -> str:
    """Give the last lines of a container's log, for a message; empty if they can't be had."""
    try:
        return _quote(*_read_log(node, container_id), nothing=nothing)
    except MultiarchError:
        return ""


def _read_log(node: Node, container_id: str) -> tuple[bytes, bytes]:
    try:
        return node.engine.read_logs(container_id, tail=_LINES)
    except EngineGoneError:
        raise
    except MultiarchError:
        return b"", b""


def _quote(out: bytes, err: bytes, *, nothing: str = "its log is empty") -> str:
    """Quote both streams, which have no common order."""
    if not (out + err).strip():
        return f"\n{nothing}"
    parts = []
    for name, data in (("stdout", out), ("stderr", err)):
        lines = [f"  {line[:_WIDTH]}" for line in show_text(data).splitlines()[-_LINES:]]
        if lines:
            parts.append(f"\nthe last lines of its {name}:\n" + "\n".join(lines))
    return "".join(parts)


def show_text(data: bytes) -> str:
    """Make output fit to be shown: undecodable bytes and control characters are spelled out."""
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return "".join(
        each if each.isprintable() or each in "\n\t" else f"\\x{ord(each):02x}" for each in text
    )
