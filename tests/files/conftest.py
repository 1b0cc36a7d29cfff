"""Records to spoil, and the check that what was spoilt is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.errors import RecordError
from pytest_multiarch.files.record_file import read_record
from tests.files.sample_records import FULL, load_document, shorten

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A document in which each field that there can be is at least once."""
    return load_document(shorten(FULL), folder=tmp_path_factory.mktemp("rich"))


@pytest.fixture
def refuse(tmp_path: Path) -> Callable[..., str]:
    """Check that a file of this content is refused, with a cure, and give the message."""

    def check_refused(content: str | bytes | dict[str, Any]) -> str:
        path = tmp_path / "bad.json"
        if isinstance(content, dict):
            content = json.dumps(content)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(RecordError) as caught:
            read_record(path)
        assert str(path) in str(caught.value)
        assert caught.value.cure
        assert len(str(caught.value)) < 2000
        return str(caught.value)

    return check_refused
