"""What is wrong with an archive, before it is known which layer of which image it is."""

from __future__ import annotations

DAMAGED = "it was damaged on its way or where it is kept: pull, or build and push, the image again"


class ArchiveError(Exception):
    """An archive that cannot be read to its end: what is wrong, and what mends it."""

    def __init__(self, what: str, *, cure: str = DAMAGED) -> None:
        super().__init__(what)
        self.what = what
        self.cure = cure
