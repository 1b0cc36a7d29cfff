"""Patterns of paths: `*` and `?` stay within a folder, `**` crosses folders."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"/\*\*/|/\*\*\Z|\*\*|\*|\?|\[!?\]?[^\]/]*\]|.", re.DOTALL)

_RANGE = re.compile(r"([A-Za-z0-9])\\-([A-Za-z0-9])")


def translate_path_pattern(pattern: str) -> str:
    """Give the regular expression for a pattern of paths, without anchors.

    `/opt/**` is all below `/opt`, and `/opt` itself; `**/*.so` is every `.so` file.
    """
    text = f"/{pattern}" if pattern.startswith("**") else pattern
    return "".join(_translate(match[0]) for match in _TOKEN.finditer(text))


def compile_path_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of paths, to be used with `fullmatch`."""
    return re.compile(translate_path_pattern(pattern), re.DOTALL)


def _translate(token: str) -> str:
    match token:
        case "/**/":
            return "/(?:.*/)?"
        case "/**":
            return "(?:/.*)?"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
        case _ if len(token) > 1:
            is_negated = token.startswith("[!")
            members = _RANGE.sub(r"\1-\2", re.escape(token[1 + is_negated : -1]))
            return _translate_set(members, is_negated=is_negated)
        case _:
            return re.escape(token)


def _translate_set(members: str, *, is_negated: bool) -> str:
    """Give a set of characters; one that is empty or turned round (`[z-a]`) matches nothing."""
    expression = f"[{'^/' if is_negated else ''}{members}]"
    try:
        re.compile(expression)
    except re.error:
        return "(?!)"
    return expression
