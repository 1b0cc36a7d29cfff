"""Workflow files of a CI: YAML as GitHub and GitLab write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from pytest_multiarch.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST_BYTES = 1 << 20
_DEEPEST = 60
_MOST_NODES = 50_000


class _TextLoader(yaml.SafeLoader):
    """Reads every scalar as text (`on`, `3.10`, dates), and tags such as `!reference` as nothing.

    Merge keys (`<<`) stay, since GitLab files are full of them.
    """

    yaml_implicit_resolvers = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}  # noqa: RUF012


def _skip(loader: yaml.SafeLoader, node: yaml.Node) -> list[Any]:  # noqa: ARG001
    return []


_TextLoader.add_constructor(None, _skip)


def read_workflow(path: Path) -> tuple[object, ...]:
    """Read the documents of a workflow file; all scalars are text.

    Raises:
        UsageError: it cannot be read, is not YAML, or is larger than a workflow can be.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise UsageError(f"{path}: larger than {_LARGEST_BYTES >> 20} MiB: not a workflow")
        text = path.read_text(encoding="utf-8")
        _check_depth(text, path)
        return tuple(_construct(node, path) for node in yaml.compose_all(text, _TextLoader))
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", cure="name a workflow file of this repository"
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{path}: not valid YAML: {error}") from None


def _construct(node: yaml.Node, path: Path) -> object:
    _measure(node, {}, path)
    loader = _TextLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_depth(text: str, path: Path) -> None:
    """Refuse deep nesting by the flat stream of events, before the composer recurses into it."""
    depth = 0
    for event in yaml.parse(text, _TextLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise UsageError(f"{path}: nested more than {_DEEPEST} deep: not a workflow")


def _measure(node: yaml.Node, known: dict[int, tuple[int, int]], path: Path) -> tuple[int, int]:
    """Give the size and the height of a node with aliases written out, visiting each node once."""
    if id(node) in known:
        if not known[id(node)][0]:
            raise UsageError(f"{path}: an alias stands inside what it names")
        return known[id(node)]
    known[id(node)] = (0, 0)
    children: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        children = node.value
    elif isinstance(node, yaml.MappingNode):
        children = [each for pair in node.value for each in pair]
    measures = [_measure(each, known, path) for each in children]
    size = 1 + sum(each for each, _ in measures)
    height = 1 + max((each for _, each in measures), default=0)
    if size > _MOST_NODES or height > _DEEPEST:
        raise UsageError(
            f"{path}: more than {_MOST_NODES} values, or nested more than {_DEEPEST} deep, with "
            "aliases written out: not a workflow"
        )
    known[id(node)] = (size, height)
    return size, height
