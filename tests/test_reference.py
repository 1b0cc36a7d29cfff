"""The documentation names what there is; docs/reference.md nothing more, and nothing less."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.config_schema import SETTINGS
from pytest_multiarch.core.container_options import OPTION_NAMES
from pytest_multiarch.core.known_messages import KNOWN_MESSAGES
from pytest_multiarch.core.normalize import NORMALIZERS
from pytest_multiarch.core.rules import make_rules
from pytest_multiarch.plugin import hookspecs
from pytest_multiarch.plugin.marks import make_container_settings
from pytest_multiarch.plugin.options import MARKS
from pytest_multiarch.plugin.parity_checker import ParityChecker
from pytest_multiarch.run.arguments import source
from pytest_multiarch.run.container import Container
from pytest_multiarch.run.settings import service
from pytest_multiarch.run.variant import Variant

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
OBJECTS = {"variant": Variant, "container": Container, "parity": ParityChecker}


def read_section(title: str) -> str:
    """Give the text of a second-level section."""
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", REFERENCE, re.MULTILINE | re.DOTALL)[1]


def list_first_column(text: str) -> set[str]:
    """Give the names in the first column of the tables of a text."""
    cells = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def read_arguments(signature: str) -> list[str]:
    """Give the names of the arguments in a heading: `run(*argv, env=)` has `argv`, `env`."""
    inside = signature.partition("(")[2].rstrip(")")
    return [word.strip(" *=") for word in inside.split(",") if word.strip()]


def list_arguments(function: Callable[..., object]) -> list[str]:
    """Give the names of a function's arguments."""
    return [name for name in inspect.signature(function).parameters if name != "self"]


def show_help(option: str, folder: Path) -> str:
    """Give what pytest prints of itself, in a folder without configuration."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", option]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


HEADINGS = re.findall(r"^### `(.+)`$", REFERENCE, re.MULTILINE)
METHODS = [each for each in HEADINGS if each.partition(".")[0] in OBJECTS]


def test_options(tmp_path: Path) -> None:
    found = set(re.findall(r"^ +(--multiarch-[\w-]+)", show_help("--help", tmp_path), re.MULTILINE))
    assert list_first_column(read_section("Options")) == found


def test_marks(tmp_path: Path) -> None:
    documented = {h[13:].partition("(")[0] for h in HEADINGS if h.startswith("@pytest.mark.")}
    registered = {mark.partition("(")[0] for mark in MARKS}
    assert documented == registered
    shown = set(
        re.findall(r"^@pytest\.mark\.(\w+)\(", show_help("--markers", tmp_path), re.MULTILINE)
    )
    assert registered <= shown


def test_arguments_of_the_container_mark() -> None:
    heading = next(h for h in HEADINGS if h.startswith("@pytest.mark.container("))
    assert read_arguments(heading) == list_arguments(make_container_settings)


def test_options_of_a_container() -> None:
    assert list_first_column(read_section("Options of a container")) == set(OPTION_NAMES)


def test_arguments_of_functions() -> None:
    """Those that tests import to say more of a service or a file."""
    for function in (service, source):
        name = function.__name__
        signature = re.search(rf"`pytest_multiarch\.({name}\([^`]*\))`", REFERENCE)[1]
        written = re.sub(r'="\w+"', "=", signature)
        assert read_arguments(written) == list_arguments(function)


def test_arguments_of_the_parity_mark() -> None:
    heading = next(h for h in HEADINGS if h.startswith("@pytest.mark.parity("))
    assert read_arguments(heading) == [a for a in list_arguments(make_rules) if a != "named"]


def test_fixtures(tmp_path: Path) -> None:
    shown = show_help("--fixtures", tmp_path)
    found = set(re.findall(r"^(\w+)(?: \[.*\])? -- .*pytest_multiarch", shown, re.MULTILINE))
    section = read_section("Fixtures")
    documented = list_first_column(section) | set(re.findall(r"`(multiarch_[a-z_]+)`", section))
    assert documented == found


def test_settings() -> None:
    """The table has what each setting is, its mark, option, key and default."""
    lines = [line for line in read_section("Settings").splitlines() if line.startswith("| ")]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[1:]]
    assert rows == [
        (
            each.description,
            quote(each.mark),
            quote(each.option),
            quote(each.name if each.kind else ""),
            quote(each.default),
        )
        for each in SETTINGS
    ]


def quote(text: str) -> str:
    """Write a text as code, if there is one."""
    return f"`{text}`" if text else ""


def test_normalizers() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", read_section("Normalizers"), re.MULTILINE)
    assert dict(rows) == dict(NORMALIZERS)


def test_hooks() -> None:
    found = {name for name in vars(hookspecs) if name.startswith("pytest_multiarch_")}
    documented = {h.partition("(")[0] for h in HEADINGS if h.startswith("pytest_multiarch_")}
    assert documented == found


def test_there_are_methods_to_check() -> None:
    assert len(METHODS) > 8


@pytest.mark.parametrize("heading", METHODS)
def test_arguments_of_a_method(heading: str) -> None:
    owner, _, rest = heading.partition(".")
    method = getattr(OBJECTS[owner], rest.partition("(")[0])
    assert read_arguments(heading) == list_arguments(method)


@pytest.mark.parametrize("owner", ["variant", "container"])
def test_attributes(owner: str) -> None:
    text = re.search(r"Attributes: (.*?)\n\n", read_section(owner.capitalize()), re.DOTALL)[1]
    named = re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", text, flags=re.DOTALL))
    source = inspect.getsource(OBJECTS[owner])
    missing = [each for each in named if not re.search(rf"def {each}\(|self\.{each} =", source)]
    assert named
    assert missing == []


TROUBLESHOOTING = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
OWN_PART, _, FOREIGN_PART = TROUBLESHOOTING.partition("\n## What Docker")


def test_every_message_explained_is_one_of_ours() -> None:
    """Headings of docs/troubleshooting.md quote messages; `...` stands for what varies."""
    quoted = re.findall(r"^### `(.+)`$", OWN_PART, re.MULTILINE)
    texts = list_texts(ROOT / "pytest_multiarch")
    pieces = [piece.strip() for heading in quoted for piece in heading.split("...")]
    assert len(quoted) > 12
    assert [each for each in pieces if not any(each in text for text in texts)] == []


def test_every_message_of_others_that_is_explained_is_recognized() -> None:
    quoted = re.findall(r"^### `(.+)`$", FOREIGN_PART, re.MULTILINE)
    patterns = [each.pattern for each in KNOWN_MESSAGES]
    said = [heading.replace("...", "1") for heading in quoted]
    assert len(quoted) > 8
    assert [each for each in said if not any(p.search(each) for p in patterns)] == []


def list_texts(folder: Path) -> set[str]:
    """Give every string in the source of a package; of an f-string the parts that are fixed."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in folder.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {node.value for node in nodes if isinstance(node.value, str)}


def test_every_link_leads_somewhere() -> None:
    """Links between the pages, and to their headings as GitHub names them."""
    pages = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]
    broken = []
    for page in pages:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if target.startswith("http"):
                continue
            path, _, anchor = target.partition("#")
            file = page.parent / path if path else page
            if not file.exists() or (anchor and anchor not in list_anchors(file)):
                broken.append(f"{page.name}: {target}")
    assert broken == []


def list_anchors(page: Path) -> set[str]:
    """Give the anchors that GitHub makes of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in titles}
