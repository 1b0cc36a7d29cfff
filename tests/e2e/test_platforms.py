"""Seven platforms of one image, on four engines: what is equal is, and what differs is caught."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.suite import Finished, Suite
    from tests.known_engines import KnownEngines

SEVEN = (
    "linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386", "linux/s390x", "linux/ppc64le",
    "linux/riscv64",
)  # fmt: skip
OTHER_ENGINES = [
    pytest.param(name, marks=pytest.mark.needs_engine(name, "registry"))
    for name in ("classic", "middle", "oldest", "podman")
]
EVERYTHING = """
    import pytest

    pytestmark = [
        pytest.mark.image("{image}"),
        pytest.mark.platforms({platforms}),
    ]

    def test_own_name(variant, platform):
        assert variant.run("app", "arch").stdout.strip() == platform.architecture

    def test_char(variant):
        variant.run("app", "char")

    def test_endian(variant):
        variant.run("app", "endian")

    def test_wordsize(variant):
        variant.run("app", "wordsize")
"""
A_FEW = """
    import pytest

    pytestmark = [
        pytest.mark.image("{image}"),
        pytest.mark.platforms({platforms}),
    ]

    def test_own_name(variant, platform):
        assert variant.run("app", "arch").stdout.strip() == platform.architecture
        assert variant.digest.startswith("sha256:")

    def test_char(variant):
        variant.run("app", "char")

    @pytest.mark.container("app", "sleep", "3600")
    def test_exec(container):
        assert container.exec("app", "args", "a b", "c").stdout == "a b\\nc\\n"
"""


def write_platforms(*platforms: str) -> str:
    """Write them as arguments of the mark."""
    return ", ".join(map(repr, platforms))


@pytest.fixture(scope="module", params=[(), ("-n", "3")], ids=["one-process", "xdist"])
def seven(
    request: pytest.FixtureRequest,
    make_suite: Callable[..., Suite],
    images: Mapping[str, str],
) -> Finished:
    """One run over seven platforms."""
    suite = make_suite()
    platforms = write_platforms(*SEVEN)
    suite.write("test_it.py", EVERYTHING.format(image=images["sample"], platforms=platforms))
    suite.environ["DOCKER_DEFAULT_PLATFORM"] = "linux/s390x"
    return suite.run("-v", *request.param)


@pytest.mark.needs_engine("main")
class TestSevenPlatforms:
    """The sample image on the main engine, in one process and with xdist."""

    def test_every_test_runs_on_each(self, seven: Finished) -> None:
        """Each platform's own variant runs, whatever DOCKER_DEFAULT_PLATFORM says."""
        ran = [name for name, case in seven.cases.items() if "[" in name and case.message == ""]
        assert len(ran) == 4 * len(SEVEN), seven.output

    def test_equal_groups_pass(self, seven: Finished) -> None:
        """Each platform's own name is no difference."""
        assert "test_own_name" not in seven.cases
        summary = next(line for line in seven.output.splitlines() if line.startswith("4 groups"))
        assert "1 equal" in summary
        assert "3 diverged" in summary

    def test_char_diverges(self, seven: Finished) -> None:
        """Plain char is signed on 386 and amd64, and on no other of the seven."""
        message = seven.cases["test_char"].message
        others = "linux/arm64, linux/arm/v7, linux/s390x, linux/ppc64le, linux/riscv64"
        assert f"{others} differ from linux/amd64" in message
        assert "stdout of" in message
        assert "the same as the baseline: linux/386" in message

    def test_byte_order_diverges(self, seven: Finished) -> None:
        """Of the seven, s390x alone is big-endian."""
        message = seven.cases["test_endian"].message
        assert "linux/s390x differs from linux/amd64" in message

    def test_word_size_diverges(self, seven: Finished) -> None:
        """Two of the seven have 32 bits."""
        message = seven.cases["test_wordsize"].message
        assert "linux/arm/v7, linux/386 differ from linux/amd64" in message

    def test_divergences_fail_the_run(self, seven: Finished) -> None:
        """Three groups diverge, no test of its own fails."""
        assert seven.exit_code == 1
        assert "3 failed, 28 passed" in seven.output
        assert seven.output.count("DIVERGED") >= 3

    def test_the_summary_says_how_each_ran(self, seven: Finished) -> None:
        """amd64 is native, arm64 under QEMU of some version, or the other way round."""
        rows = re.findall(r"^(linux/\S+) +(native|qemu|rosetta)", seven.output, re.MULTILINE)
        how = dict(rows)
        assert set(how) == set(SEVEN)
        assert "native" in {how["linux/amd64"], how["linux/arm64"]}


@pytest.mark.parametrize("engine", OTHER_ENGINES)
@pytest.mark.needs_engine("main")
def test_variants_from_the_registry(
    engine: str,
    make_suite: Callable[..., Suite],
    engines: KnownEngines,
    copy_in_registry: Callable[[str], str],
) -> None:
    """Each engine runs each variant, and the user's tag stays on the platform that it was on."""
    image = copy_in_registry("e2e-platforms")
    engines.run_docker(engine, "pull", "--quiet", "--platform=linux/s390x", image)
    inspect = ("image", "inspect", "--format", "{{.Id}}", image)
    before = engines.run_docker(engine, *inspect)
    suite = make_suite(engine)
    platforms = write_platforms("linux/amd64", "linux/arm64", "linux/arm/v7")
    suite.write("test_it.py", A_FEW.format(image=image, platforms=platforms))
    finished = suite.run("-v")
    assert "1 failed, 9 passed" in finished.output
    assert "linux/arm64, linux/arm/v7 differ" in finished.cases["test_char"].message
    assert engines.run_docker(engine, *inspect) == before
    assert suite.list_left_behind() == []
