"""Outside text made fit for a page: bounded, without control characters, and as an anchor."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timezone

from pytest_multiarch.reports.diff import clean

NAME_LIMIT = 300
BLOCK_LIMIT = 4000
_UNSAFE = re.compile(r"[^a-z0-9_]+")


def show(text: str, limit: int = NAME_LIMIT) -> str:
    """Make a line safe to show; only what is shown of it is looked at."""
    if len(text) <= limit:
        return clean(text)
    return f"{clean(text[:limit])}\N{HORIZONTAL ELLIPSIS} ({len(text):,} characters)"


def shorten(text: str, limit: int = NAME_LIMIT) -> str:
    """Bound a text that somebody else makes safe to show."""
    return text if len(text) <= limit else f"{text[:limit]}\N{HORIZONTAL ELLIPSIS}"


def show_block(text: str, limit: int = BLOCK_LIMIT) -> str:
    """Make a text of many lines safe to show; of a long one, both its ends."""
    text = text.strip("\n")
    if len(text) > limit:
        gap = len(text) - limit
        half = limit // 2
        text = f"{text[:half]}\n({gap:,} characters not shown)\n{text[-half:]}"
    return "\n".join(clean(line.expandtabs(4)) for line in text.split("\n"))


def make_anchor(group: str) -> str:
    """Name a test in a link to it: readable, unambiguous, the same on every page."""
    name = group[-NAME_LIMIT:].rpartition("::")[2].lower()
    slug = _UNSAFE.sub("-", name).strip("-")[:40]
    digest = hashlib.sha256(group.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{slug or 'test'}-{digest}"


def write_css_text(text: str) -> str:
    """Write a text as a CSS string, all but letters and digits escaped."""
    safe = (each if each.isascii() and each.isalnum() else f"\\{ord(each):x} " for each in text)
    return f'"{"".join(safe)}"'


def name_seconds(seconds: float) -> str:
    """Give a time as a person would say it."""
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    if seconds >= 60:
        return f"{int(seconds // 60)} min {seconds % 60:.0f} s"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def name_moment(seconds: float) -> str:
    """Give a time since 1970 as a date, empty where none is known."""
    try:
        moment = datetime.fromtimestamp(seconds, timezone.utc)
    except (OverflowError, OSError, ValueError):
        return ""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if seconds > 0 else ""
