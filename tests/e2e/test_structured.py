"""Outputs, files and folders of real containers, compared as what they are; a real crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.suite import Finished, Suite

pytestmark = pytest.mark.needs_engine("main")

SOURCE = """
    import json, pytest
    from pytest_multiarch import allow

    pytestmark = [
        pytest.mark.image("{sample}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64"),
    ]
    IDLE = ("sh", "-c", "sleep 600")
    MAKE = '''
        mkdir -p /out/sub && cd /out
        uname -m > arch; app char > char; app --version > sub/version; ln -s arch link
        ln sub/version hard; printf '\\\\000\\\\001\\\\377' > bytes; chmod 600 bytes
        cp $(command -v app) program; echo $$ > pid
    '''

    def fill(container, extra=""):
        assert container.exec("sh", "-c", MAKE + extra, observe=False).exit_code == 0

    @pytest.mark.container(*IDLE)
    def test_equal_files(container, parity):
        fill(container)
        parity.check_file(container, "/out/arch")
        parity.check_file(container, "/out/link", label="by a link")
        parity.check_file(container, "/out/bytes")

    @pytest.mark.container(*IDLE)
    def test_other_content(container, parity):
        fill(container)
        parity.check_file(container, "/out/char")

    @pytest.mark.container(*IDLE)
    def test_other_bytes(container, parity, platform):
        value = 2 if platform.architecture == "arm64" else 3
        fill(container, f"printf '\\\\000\\\\00{{value}}' > bytes")
        parity.check_file(container, "/out/bytes")

    @pytest.mark.container(*IDLE)
    def test_other_mode(container, parity, platform):
        fill(container, "chmod 640 bytes" if platform.architecture == "arm64" else "")
        parity.check_file(container, "/out/bytes")

    @pytest.mark.container(*IDLE)
    def test_json_file(container, parity, platform):
        numbers = "[0.3, 2]" if platform.architecture == "arm64" else "[0.30000000001, 2]"
        content = json.dumps({{"list": json.loads(numbers), "arch": "x"}}).encode()
        container.copy_in(content, "/out/report.json")
        parity.check_file(container, "/out/report.json", json=True, rel=1e-9)

    @pytest.mark.container(*IDLE)
    def test_equal_tree(container, parity):
        fill(container)
        parity.check_tree(container, "/out", ignore=["pid", "char"])

    @pytest.mark.container(*IDLE)
    def test_other_tree(container, parity, platform):
        fill(container, "echo x > sub/only-here" if platform.architecture == "arm64" else "")
        parity.check_tree(container, "/out", ignore=["pid"])

    @pytest.mark.container(*IDLE)
    def test_no_such_file(container, parity):
        parity.check_file(container, "/nosuch")

    @pytest.mark.container(*IDLE)
    def test_folder_as_file(container, parity):
        parity.check_file(container, "/etc")

    @pytest.mark.parity(stdout="json")
    def test_json_output(variant):
        assert variant.run("app", "report").exit_code == 0

    @pytest.mark.parity(allow=allow("app char", only="char", reason="char is unsigned on arm64"))
    def test_char(variant):
        variant.run("app", "char")

    def test_crash(variant):
        result = variant.run("app", "crash")
        assert result.exit_code == 0
"""


@pytest.fixture(scope="module")
def finished(make_suite: Callable[..., Suite], images: Mapping[str, str]) -> Finished:
    """One run of all."""
    suite = make_suite()
    suite.write("test_it.py", SOURCE.format(**images))
    return suite.run("-n", "2")


EQUAL = ["equal_files", "json_file", "equal_tree", "json_output", "char"]


@pytest.mark.parametrize("name", EQUAL)
def test_what_is_equal(finished: Finished, name: str) -> None:
    """Passes on both platforms, and is no difference."""
    statuses = finished.list_statuses()
    assert statuses[f"test_{name}[linux/amd64]"] == "passed", finished.output
    assert statuses[f"test_{name}[linux/arm64]"] == "passed", finished.output
    assert f"test_{name}" not in statuses, finished.cases[f"test_{name}"].message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("other_content", ['content of "/out/char"', "- -1", "+ 255"]),
        ("other_bytes", ['content of "/out/bytes"', "@@ byte 1 (0x1) @@", "2 bytes, sha256 "]),
        ("other_mode", ['value of "/out/bytes"', "@@ at $.mode @@", '- "0600"', '+ "0640"']),
        ("other_tree", ["@@ at $.char.content @@", '@@ at $["sub/only-here"] @@']),
    ],
)
def test_what_differs(finished: Finished, name: str, words: list[str]) -> None:
    """Is a divergence that says where."""
    case = finished.cases[f"test_{name}"]
    assert case.status == "failed"
    for each in words:
        assert each in case.message or each in finished.output


@pytest.mark.parametrize(
    ("name", "words"), [("no_such_file", "ContainerError"), ("folder_as_file", "/etc is a folder")]
)
def test_what_is_no_file(finished: Finished, name: str, words: str) -> None:
    """Is an error that says so."""
    for platform in ("linux/amd64", "linux/arm64"):
        case = finished.cases[f"test_{name}[{platform}]"]
        assert case.status == "failed"
        assert words in case.message


def test_a_real_crash_under_emulation(finished: Finished) -> None:
    """Says on the emulated platform, and there only, what is known of such a crash."""
    assert finished.cases["test_crash[linux/amd64]"].status == "failed"
    assert "known of the emulator on linux/arm64" in finished.output
    assert "known of the emulator on linux/amd64" not in finished.output
