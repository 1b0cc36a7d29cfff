"""The log of a CI job: long lists folded, and nothing in it that the service takes for a command.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
https://docs.gitlab.com/ci/jobs/job_logs/
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.core.normalize import remove_controls
from pytest_multiarch.reports.diff import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.reports.account import Section

GITHUB, GITLAB = "github", "gitlab"
_MOST_OPEN = 5
"""Lists with more lines are folded."""


@dataclass(frozen=True, slots=True)
class JobLog:
    """How lines are written to the log of a service, or to none.

    `service` is one of `GITHUB` and `GITLAB`; all else is a terminal. `at_s` is the time now, in
    seconds since 1970: GitLab wants to know it.
    """

    service: str = ""
    at_s: float = 0.0

    @property
    def folds(self) -> bool:
        """Whether lines can be folded away under a title."""
        return self.service in (GITHUB, GITLAB)

    def show(self, line: str) -> str:
        """Give a line as the service is to show it.

        GitHub's runner takes a command at the start of a line, after any blanks, and one in its
        older form (`##[error]`) anywhere.
        """
        if self.service != GITHUB:
            return line
        line = line.replace("##[", "##\\x5b")
        text = line.lstrip()
        return line.replace("::", "\\x3a:", 1) if text.startswith("::") else line

    def quote(self, text: str) -> str:
        """Give what a container wrote, without what a terminal or the service would obey."""
        lines = remove_controls(text).splitlines()
        return "".join(f"{self.show(clean(line.expandtabs()))}\n" for line in lines)

    def fold(self, title: str, lines: Iterable[str]) -> Iterator[str]:
        """Give lines in a group that is folded; `title` is safe to show."""
        if self.service == GITHUB:
            start, end = f"::group::{escape_message(title)}", "::endgroup::"
        else:
            name = f"multiarch_{hashlib.sha256(title.encode(errors='replace')).hexdigest()[:12]}"
            start, end = (
                f"\x1b[0Ksection_{what}:{self.at_s:.0f}:{name}{option}\r\x1b[0K"
                for what, option in (("start", "[collapsed=true]"), ("end", ""))
            )
            start += title
        yield start
        yield from map(self.show, lines)
        yield end

    def write(self, sections: Iterable[Section]) -> Iterator[str]:
        """Give the lines of sections: indented under their titles, or folded if they are many."""
        for title, lines in ((each.title, each.lines) for each in sections):
            if title and self.folds and len(lines) > _MOST_OPEN:
                yield from self.fold(title, lines)
                continue
            if title:
                yield f"{title}:"
            yield from (self.show(f"  {line}" if title else line) for line in lines)


def escape_message(text: str) -> str:
    """Escape the text of a command of GitHub's."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Escape the value of a property of a command of GitHub's."""
    return escape_message(text).replace(":", "%3A").replace(",", "%2C")
