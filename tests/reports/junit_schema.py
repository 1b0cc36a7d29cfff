"""The schema that Jenkins' xUnit plugin checks JUnit files by, and pytest its own in its tests.

`junit-10.xsd` is jenkinsci/xunit-plugin's, commit ae25da5, where it is in
`src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd`; its licence (MIT) is in it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import xmlschema


@cache
def _load_schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(Path(__file__).with_name("junit-10.xsd"))


def list_errors(suites: ET.Element) -> list[str]:
    """Give what is wrong in a JUnit document, each with its place."""
    return [f"{each.path}: {each.reason}" for each in _load_schema().iter_errors(suites)]
