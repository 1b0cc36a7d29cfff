"""`pytest-multiarch report`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from pytest_multiarch.cli.main import main
from pytest_multiarch.core.member import VariantIdentity
from pytest_multiarch.core.record import Record, Run
from pytest_multiarch.files.record_file import write_record
from pytest_multiarch.reports.supported import HEADING
from tests.samples import AMD64, ARM64, NATIVE, QEMU, make_member, observe

Capture = pytest.CaptureFixture[str]


def identify(digest: str, size: int) -> VariantIdentity:
    return VariantIdentity(
        reference="app:1", kind="manifest", digest=f"sha256:{digest * 64}", config_digest="",
        pin="app@x", size=size,
    )  # fmt: skip


@pytest.fixture
def diverged(tmp_path: Path) -> Path:
    """A record of a run that diverged."""
    members = (
        make_member(AMD64, observe("1"), execution=NATIVE, variant=identify("a", 12_340_000)),
        make_member(ARM64, observe("2"), execution=QEMU, variant=identify("b", 0)),
    )
    path = tmp_path / "record.json"
    write_record(path, Record(runs=(Run(id="r", ended="complete", tests=2),), members=members), ())
    return path


def report(*words: object) -> int:
    return main(["report", *map(str, words)])


def test_as_text_whatever_the_verdict(diverged: Path, capsys: Capture) -> None:
    assert report(diverged) == 0
    assert capsys.readouterr().out.endswith("diverged: 1 group diverged\n")


def test_files(diverged: Path, tmp_path: Path, capsys: Capture) -> None:
    names = ("html", "markdown", "junit", "badge")
    options = [word for name in names for word in (f"--{name}", tmp_path / f"out/{name}")]
    assert report(diverged, *options) == 0
    html, markdown, junit, badge = ((tmp_path / "out" / name).read_text() for name in names)
    assert "1 of 1 test behaves differently on linux/arm64" in html
    assert markdown.startswith("## Platforms: diverged")
    assert ET.fromstring(junit).find("testsuite/testcase/failure") is not None
    assert ET.fromstring(badge).tag.endswith("svg")
    assert capsys.readouterr().out == ""


def test_nothing_is_written_if_one_file_cannot_be(diverged: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    html = tmp_path / "page.html"
    assert report(diverged, "--html", html, "--junit", tmp_path / "file" / "x.xml") == 2
    assert not html.exists()


@pytest.mark.parametrize("name", ["record.json", "page.html"])
def test_no_file_is_written_over(
    diverged: Path, tmp_path: Path, capsys: Capture, name: str
) -> None:
    """Neither the record that is read, nor another report."""
    before = diverged.read_bytes()
    assert report(diverged, "--html", tmp_path / "page.html", "--junit", tmp_path / name) == 2
    assert "give " in capsys.readouterr().err
    assert diverged.read_bytes() == before
    assert not (tmp_path / "page.html").exists()


def test_supported(diverged: Path, capsys: Capture) -> None:
    assert report(diverged, "--supported") == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| `")]
    assert rows == [
        "| `linux/amd64` | natively, 1 test | `sha256:aaaaaaaaaaaa` | 12.3 MB |",
        (
            f"| `linux/arm64` | emulated ({QEMU}), 1 test; **differs in 1 test** "
            "| `sha256:bbbbbbbbbbbb` | unknown |"
        ),
    ]


@pytest.mark.parametrize(
    ("variants", "cell"),
    [
        ((identify("a", 999_499),), "999 kB"),
        ((identify("a", 999_500),), "1.0 MB"),
        ((replace(identify("a", 0), unpacked_size=2_500_000),), "2.5 MB unpacked"),
        ((identify("a", 0), identify("a", 4_000_000)), "4.0 MB"),
        ((identify("a", 4_000_000), identify("b", 0)), "4.0 MB, unknown"),
    ],
)
def test_sizes(
    tmp_path: Path, capsys: Capture, variants: tuple[VariantIdentity, ...], cell: str
) -> None:
    """One digest is one variant, whether or not every job knew its size."""
    members = tuple(
        make_member(AMD64, group=f"t.py::test_{n}", declared=(AMD64,), variant=variant)
        for n, variant in enumerate(variants)
    )
    path = tmp_path / "record.json"
    write_record(path, Record(runs=(Run(id="r", tests=len(members)),), members=members), ())
    report(path, "--supported")
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.endswith(f"` | {cell} |")
    assert row.count("sha256:") == cell.count(",") + 1


def test_a_readme_with_the_printed_section_is_as_tested(
    diverged: Path, tmp_path: Path, capsys: Capture
) -> None:
    report(diverged, "--supported")
    section = capsys.readouterr().out
    readme = tmp_path / "README.md"
    readme.write_text(f"# App\n\n{section}\n## License\n\nMIT\n")
    assert report(diverged, "--check", readme) == 0


@pytest.mark.parametrize("text", ["# App\n", f"# App\n\n{HEADING}\n\n`app:0`\n"])
def test_a_stale_readme(diverged: Path, tmp_path: Path, capsys: Capture, text: str) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    assert report(diverged, "--check", readme) == 1
    said = capsys.readouterr()
    assert "+| `linux/amd64` | natively, 1 test |" in said.out
    assert said.err.endswith(
        f"pytest-multiarch report {diverged} --supported prints it as tested\n"
    )


def test_a_readme_that_is_not_there(diverged: Path, tmp_path: Path, capsys: Capture) -> None:
    assert report(diverged, "--check", tmp_path / "README.md") == 2
    assert capsys.readouterr().err.splitlines()[0].endswith("README.md: No such file or directory")


def test_an_unreadable_record(tmp_path: Path, capsys: Capture) -> None:
    assert report(tmp_path / "absent.json", "--html", tmp_path / "page.html") == 2
    assert "absent.json" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


def test_no_record(capsys: Capture) -> None:
    assert report() == 2
    assert "pytest-multiarch report RECORD" in capsys.readouterr().err


def test_the_schema(capsys: Capture) -> None:
    assert report("--schema") == 0
    assert json.loads(capsys.readouterr().out)["title"] == "A record of pytest-multiarch"
