"""Images that are wrong in every way, and right ones, looked at with no engine at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.audit import AuditReport, AuditScope, FindingKind, audit_tree
from pytest_multiarch.core.index_checks import IndexProblem, check_index
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.static_parity import (
    StaticDifference,
    compare_configs,
    compare_packages,
    compare_trees,
    describe_config,
)
from pytest_multiarch.files.image_files import FolderFiles
from pytest_multiarch.files.layer import read_layer
from pytest_multiarch.files.oci_layout import OciLayoutSource
from pytest_multiarch.run.examine import Examiner
from tests.images.build import find_cache
from tests.images.layouts import write_layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_multiarch.core.filetree import Layer
    from pytest_multiarch.core.index_checks import IndexFinding
    from pytest_multiarch.run.examine import VariantContent

CACHE = find_cache()  # before the tests are given a cache of their own
AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
REQUIRED = (AMD64, ARM64)


class Memory:
    """Keeps layers as long as the process lives."""

    def __init__(self) -> None:
        self.layers: dict[str, Layer] = {}

    def find(self, diff_id: str) -> Layer | None:
        return self.layers.get(diff_id)

    def keep(self, layer: Layer) -> None:
        self.layers[layer.diff_id] = layer

    def find_report(self, name: str) -> AuditReport | None:
        return None

    def keep_report(self, name: str, report: AuditReport) -> None:
        pass


class Layout:
    """A layout with all that is in it."""

    def __init__(self, folder: Path) -> None:
        source = OciLayoutSource(FolderFiles(folder))
        examiner = Examiner(source, read_layer, Memory())
        self.index = source.read_index()
        self.contents: dict[Platform, VariantContent] = {
            entry.platform: examiner.examine(entry)
            for entry in self.index.variants
            if entry.platform
        }

    def audit(self, scope: AuditScope, platform: Platform = ARM64) -> AuditReport:
        content = self.contents[platform]
        return audit_tree(
            content.tree,
            content.manifest.config,
            platform,
            scope=scope,
            layers=content.manifest.layers,
        )

    def check(self) -> tuple[IndexFinding, ...]:
        entries = {each.platform: each.digest for each in self.index.variants}
        configs = {entries[key]: each.manifest.config for key, each in self.contents.items()}
        return check_index(self.index, configs, required=REQUIRED)

    def compare(self) -> list[StaticDifference]:
        contents = self.contents
        configs = {key: describe_config(each.manifest.document) for key, each in contents.items()}
        trees = {key: each.tree for key, each in contents.items()}
        packages = {key: each.packages for key, each in trees.items()}
        return [
            *compare_configs(configs, baseline=AMD64),
            *compare_trees(trees, baseline=AMD64),
            *compare_packages(packages, baseline=AMD64),
        ]


@pytest.fixture(scope="session")
def read_layout(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Layout]:
    """Write a layout and read it, each once."""
    kept: dict[str, Layout] = {}

    def read(name: str) -> Layout:
        if name not in kept:
            folder = tmp_path_factory.mktemp("layouts") / name
            kept[name] = Layout(write_layout(name, folder, cache=CACHE))
        return kept[name]

    return read


@pytest.mark.parametrize("name", ["sample", "debian"])
def test_a_right_image_has_no_findings(name: str, read_layout: Callable[[str], Layout]) -> None:
    """Seven platforms of the sample; a Debian with Python for two."""
    layout = read_layout(name)
    assert len(layout.contents) == {"sample": 7, "debian": 2}[name]
    assert layout.check() == ()
    for platform, content in layout.contents.items():
        report = layout.audit(AuditScope.IMAGE, platform)
        assert report.findings == ()
        assert report.notes == ()
        assert content.tree.notes == ()
        assert report.programs >= {"sample": 2, "debian": 500}[name]


@pytest.mark.parametrize("name", ["sample", "debian"])
def test_a_right_image_is_the_same_on_all_platforms(
    name: str, read_layout: Callable[[str], Layout]
) -> None:
    assert read_layout(name).compare() == []


def test_packages_of_debian(read_layout: Callable[[str], Layout]) -> None:
    """What is compared above is there."""
    for content in read_layout("debian").contents.values():
        (packages,) = content.tree.packages.values()
        assert "python3.11" in {each.name for each in packages}


@pytest.mark.parametrize(
    ("name", "kind", "path", "instruction"),
    [
        ("mislabelled", FindingKind.WRONG_ARCHITECTURE, "/bin/app", "COPY rootfs/ /"),
        ("mixed", FindingKind.WRONG_ARCHITECTURE, "/usr/local/bin/tool",
         "ADD tool /usr/local/bin/"),
        ("same-digest", FindingKind.WRONG_ARCHITECTURE, "/bin/app", "COPY rootfs/ /"),
        ("missing-loader", FindingKind.MISSING_LOADER, "/srv/server",
         "COPY server /srv/"),
        ("missing-interpreter", FindingKind.MISSING_INTERPRETER, "/srv/run.py",
         "COPY run.py /srv/"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_found(
    name: str,
    kind: FindingKind,
    path: str,
    instruction: str,
    read_layout: Callable[[str], Layout],
) -> None:
    """Without being asked for the whole image, with the layer and its Dockerfile line."""
    layout = read_layout(name)
    finding = layout.audit(AuditScope.PROGRAM).findings[0]
    layer = layout.contents[ARM64].manifest.layers[-1]
    assert (finding.kind, finding.path, finding.instruction) == (kind, path, instruction)
    assert finding.layer == layer.digest


@pytest.mark.parametrize("name", ["mislabelled", "mixed", "wrong-config", "stray", "amd64-only"])
def test_the_right_entry_of_a_wrong_image_has_no_findings(
    name: str, read_layout: Callable[[str], Layout]
) -> None:
    assert read_layout(name).audit(AuditScope.PROGRAM, AMD64).findings == ()


def test_a_stray_is_found_in_the_whole_image_only(read_layout: Callable[[str], Layout]) -> None:
    layout = read_layout("stray")
    assert layout.audit(AuditScope.PROGRAM).findings == ()
    (finding,) = layout.audit(AuditScope.IMAGE).findings
    assert (finding.kind, finding.path) == (FindingKind.STRAY, "/opt/helper/run")
    assert finding.found == "s390x (64-bit, big endian)"


@pytest.mark.parametrize(
    ("name", "problems"),
    [
        ("amd64-only", [IndexProblem.MISSING]),
        ("same-digest", [IndexProblem.SAME_DIGEST, IndexProblem.CONFIG_DISAGREES]),
        ("wrong-config", [IndexProblem.CONFIG_DISAGREES]),
        ("mislabelled", []),
    ],
)
def test_a_wrong_index_is_found(
    name: str, problems: list[IndexProblem], read_layout: Callable[[str], Layout]
) -> None:
    """An index of which only files are wrong is right."""
    assert [each.problem for each in read_layout(name).check()] == problems
