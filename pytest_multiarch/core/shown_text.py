"""Text from outside, such as a path in an image, as it may stand in a message."""

from __future__ import annotations


def show_text(text: str) -> str:
    """Spell out what is not printable: control characters, undecodable bytes."""
    return text if text.isprintable() else ascii(text)[1:-1]


def shorten(name: str, width: int) -> str:
    """Cut a name in its middle: both its ends tell more of it."""
    if len(name) <= width:
        return name
    end = (width - 3) // 2
    return f"{name[: width - 3 - end]}...{name[len(name) - end :]}"
