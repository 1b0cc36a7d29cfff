"""What looks like a secret in an image's config: shown and kept as a digest only.

Wrongly hidden costs little: values are still compared, by digest.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SURE = r"passw(?:or)?d|passphrase|secret|token|credential|(?:api|access|private)[_-]?key"
_SECRET_NAME = re.compile(
    rf"{_SURE}|passwd|(?:^|[^a-z])(?:auth|keys?|pass|pwd)(?:$|[^a-z])", re.IGNORECASE
)
_PUBLIC_NAME = re.compile(
    # Fingerprints that official images give for what they downloaded; the current folder.
    r"(?:^|[^a-z])(?:gpg|pgp)(?:key|$|[^a-z])|public|^(?:old)?pwd$|_(?:file|path|dir|header|url)$",
    re.IGNORECASE,
)
# Bounded repetitions: the text is from outside, and must not take for ever.
_NAME = rf"[\w.-]{{0,30}}(?:{_SURE})[\w.-]{{0,30}}"
_SECRET_OPTION = re.compile(rf"--?{_NAME}", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"(?P<user>[a-z][a-z0-9+.-]{0,20}://[^\s/:@]{0,200}:)(?P<password>[^\s/@]{1,500})(?=@)"
    rf"|(?P<name>{_NAME}[\"']?(?:=|:[ ]?)[\"']?)(?P<value>[^\s$\"'&;|,][^\s\"'&;|,]*)"
    rf"|(?P<option>--{_NAME}[ ])(?P<given>[^\s$\"'&;|,-][^\s\"'&;|,]*)"
    r"|(?P<known>(?:gh[oprsu]_|github_pat_|glpat-|xox[abpr]-|AKIA|ASIA|npm_)[\w-]{12,}"
    r"|eyJ[\w-]{8,2000}\.[\w-]{8,2000}\.[\w-]*|-----BEGIN[A-Z ]{0,20}PRIVATE KEY-----.*)",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST = 4096


def hide_secret(name: str, value: str) -> str:
    """Give a named value (of a variable, of a label) as it may be shown."""
    is_secret = bool(_SECRET_NAME.search(name)) and not _PUBLIC_NAME.search(name)
    return _digest(value) if is_secret and value else hide_in_text(value)


def hide_in_text(text: str) -> str:
    """Give a text with what looks like a secret in it as a digest, and a very long one too.

    >>> hide_in_text("serve --password=hunter2 --port=80")
    'serve --password=<hidden, sha256 f52fbd32> --port=80'
    """
    if len(text) > _LONGEST:
        return f"<{len(text)} characters, sha256 {_shorten(text)}>"
    return _SECRET_TEXT.sub(_hide_match, text)


def hide_in_words(words: Iterable[str]) -> list[str]:
    """Give a command line as it may be shown; what follows `--password` is a secret too."""
    shown: list[str] = []
    is_secret = False
    for word in words:
        shown.append(_digest(word) if is_secret and word[:1] != "-" else hide_in_text(word))
        is_secret = bool(_SECRET_OPTION.fullmatch(word))
    return shown


def _hide_match(match: re.Match[str]) -> str:
    for prefix, secret in (("user", "password"), ("name", "value"), ("option", "given")):
        if match[secret]:
            return f"{match[prefix]}{_digest(match[secret])}"
    return _digest(match["known"])


def _digest(value: str) -> str:
    return f"<hidden, sha256 {_shorten(value)}>"


def _shorten(value: str) -> str:
    """Give eight digits of a digest: they tell values apart, and are too few to prove a guess."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:8]
