"""Which words of a command line are programs: the first, and what launchers and shells start."""

from __future__ import annotations

import posixpath
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHELLS = frozenset({"sh", "ash", "bash", "dash", "ksh", "zsh"})
# How many operands come before the program; options and NAME=VALUE words are none.
_LAUNCHERS = {
    "catatonit": 0, "docker-init": 0, "dumb-init": 0, "env": 0, "ionice": 0, "nice": 0, "nohup": 0,
    "setpriv": 0, "setsid": 0, "stdbuf": 0, "tini": 0, "tini-static": 0,
    "gosu": 1, "su-exec": 1, "timeout": 1,
}  # fmt: skip
# What a script does before its program, and what never decides whether that runs.
_PREAMBLE = frozenset({":", "cd", "echo", "export", "printf", "set", "true", "ulimit", "umask"})
_SEPARATORS = ";&|()<>\n"
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_LONGEST_SCRIPT = 4096
MOST_COMMANDS = 6
"""As many commands as are followed, each started by the one before."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where Docker looks for programs of an image that sets no PATH."""


@dataclass(frozen=True, slots=True)
class Command:
    """The words of a command line; the first `entrypoint_size` of them are the entrypoint."""

    words: tuple[str, ...]
    entrypoint_size: int = 0

    def find_next(self, *, is_script: bool) -> Command:
        """Give the command that this one starts in its turn, without words if none is known.

        `is_script`: its program is a script.
        """
        started = find_started(self.words)
        if not started and is_script:
            # An entrypoint script almost always ends in `exec "$@"`.
            started = self.words[self.entrypoint_size :] if self.entrypoint_size > 0 else ()
        skipped = len(self.words) - len(started)
        is_rest = self.words[skipped:] == started
        return Command(started, self.entrypoint_size - skipped if is_rest else 0)


def find_started(words: Sequence[str]) -> tuple[str, ...]:
    """Give the command that a launcher or a shell starts in its turn; empty if it is neither.

    >>> find_started(["tini", "--", "/entrypoint.sh", "serve"])
    ('/entrypoint.sh', 'serve')
    >>> find_started(["/bin/sh", "-c", "cd /srv && exec ./app --port 80"])
    ('./app', '--port', '80')
    """
    name = posixpath.basename(words[0])
    if name in _SHELLS:
        return _find_in_shell(words[1:])
    if name in _LAUNCHERS:
        return _skip_options(words[1:], operands=_LAUNCHERS[name])
    return ()


def find_env_program(argument: str) -> str:
    """Give the program of a `#!/usr/bin/env ARGUMENT` line; empty if it names none.

    Linux passes all that follows the interpreter as one argument, which `env -S` splits.
    """
    if argument.startswith("--split-string"):
        argument = argument.removeprefix("--split-string").lstrip("=")
    elif option := re.match(r"-[a-zA-Z]*S", argument):
        argument = argument[option.end() :]
    elif argument.startswith("-"):
        return ""
    return next(iter(_skip_options(argument.split(), operands=0)), "")


def _skip_options(words: Sequence[str], *, operands: int) -> tuple[str, ...]:
    if "--" in words:
        words = words[words.index("--") + 1 :]
    rest = list(words)
    while rest and (rest[0].startswith("-") or _ASSIGNMENT.match(rest[0])):
        rest.pop(0)
    return tuple(rest[operands:])


def _find_in_shell(words: Sequence[str]) -> tuple[str, ...]:
    """Give the command of `-c SCRIPT`, or the script file and its arguments."""
    for position, word in enumerate(words):
        if not word.startswith(("-", "+")):
            return tuple(words[position:])
        if not word.startswith("--") and word.endswith("c"):
            return _find_in_script(words[position + 1]) if position + 1 < len(words) else ()
    return ()


def _find_in_script(script: str) -> tuple[str, ...]:
    """Give the first command of a shell script that is no preamble, if it runs in any case."""
    command: list[str] = []
    for token in _split_script(script):
        if not all(character in _SEPARATORS for character in token):
            command.append(token)
            continue
        found = _strip_command(command)
        if found and found[0] not in _PREAMBLE:
            return found
        if token.strip("\n") not in ("", ";", "&&"):
            return ()
        command = []
    found = _strip_command(command)
    return () if found and found[0] in _PREAMBLE else found


def _split_script(script: str) -> list[str]:
    lexer = shlex.shlex(script[:_LONGEST_SCRIPT], posix=True, punctuation_chars=_SEPARATORS)
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:  # an open quotation, or cut short
        return []


def _strip_command(words: list[str]) -> tuple[str, ...]:
    rest = list(words)
    while rest and (rest[0] == "exec" or _ASSIGNMENT.match(rest[0])):
        rest.pop(0)
    return tuple(rest) if rest and not re.search(r"[$`*?]", rest[0]) else ()
