"""Looking at an image: what is read, what is told of, and what is an error."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.audit import FindingKind, PathAllowance
from pytest_multiarch.core.errors import PlatformMissingError
from pytest_multiarch.core.execution import Execution
from pytest_multiarch.core.image_rules import AuditRules, ImageRules, IndexRules, StaticRules
from pytest_multiarch.core.inspection import CLEAN, FOUND, UNSEEN, Inspection
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.static_parity import StaticAllowance, StaticPart
from pytest_multiarch.files.layer import read_layer
from pytest_multiarch.run.inspect import InspectionTools, inspect_image
from tests.fake_engine import make_elf
from tests.fake_source import FakeSource
from tests.samples import AMD64, ARM64, NATIVE, QEMU, S390X

if TYPE_CHECKING:
    from pytest_multiarch.core.filetree import Layer
    from pytest_multiarch.core.ports import TellBytes


class Memory:
    """Keeps layers in memory."""

    def __init__(self) -> None:
        self.layers: dict[str, Layer] = {}

    def find(self, diff_id: str) -> Layer | None:
        return self.layers.get(diff_id)

    def keep(self, layer: Layer) -> None:
        self.layers[layer.diff_id] = layer

    def find_report(self, name: str) -> None:
        return None

    def keep_report(self, name: str, report: object) -> None:
        pass


def inspect(
    source: FakeSource, *, rules: ImageRules | None = None, tools: Any = None, **options: Any
) -> Inspection:
    given = tools or InspectionTools(read_layer=read_layer, cache=Memory())
    return inspect_image(source, given, rules or ImageRules(), reference="app:1", **options)


RELEASE = {"etc/os-release": b'PRETTY_NAME="Debian GNU/Linux 12"\n'}


@pytest.fixture
def source() -> FakeSource:
    """An image for two platforms with a program of each."""
    source = FakeSource()
    source.add(AMD64, RELEASE, {"usr/bin/app": make_elf("amd64")})
    source.add(ARM64, RELEASE, {"usr/bin/app": make_elf("arm64")})
    return source


def test_a_good_image(source: FakeSource) -> None:
    inspection = inspect(source)
    assert (inspection.status, inspection.count) == (CLEAN, 0)
    assert [each.system for each in inspection.variants] == ["Debian GNU/Linux 12"] * 2
    assert all(each.unpacked > each.manifest.size > 0 for each in inspection.variants)
    assert inspection.baseline == AMD64


def test_a_layer_of_two_variants_is_read_once(source: FakeSource) -> None:
    inspection = inspect(source)
    assert len(source.read) == len(set(source.read)) == 3
    assert inspection.measure_stored().shared == inspection.measure_shared(inspection.variants[0])


def test_an_amd64_program_in_an_arm64_entry(source: FakeSource) -> None:
    source.add(S390X, {"usr/bin/app": make_elf("amd64")})
    inspection = inspect(source)
    (finding,) = inspection.variants[2].open_findings
    assert (finding.path, finding.kind) == ("/usr/bin/app", FindingKind.WRONG_ARCHITECTURE)
    assert finding.instruction == "COPY app /usr/bin/app"
    assert inspection.status == FOUND


def test_every_file_is_looked_at_whatever_the_tests_look_at(source: FakeSource) -> None:
    source.add(S390X, {"usr/bin/app": make_elf("s390x"), "opt/helper": make_elf("amd64")})
    inspection = inspect(source)
    assert [each.path for each in inspection.variants[2].open_findings] == ["/opt/helper"]


def test_a_stray_file_that_is_allowed(source: FakeSource) -> None:
    source.add(S390X, {"usr/bin/app": make_elf("s390x"), "opt/helper": make_elf("amd64")})
    allow = (PathAllowance(path="/opt/**", reason="it is what we ship"),)
    inspection = inspect(source, rules=ImageRules(audit=AuditRules(allow=allow)))
    assert inspection.status == CLEAN
    assert inspection.variants[2].audit.findings[0].allowed == "it is what we ship"


def test_an_allowance_of_paths_counts_as_needed_if_one_variant_needs_it(source: FakeSource) -> None:
    source.add(S390X, {"usr/bin/app": make_elf("s390x"), "opt/helper": make_elf("amd64")})
    allow = tuple(PathAllowance(path=path, reason="it is ours") for path in ("/opt/*", "/srv/*"))
    inspection = inspect(source, rules=ImageRules(audit=AuditRules(allow=allow)))
    notes = [
        *inspection.notes,
        *(note for each in inspection.variants for note in each.audit.notes),
    ]
    assert notes == ["nothing is found at /srv/*, which is allowed (it is ours): take it out"]


def test_a_required_platform_that_is_missing(source: FakeSource) -> None:
    inspection = inspect(source, rules=ImageRules(index=IndexRules(required=(AMD64, S390X))))
    assert [each.subject for each in inspection.index_findings] == ["linux/s390x"]
    assert inspection.status == FOUND


def test_configs_that_differ_are_a_finding(source: FakeSource) -> None:
    source.add(S390X, {"usr/bin/app": make_elf("s390x")}, config={"User": "nobody"})
    inspection = inspect(source)
    assert [each.subject for each in inspection.deciding_differences] == ["User"]
    assert inspection.status == FOUND


def test_files_that_differ_are_shown(source: FakeSource) -> None:
    source.add(S390X, RELEASE, {"usr/bin/app": make_elf("s390x"), "etc/more.conf": b"1"})
    inspection = inspect(source)
    assert [each.subject for each in inspection.differences] == ["/etc/more.conf"]
    assert inspection.status == CLEAN


def test_files_that_differ_are_findings_if_they_are_to_be(source: FakeSource) -> None:
    source.add(S390X, RELEASE, {"usr/bin/app": make_elf("s390x"), "etc/more.conf": b"1"})
    rules = ImageRules(static_parity=StaticRules(parts=tuple(StaticPart)))
    assert inspect(source, rules=rules).status == FOUND


def test_an_allowance_that_nothing_needs_is_told_of(source: FakeSource) -> None:
    allow = (StaticAllowance(subject="Env LANG", reason="no locales"),)
    inspection = inspect(source, rules=ImageRules(static_parity=StaticRules(allow=allow)))
    assert inspection.notes == ("Env LANG does not differ, and may (no locales): take it out",)


def test_some_platforms_only(source: FakeSource) -> None:
    inspection = inspect(source, platforms=(ARM64,))
    assert [each.platform for each in inspection.variants] == [ARM64]
    assert len(source.read) == 2


def test_a_platform_that_is_asked_for_and_is_not_there(source: FakeSource) -> None:
    with pytest.raises(PlatformMissingError) as caught:
        inspect(source, platforms=(S390X,))
    assert caught.value.what == (
        "app:1 in memory has no variant for linux/s390x; it has linux/amd64, linux/arm64"
    )


def test_a_variant_that_is_not_there_does_not_hide_the_others(source: FakeSource) -> None:
    source.absent = {ARM64}
    inspection = inspect(source)
    assert inspection.status == UNSEEN
    assert [each.problem for each in inspection.variants] == [
        "",
        "linux/arm64 is not there\npull it",
    ]
    assert inspection.variants[0].audit is not None


def test_a_broken_layer_does_not_hide_the_others(source: FakeSource) -> None:
    digest = source.manifests[source.entries[1].digest].layers[1].digest
    source.blobs[digest] = source.blobs[digest][:-20]
    inspection = inspect(source)
    assert inspection.status == UNSEEN
    assert inspection.variants[0].audit is not None
    assert inspection.variants[1].manifest is not None
    assert digest in inspection.variants[1].problem


def test_an_entry_without_a_platform_is_looked_at_as_its_config_says(source: FakeSource) -> None:
    source.entries[1] = dataclasses.replace(source.entries[1], platform=None)
    inspection = inspect(source)
    assert inspection.variants[1].platform == ARM64
    assert inspection.variants[1].audit.platform == ARM64


def test_the_baseline_is_what_would_run_natively(source: FakeSource) -> None:
    ways: dict[Platform, Execution] = {AMD64: QEMU, ARM64: NATIVE}
    tools = InspectionTools(read_layer=read_layer, cache=Memory(), forecast=ways.get)
    inspection = inspect(source, tools=tools)
    assert inspection.baseline == ARM64
    assert [each.execution for each in inspection.variants] == [QEMU, NATIVE]


def test_the_baseline_that_is_configured(source: FakeSource) -> None:
    assert inspect(source, baseline=ARM64).baseline == ARM64


def test_progress_tells_of_every_byte(source: FakeSource) -> None:
    told: dict[str, list[tuple[int, int]]] = {}

    @contextmanager
    def show(task: str, *, unit: str = "") -> Iterator[TellBytes]:
        assert not unit
        steps = told.setdefault(task, [])
        yield lambda done, total: steps.append((done, total))

    tools = InspectionTools(read_layer=read_layer, cache=Memory(), show_progress=show)
    inspection = inspect(source, tools=tools)
    size = inspection.variants[0].manifest.size
    assert list(told) == ["reading linux/amd64 of app:1", "reading linux/arm64 of app:1"]
    assert told["reading linux/amd64 of app:1"][-1] == (size, size)
