"""The file in which a step of GitHub Actions leaves its summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LIMIT = 1_000_000
"""GitHub takes 1024 KiB for a step, and drops all of it where it is more."""


def append_step_summary(path: Path, render: Callable[[int], str]) -> None:
    """Append what `render` gives for the number of bytes that are left; what is there stays.

    Raises:
        RecordError: it cannot be written, or there is no room.
    """
    try:
        with path.open("ab") as file:
            text = render(_LIMIT - file.tell())
            if text:
                start = "\n" if file.tell() else ""
                file.write(f"{start}{text}".encode("utf-8", "backslashreplace"))
                return
    except OSError as error:
        raise RecordError(
            f"the step summary {path} cannot be written: {error.strerror}",
            cure="it is the file that GITHUB_STEP_SUMMARY names",
        ) from None
    raise RecordError(
        f"the step summary {path} has no room left",
        cure="it holds 1 MiB: have a step of its own run the tests",
    )
