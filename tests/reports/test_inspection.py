"""The screen of an inspection."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_multiarch.core.audit import FindingKind
from pytest_multiarch.core.index_checks import IndexFinding, IndexProblem
from pytest_multiarch.core.inspection import Inspection
from pytest_multiarch.core.manifest import EntryDocument
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.static_parity import StaticDifference, StaticPart
from pytest_multiarch.reports.inspection import render_inspection
from pytest_multiarch.reports.paint import Paint, choose_paint
from tests.inspections import SHARED, make_finding, make_inspection, make_layer, make_variant
from tests.samples import AMD64, ARM7, ARM64

GOOD = """\
image   ghcr.io/acme/app:1.4
found   the registry ghcr.io
digest  sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd
type    application/vnd.oci.image.index.v1+json
system  Debian GNU/Linux 12 (bookworm)
base    docker.io/library/debian:12
beside  1 attestation, which nothing runs

platform     digest        created      stored  unpacked  would run here
linux/amd64  100000000000  2026-08-01  29.3 MB  117.2 MB  native
linux/arm64  200000000000  2026-08-01  28.9 MB  115.6 MB  qemu 7.2.22

A pull is of one platform: 28.9 MB to 29.3 MB. Together they are 57.2 MB to
store, 2.0 times one; 1.0 MB of that is shared.

no findings; 2,468 files of 2 variants looked at
"""
BAD = """\
linux/arm64: 2 files for another platform
  found     amd64 (64-bit, little endian)
  expected  arm64 (64-bit, little endian)
  files     /usr/bin/app (entrypoint)
            /usr/bin/tool (PATH)
  layer     bbbbbbbbbbbb COPY app /usr/bin/app
"""
UNSEEN: dict[str, Any] = {
    "manifest": None, "audit": None, "unpacked": 0, "execution": None, "system": "",
    "problem": "app:1 lists linux/arm/v7, but its content is not there\ndocker pull app:1",
}  # fmt: skip


def render(inspection: Inspection, **options: Any) -> str:
    return "\n".join([*render_inspection(inspection, **options), ""])


def make_bad(*findings: Any, **changes: Any) -> Inspection:
    layers = (make_layer("b", 27_900_000), SHARED)
    return make_inspection(
        make_variant(), make_variant(ARM64, *layers, findings=findings, **changes)
    )


def differ(number: int, part: StaticPart = StaticPart.TREE) -> tuple[StaticDifference, ...]:
    values = {AMD64: "0644", ARM64: "0600", ARM7: "0644"}
    return tuple(
        StaticDifference(part=part, subject=f"/etc/{n}", aspect="mode", values=values)
        for n in range(number)
    )


def test_a_good_image() -> None:
    assert render(make_inspection()) == GOOD


def test_files_for_another_platform() -> None:
    findings = (make_finding(), make_finding("/usr/bin/tool", started_by="PATH"))
    shown = render(make_bad(*findings))
    assert BAD in shown
    assert shown.endswith("\n2 findings; 2,468 files of 2 variants looked at\n")


def test_of_many_files_the_first_few_are_listed() -> None:
    findings = [make_finding(f"/usr/bin/{number:04}") for number in range(2000)]
    shown = render(make_bad(*findings))
    assert "2000 files for another platform" in shown
    assert "            ... and 1,992 more, which --json lists\n" in shown
    assert len(shown.splitlines()) < 50


def test_a_stray_file_may_belong_there() -> None:
    shown = render(make_bad(make_finding("/opt/qemu x86", kind=FindingKind.STRAY)))
    assert "  or, if it belongs there: --allow '/opt/qemu x86=REASON'\n" in shown


@pytest.mark.parametrize("kind", FindingKind)
def test_every_kind_of_finding_has_words(kind: FindingKind) -> None:
    assert "linux/arm64: 1 file" in render(make_bad(make_finding(kind=kind)))


def test_what_is_wrong_with_the_index() -> None:
    finding = IndexFinding(
        problem=IndexProblem.MISSING,
        subject="linux/s390x",
        what="it has no linux/s390x, which is required",
        cure="build it for linux/s390x too",
    )
    shown = render(make_inspection(index_findings=(finding,)))
    assert (
        "\nindex: it has no linux/s390x, which is required\n  build it for linux/s390x too\n"
        in shown
    )
    assert "\n1 finding; " in shown


def test_differences_of_configs_are_findings() -> None:
    shown = render(make_inspection(differences=differ(1, StaticPart.CONFIG)))
    assert (
        "configs: 1 difference between variants\n"
        "  /etc/0 (mode)\n"
        "    linux/amd64, linux/arm/v7: 0644\n"
        "    linux/arm64: 0600\n"
        "  what is right is allowed with a reason, in multiarch.yaml:\n"
        '  static_parity: {allow: [{subject: "/etc/0", reason: "..."}]}\n'
    ) in shown
    assert "\n1 finding; " in shown


def test_differences_of_files_are_shown_in_brief() -> None:
    shown = render(make_inspection(differences=differ(30)))
    assert "files: 30 differences between variants\n  mode      /etc/0\n" in shown
    assert "\n  ... in all 30 mode\n  --static-parity lists them, and makes" in shown
    assert "/etc/5" not in shown
    assert "\nno findings; " in shown


def test_differences_of_files_in_full() -> None:
    inspection = make_inspection(differences=differ(30), deciding=frozenset(StaticPart))
    shown = render(inspection, is_full=True)
    assert "files: 30 differences between variants\n" in shown
    assert "  /etc/29 (mode)\n" in shown
    assert "\n30 findings; " in shown


def test_what_is_allowed_is_told_with_its_reason() -> None:
    allowed = make_finding("/opt/qemu-x86_64", allowed="the emulator is what we ship")
    shown = render(make_bad(allowed))
    assert "allowed\n  /opt/qemu-x86_64 (linux/arm64): the emulator is what we ship\n" in shown
    assert "\nno findings; " in shown


def test_what_could_not_be_looked_at() -> None:
    shown = render(make_inspection(make_variant(), make_variant(ARM7, **UNSEEN)))
    assert (
        "\nlinux/arm/v7 could not be looked at:\n"
        "  app:1 lists linux/arm/v7, but its content is not there\n"
        "  docker pull app:1\n"
    ) in shown
    assert shown.endswith("\ncould not look at linux/arm/v7; 1,234 files of 1 variant looked at\n")


def test_a_note_on_all_variants_is_told_once() -> None:
    shown = render(
        make_inspection(make_variant(notes=("ndb",)), make_variant(ARM64, notes=("ndb",)))
    )
    assert "notes\n  ndb\n" in shown


def test_a_note_on_one_variant_names_it() -> None:
    assert "notes\n  linux/arm64: ndb\n" in render(make_bad(notes=("ndb",)))


def test_systems_that_differ_are_told_apart() -> None:
    shown = render(make_bad(system="Alpine Linux v3.20"))
    assert "system  Debian GNU/Linux 12 (bookworm) (linux/amd64)\n" in shown
    assert "system  Alpine Linux v3.20 (linux/arm64)\n" in shown


def test_where_it_was_found_does_not_repeat_its_name() -> None:
    source = "app:1 on unix:///var/run/docker.sock; the rest: app:1 in the registry docker.io"
    shown = render(make_inspection(reference="docker-daemon:app:1", source=source))
    assert (
        "image   docker-daemon:app:1\n"
        "found   on unix:///var/run/docker.sock; the rest: in the registry docker.io\n"
    ) in shown


def test_without_an_engine_nobody_knows_how_it_would_run() -> None:
    shown = render(make_inspection(make_variant(execution=None)))
    assert "would run here" not in shown


def test_how_a_platform_would_run_may_not_be_known() -> None:
    shown = render(make_inspection(make_variant(), make_variant(ARM64, execution=None)))
    assert "  not known\n" in shown


def test_a_single_image_shares_nothing() -> None:
    inspection = make_inspection(make_variant())
    single = replace(inspection, index=replace(inspection.index, is_single=True))
    shown = render(single)
    assert "index.v1+json, a single image\n" in shown
    assert "A pull is of one platform: 29.3 MB.\n" in shown


def test_layers_that_an_engine_keeps_unpacked() -> None:
    plain = make_layer("a", 100, media_type="application/vnd.oci.image.layer.v1.tar")
    shown = render(make_inspection(make_variant(AMD64, plain)))
    assert "Layers are not compressed here: a pull from a registry mostly transfers" in shown


def test_layers_whose_stored_size_nobody_knows() -> None:
    shown = render(make_inspection(make_variant(AMD64, make_layer("a", 0))))
    assert "\nlinux/amd64  100000000000  2026-08-01       -" in shown
    assert "\nWhat a pull costs is not known: " in shown


def test_an_entry_without_a_platform() -> None:
    inspection = make_inspection(make_variant(ARM7, **UNSEEN))
    entry = EntryDocument(digest=f"sha256:{'3' * 64}")
    nameless = replace(inspection.variants[0], entry=entry)
    assert "\nnone named  333333333333" in render(replace(inspection, variants=(nameless,)))


def test_hostile_names_are_cleaned() -> None:
    """No control character, no escape sequence and no line break of an image's comes through."""
    evil = "\x1b[31m\r\n\x07\u202e\udc80" + "x" * 100_000
    finding = make_finding(evil, found=evil, instruction=evil, started_by=evil)
    allowed = make_finding(evil, allowed=evil)
    platform = Platform(evil, evil)
    difference = StaticDifference(
        part=StaticPart.CONFIG, subject=evil, aspect="value", values={platform: evil}
    )
    index_finding = IndexFinding(problem=IndexProblem.MISSING, subject=evil, what=evil, cure=evil)
    variant = make_variant(
        platform, SHARED, findings=(finding, allowed), notes=(evil,), system=evil, problem=evil
    )
    shown = render(
        make_inspection(
            variant,
            reference=evil,
            source=evil,
            differences=(difference,),
            index_findings=(index_finding,),
            notes=(evil,),
        )
    )
    assert shown.isascii()
    assert all(each.isprintable() for each in shown.splitlines())
    assert len(shown) < 20_000


def test_80_columns() -> None:
    findings = (make_finding(instruction="RUN " + "word " * 60),)
    inspection = replace(make_bad(*findings), differences=differ(3), notes=("word " * 50,))
    assert max(map(len, render(inspection).splitlines())) <= 80


def test_colour_is_for_terminals() -> None:
    assert "\x1b" not in render(make_bad(make_finding()))
    assert "\x1b[31;1m" in render(make_bad(make_finding()), paint=Paint(is_on=True))


@pytest.mark.parametrize(
    ("environ", "is_terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
    ],
)
def test_who_gets_colour(environ: dict[str, str], is_terminal: bool, expected: bool) -> None:
    assert choose_paint(environ, is_terminal=is_terminal).is_on is expected
