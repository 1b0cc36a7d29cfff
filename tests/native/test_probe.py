"""The probe programs are what a container of their platform can run: small, static, right."""

from __future__ import annotations

import io
import platform
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from pytest_multiarch.native import list_targets, read_program

EXPECTED = {
    "linux-386": (32, "EM_386", "386"),
    "linux-amd64": (64, "EM_X86_64", "amd64"),
    "linux-arm-v5": (32, "EM_ARM", "arm/v5"),
    "linux-arm-v6": (32, "EM_ARM", "arm/v6"),
    "linux-arm-v7": (32, "EM_ARM", "arm/v7"),
    "linux-arm64": (64, "EM_AARCH64", "arm64"),
    "linux-loong64": (64, "EM_LOONGARCH", "loong64"),
    "linux-ppc64le": (64, "EM_PPC64", "ppc64le"),
    "linux-riscv64": (64, "EM_RISCV", "riscv64"),
    "linux-s390x": (64, "EM_S390", "s390x"),
}
BIG_ENDIAN = {"linux-s390x"}
SIZE_LIMIT = 2048

each_target = pytest.mark.parametrize("slug", EXPECTED)
needs_amd64 = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="runs the amd64 program, which needs an amd64 machine"
)


def read(slug: str) -> bytes:
    program = read_program("probe", slug)
    assert program is not None
    return program


def open_elf(slug: str) -> ELFFile:
    return ELFFile(io.BytesIO(read(slug)))


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    """The amd64 probe as an executable file."""
    path = tmp_path / "probe"
    path.write_bytes(read("linux-amd64"))
    path.chmod(0o755)
    return path


def test_every_target_is_compiled() -> None:
    assert list_targets("probe") == tuple(sorted(EXPECTED))


@each_target
def test_header_names_the_architecture(slug: str) -> None:
    elf = open_elf(slug)
    bits, machine, _ = EXPECTED[slug]
    found = (elf.elfclass, elf["e_machine"], elf.little_endian)
    assert found == (bits, machine, slug not in BIG_ENDIAN)


@each_target
def test_program_names_its_platform(slug: str) -> None:
    assert f"pytest-multiarch probe {EXPECTED[slug][2]}\n\0".encode() in read(slug)


@each_target
def test_program_is_small(slug: str) -> None:
    assert len(read(slug)) <= SIZE_LIMIT


@each_target
def test_program_needs_no_loader(slug: str) -> None:
    kinds = {segment["p_type"] for segment in open_elf(slug).iter_segments()}
    assert "PT_LOAD" in kinds
    assert not kinds & {"PT_INTERP", "PT_DYNAMIC"}


@pytest.mark.parametrize("slug", ["linux-arm64", "linux-ppc64le"])
def test_segments_fit_pages_of_64_kib(slug: str) -> None:
    """Kernels of these may have such pages; a segment must start where its bytes do."""
    for segment in open_elf(slug).iter_segments("PT_LOAD"):
        assert (segment["p_vaddr"] - segment["p_offset"]) % 0x10000 == 0


@pytest.mark.parametrize(
    ("slug", "target"),
    [
        ("linux-amd64-v3", "linux-amd64"),
        ("linux-arm64-v9", "linux-arm64"),
        ("linux-arm-v8", "linux-arm-v7"),
    ],
)
def test_a_higher_level_gets_the_highest_program_below(slug: str, target: str) -> None:
    assert read(slug) == read(target)


@pytest.mark.parametrize("slug", ["linux-mips", "windows-amd64", "linux-arm-v4", "linux-ppc64"])
def test_a_platform_without_a_program_gets_none(slug: str) -> None:
    assert read_program("probe", slug) is None


def test_a_program_that_was_not_compiled_is_an_error_with_its_cure() -> None:
    with pytest.raises(FileNotFoundError, match=r"'missing'.*pip install"):
        read_program("missing", "linux-amd64")


@needs_amd64
def test_once_ends_after_the_line(probe: Path) -> None:
    done = subprocess.run([probe, "once"], stdin=subprocess.PIPE, capture_output=True, timeout=10)
    assert (done.returncode, done.stdout) == (0, b"pytest-multiarch probe amd64\n")


@needs_amd64
def test_stays_until_its_stdin_ends(probe: Path) -> None:
    with subprocess.Popen([probe], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"pytest-multiarch probe amd64\n"
        process.stdin.write(b"ignored")
        process.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
        process.stdin.close()
        assert process.wait(10) == 0


@needs_amd64
def test_says_that_it_could_not_write(probe: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        assert subprocess.run([probe, "once"], stdout=full, timeout=10).returncode == 1
