"""Observations in the form in which they travel, read only when somebody looks.

Most members observed exactly the same, and that shows on a fingerprint. So thousands of them are
compared, and merged, without an object being made of each observation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from pytest_multiarch.core.errors import RecordError
from pytest_multiarch.core.observation import Observation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


class WrittenObservations(Sequence[Observation]):
    """A member's observations as a JSON array.

    Two members with equal `fingerprint` observed the same, whatever platforms they ran on; the
    reverse does not hold, and None says nothing. `emulator_lines` counts the lines of the
    emulator's own that were left out.
    """

    __slots__ = ("_size", "emulator_lines", "fingerprint", "text")

    emulator_lines: int
    fingerprint: str | None
    text: str

    def __init__(self, text: str, documents: Sequence[dict[str, Any]] | None = None) -> None:
        """Take the array as text; `documents` is what it holds, if it has been read already.

        Raises:
            ValueError, TypeError, KeyError: it holds something else.
        """
        found = json.loads(text) if documents is None else documents
        self.text = text
        self._size = len(found)
        self.fingerprint = _digest_rows(found)
        self.emulator_lines = sum(
            each["stderr"].get("emulator_lines", 0) for each in found if "stderr" in each
        )

    @classmethod
    def write(cls, observations: Iterable[Observation]) -> WrittenObservations:
        """Write observations down."""
        documents = [each.to_mapping() for each in observations]
        return cls(_ENCODE(documents), documents)

    def forget(self) -> WrittenObservations:
        """Give what a summary needs of them: the observations themselves can be large."""
        kept = object.__new__(WrittenObservations)
        kept.text, kept._size, kept.fingerprint = "[]", 0, None
        kept.emulator_lines = self.emulator_lines
        return kept

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Observation]:
        try:
            documents = json.loads(self.text)
        except ValueError:  # a key given twice, once in disguise, and two arrays were taken
            raise RecordError("the observations of a record are damaged") from None
        return map(Observation.from_mapping, documents)

    @overload
    def __getitem__(self, position: int) -> Observation: ...
    @overload
    def __getitem__(self, position: slice) -> tuple[Observation, ...]: ...
    def __getitem__(self, position: int | slice) -> Observation | tuple[Observation, ...]:
        return tuple(self)[position]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, WrittenObservations) and other.text == self.text:
            return True
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(self._size)


def _digest_rows(documents: Iterable[dict[str, Any]]) -> str | None:
    """Digest what of observations is compared; None where that is not for certain."""
    rows = []
    for each in documents:
        history = each.get("history", "")
        if history is None:  # not known, so not equal to anything
            return None
        value = each.get("value")
        rows.append(
            (
                each["kind"],
                each["label"],
                history,
                each.get("exit_code"),
                _identify_stream(each.get("stdout")),
                _identify_stream(each.get("stderr")),
                None if value is None else value["json"],
                _identify_stream(each.get("content")),
            )
        )
    return hashlib.sha256(repr(rows).encode("utf-8", "backslashreplace")).hexdigest()


def _identify_stream(stream: dict[str, Any] | None) -> object:
    """Give what two streams surely agree by if they have it in common.

    Texts without names of architectures agree by their normalized form, others byte for byte.
    """
    if stream is None:
        return None
    if "names" not in stream and stream.get("whole", True):
        return stream.get("skeleton", stream["sha256"])
    return stream["size"], stream["sha256"]
