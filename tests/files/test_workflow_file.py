"""Workflow files: read as text, and refused with a clear message where they are none."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.files.workflow_file import read_workflow


@pytest.fixture
def write(tmp_path: Path):
    """Write a workflow file."""

    def write_file(text: str | bytes) -> Path:
        path = tmp_path / "workflow.yml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write_file


def test_scalars_are_text(write) -> None:
    """YAML 1.1 would make them True, 3.1, 43200 and a date."""
    assert read_workflow(write("{on: [on, 3.10, 12:00, 2024-01-01, null]}")) == (
        {"on": ["on", "3.10", "12:00", "2024-01-01", "null"]},
    )


def test_anchors_and_merge_keys(write) -> None:
    assert read_workflow(write("a: &a {x: 1}\nb:\n  <<: *a\n  y: 2\n")) == (
        {"a": {"x": "1"}, "b": {"x": "1", "y": "2"}},
    )


def test_tags_of_gitlab(write) -> None:
    assert read_workflow(write("a: {script: [!reference [.b, script], c]}")) == (
        {"a": {"script": [[], "c"]}},
    )


def test_several_documents(write) -> None:
    assert read_workflow(write("spec: {}\n---\na: b\n")) == ({"spec": {}}, {"a": "b"})


def test_empty_file(write) -> None:
    assert read_workflow(write("# nothing\n")) == ()


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no\.yml: No such file"):
        read_workflow(tmp_path / "no.yml")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Is a directory"):
        read_workflow(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["a: [", "a: {b", b"\xff\xfe\x00", "a: \x07", "a: *b", "? {a: 1}\n: b", "a: !!int x", "<<: 3"],
)
def test_not_yaml(write, text: str | bytes) -> None:
    with pytest.raises(UsageError, match="not valid YAML"):
        read_workflow(write(text))


@pytest.mark.parametrize("text", ["[" * 3000, "{a: " * 3000, "- " * 3000])
def test_deep_nesting(write, text: str) -> None:
    with pytest.raises(UsageError, match="nested more than 60 deep"):
        read_workflow(write(text))


def test_deep_nesting_by_aliases(write) -> None:
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3000))
    with pytest.raises(UsageError, match="nested more than 60 deep"):
        read_workflow(write(text))


@pytest.mark.parametrize("level", ["[{}]", "{{<<: [{}]}}"], ids=["lists", "merge keys"])
def test_aliases_that_multiply(write, level: str) -> None:
    """A billion laughs are refused at once."""
    text = "a0: &a0 {x: y}\n"
    for number in range(1, 30):
        text += f"a{number}: &a{number} {level.format(', '.join([f'*a{number - 1}'] * 9))}\n"
    started_s = time.perf_counter()
    with pytest.raises(UsageError, match="more than 50000 values"):
        read_workflow(write(text))
    assert time.perf_counter() - started_s < 5


def test_alias_inside_what_it_names(write) -> None:
    with pytest.raises(UsageError, match="inside what it names"):
        read_workflow(write("a: &a [*a]"))


def test_large_file(write) -> None:
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        read_workflow(write("#" * (1 << 20) + "\n"))
