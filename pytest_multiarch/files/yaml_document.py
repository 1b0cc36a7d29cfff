"""YAML as a configuration means it: every value is the text that is written there.

`on`, `1.10`, `12:30` and `010` are a boolean, a number, a sexagesimal and an octal number to YAML
1.1, and never what somebody meant by a tag, a name or a label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.config_document import ConfigDocument
from pytest_multiarch.core.config_kinds import Path, Problem
from pytest_multiarch.core.errors import UsageError

if TYPE_CHECKING:
    import yaml

    from pytest_multiarch.core.settings import Source

_DEEPEST = 20
_PLAIN_TAGS = "tag:yaml.org,2002:"
_NULL = f"{_PLAIN_TAGS}null"


def read_yaml(text: str, *, name: str, source: Source) -> ConfigDocument:
    """Read a YAML file called `name`: mappings to dicts, sequences to lists, scalars to text.

    A scalar that is null is None. A key that is there twice is a problem of the document.

    Raises:
        UsageError: not YAML, or with what a configuration has no use for: aliases, tags, several
            documents, nesting deeper than 20.
    """
    import yaml

    try:
        _refuse_strange_events(text, name)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = name if mark is None else f"{name}:{mark.line + 1}"
        parts = [each for each in (error.context, error.problem) if each]
        raise UsageError(f"{where}: not valid YAML: {', '.join(parts)}") from None
    except yaml.YAMLError as error:
        first = str(error).partition("\n")[0]
        raise UsageError(f"{name}: not valid YAML: {first}") from None
    reader = _Reader()
    value = None if root is None else reader.read(root, ())
    return ConfigDocument(
        value=value, source=source, name=name, lines=reader.lines, problems=tuple(reader.problems)
    )


def _refuse_strange_events(text: str, name: str) -> None:
    """Refuse what would make trouble when composed; the parser itself does not recurse."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        where = f"{name}:{_get_line(event)}"
        anchor = getattr(event, "anchor", None)
        if anchor:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            raise UsageError(
                f"{where}: {sign}{anchor}: anchors and aliases are not read",
                cure="write the value where it is needed",
            )
        tag = getattr(event, "tag", None)
        if tag:
            shown = tag.replace(_PLAIN_TAGS, "!!")
            raise UsageError(f"{where}: {shown}: tags are not read", cure="leave it out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise UsageError(f"{where}: nested deeper than {_DEEPEST} levels")


class _Reader:
    """Turns nodes into values, and remembers where they were."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []

    def read(self, node: yaml.Node, path: Path) -> Any:
        """Read a node and all that is in it."""
        import yaml

        if isinstance(node, yaml.MappingNode):
            return self._read_mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._read_item(each, (*path, n)) for n, each in enumerate(node.value)]
        return None if node.tag == _NULL else node.value

    def _read_item(self, node: yaml.Node, path: Path) -> Any:
        self.lines[path] = _get_line(node)
        return self.read(node, path)

    def _read_mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        import yaml

        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = _get_line(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.lines.setdefault((*path, "?"), line)
                self.problems.append(Problem(path=(*path, "?"), what="a key has to be a text"))
                continue
            here = (*path, key_node.value)
            if key_node.value in found:
                what = f"written twice, on line {self.lines[here]} and on line {line}"
                self.problems.append(Problem(path=here, what=what, cure="keep one of them"))
            self.lines[here] = line
            found[key_node.value] = self.read(value_node, here)
        return found


def _get_line(where: Any) -> int:
    line: int = where.start_mark.line
    return line + 1
