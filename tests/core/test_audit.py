"""The audit of a variant's files: what it finds, and what it leaves alone."""

from __future__ import annotations

import pytest

from pytest_multiarch.core.audit import (
    AuditReport,
    AuditScope,
    FindingKind,
    PathAllowance,
    audit_tree,
    explain_audit,
)
from pytest_multiarch.core.elf import ElfFile, ElfHeader
from pytest_multiarch.core.filetree import FileTree, ForeignFormat, Script
from pytest_multiarch.core.index import ImageConfig
from pytest_multiarch.core.manifest import StoredLayer
from pytest_multiarch.core.platform import Platform
from tests.core.trees import X32, make_elf, make_tree

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
GLIBC, MUSL = "/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-aarch64.so.1"
OURS, FOREIGN = make_elf("arm64"), make_elf("amd64")


def audit(
    tree: FileTree,
    *words: str,
    entrypoint: tuple[str, ...] = (),
    platform: Platform = ARM64,
    scope: AuditScope = AuditScope.PROGRAM,
    allow: tuple[PathAllowance, ...] = (),
    env: tuple[str, ...] = (),
    workdir: str = "",
    healthcheck: tuple[str, ...] = (),
) -> AuditReport:
    """Audit a tree as that of an image that starts these words."""
    config = ImageConfig(
        platform=platform,
        entrypoint=entrypoint,
        cmd=words,
        env=env,
        workdir=workdir,
        settings={"Healthcheck": {"Test": list(healthcheck)}} if healthcheck else {},
    )
    return audit_tree(tree, config, platform, scope=scope, allow=allow)


def list_found(report: AuditReport) -> list[tuple[FindingKind, str]]:
    return [(each.kind, each.path) for each in report.findings]


WRONG = FindingKind.WRONG_ARCHITECTURE


# What the image starts


@pytest.mark.parametrize("platform", ["amd64", "arm64", "arm/v7", "386", "s390x", "riscv64"])
def test_a_right_image_has_no_findings(platform: str) -> None:
    parsed = Platform.parse(platform)
    ours = make_elf(parsed.architecture)
    tree = make_tree({"/bin/busybox": ours, "/bin/sh": "busybox", "/lib/libc.so": ours})
    report = audit(tree, "sh", platform=parsed, scope=AuditScope.IMAGE)
    assert report.findings == ()
    assert (report.files, report.programs) == (2, 2)


def test_a_command_is_found_on_path_through_links() -> None:
    tree = make_tree({"/usr/bin/app": "../lib/app", "/usr/lib": "/opt", "/opt/app": FOREIGN})
    (finding,) = audit(tree, "app", env=("PATH=/usr/bin",)).findings
    assert (finding.kind, finding.path) == (WRONG, "/opt/app")
    assert finding.found == "amd64 (64-bit, little endian)"
    assert finding.expected == "arm64 (64-bit, little endian)"
    assert finding.started_by == "command"


@pytest.mark.parametrize(
    ("entrypoint", "command"),
    [
        ((), ("/srv/app",)),
        ((), ("./app",)),
        (("/srv/app",), ("serve",)),
        (("/bin/tini", "--"), ("./app",)),
        (("/bin/sh", "-c"), ("cd /srv && exec /srv/app",)),
        (("/entry.sh",), ("/srv/app",)),
    ],
)
def test_a_program_is_found_through_what_starts_it(
    entrypoint: tuple[str, ...], command: tuple[str, ...]
) -> None:
    script = Script("/bin/sh")
    tree = make_tree({
        "/bin/sh": OURS, "/bin/tini": OURS, "/entry.sh": script, "/srv/app": FOREIGN
    })  # fmt: skip
    report = audit(tree, *command, entrypoint=entrypoint, workdir="/srv")
    assert list_found(report) == [(WRONG, "/srv/app")]


@pytest.mark.parametrize("test", [("CMD", "/check"), ("CMD-SHELL", "/check || exit 1")])
def test_what_a_health_check_starts(test: tuple[str, ...]) -> None:
    tree = make_tree({"/app": OURS, "/check": FOREIGN, "/bin/sh": OURS})
    report = audit(tree, "/app", healthcheck=test)
    assert [each.started_by for each in report.findings] == ["health check"]


def test_the_interpreter_of_a_script() -> None:
    tree = make_tree({"/x": Script("/usr/bin/env", "python3"), "/usr/bin/env": OURS,
                      "/opt/python3": FOREIGN})  # fmt: skip
    (finding,) = audit(tree, "/x", env=("PATH=/opt",)).findings
    assert (finding.kind, finding.path) == (WRONG, "/opt/python3")
    assert finding.started_by == "interpreter of /x"


def test_the_interpreter_behind_env_with_split_words() -> None:
    script = Script("/usr/bin/env", "-S python3 -u")
    tree = make_tree({"/x": script, "/usr/bin/env": OURS, "/bin/python3": FOREIGN})
    assert list_found(audit(tree, "/x")) == [(WRONG, "/bin/python3")]


@pytest.mark.parametrize(
    ("script", "missing"),
    [
        (Script("/usr/bin/python3"), "/usr/bin/python3"),
        (Script("/usr/bin/env", "node"), "node"),
        (Script("/bin/sh\r"), r"'/bin/sh\r'"),
    ],
)
def test_a_started_script_without_interpreter(script: Script, missing: str) -> None:
    tree = make_tree({"/x": script, "/usr/bin/env": OURS, "/bin/sh": OURS})
    (finding,) = audit(tree, "/x").findings
    assert (finding.kind, finding.path) == (FindingKind.MISSING_INTERPRETER, "/x")
    assert finding.found == f"started by {missing}, which is not there"
    assert finding.started_by == "command"


def test_a_loop_of_scripts_ends() -> None:
    tree = make_tree({"/x": Script("/x"), "/a": "b", "/b": "a"})
    assert audit(tree, "/x").findings == ()
    assert audit(tree, "/a").notes == ("command: /a is not in the image",)


# Loaders


def test_a_loader_that_is_there() -> None:
    app = make_elf("arm64", loader=GLIBC)
    tree = make_tree({"/app": app, "/lib": "usr/lib", "/usr/lib/ld-linux-aarch64.so.1": "ld.so",
                      "/usr/lib/ld.so": OURS})  # fmt: skip
    assert audit(tree, "/app").findings == ()


def test_a_program_for_glibc_where_musl_is() -> None:
    tree = make_tree({"/app": make_elf("arm64", loader=GLIBC), MUSL: OURS})
    (finding,) = audit(tree, "/app").findings
    assert finding.kind is FindingKind.MISSING_LOADER
    assert finding.found == f"started by {GLIBC} (glibc), which is not there"
    assert finding.expected == f"{MUSL} (musl), which the image has"


def test_a_foreign_loader() -> None:
    tree = make_tree({"/app": make_elf("arm64", loader=GLIBC), GLIBC: FOREIGN})
    (finding,) = audit(tree, "/app").findings
    assert (finding.kind, finding.path) == (WRONG, GLIBC)
    assert finding.started_by == "loader of /app"


def test_a_program_on_path_without_loader() -> None:
    tree = make_tree({"/app": OURS, "/usr/bin/tool": make_elf("arm64", loader=MUSL)})
    assert list_found(audit(tree, "/app")) == [(FindingKind.MISSING_LOADER, "/usr/bin/tool")]


def test_a_loader_of_the_standard_base_is_not_missed_on_path() -> None:
    tool = make_elf("amd64", loader="/lib64/ld-lsb-x86-64.so.3")
    assert audit(make_tree({"/usr/bin/tool": tool}), platform=AMD64).findings == ()


# ABIs


def test_x32_is_no_amd64() -> None:
    (finding,) = audit(make_tree({"/app": X32}), "/app", platform=AMD64).findings
    assert finding.kind is FindingKind.WRONG_ABI
    assert finding.found == "x86-64 (32-bit, little endian), x32"


@pytest.mark.parametrize("scope", [AuditScope.PROGRAM, AuditScope.IMAGE])
def test_386_runs_on_amd64(scope: AuditScope) -> None:
    wine = make_elf("386", loader="/lib/ld-linux.so.2")
    tree = make_tree({"/usr/bin/wine": wine, "/lib/ld-linux.so.2": make_elf("386")})
    assert audit(tree, "wine", platform=AMD64, scope=scope).findings == ()


def test_amd64_does_not_run_on_386() -> None:
    tree = make_tree({"/app": FOREIGN})
    assert list_found(audit(tree, "/app", platform=Platform.parse("386"))) == [(WRONG, "/app")]


@pytest.mark.parametrize(
    ("platform", "flags", "is_wrong"),
    [
        ("arm/v5", 0x5000400, True),
        ("arm/v5", 0x5000200, False),
        ("arm/v6", 0x5000400, False),
        ("arm/v7", 0x5000400, False),
        ("arm/v7", 0x5000200, False),
        ("arm/v7", 0x5000000, False),
    ],
)
def test_floats_of_arm(platform: str, flags: int, is_wrong: bool) -> None:
    """A machine of ARMv5 has no floating point unit; the others run static programs of both."""
    report = audit(
        make_tree({"/app": make_elf("arm", flags=flags)}), "/app", platform=Platform.parse(platform)
    )
    assert [each.kind for each in report.findings] == [FindingKind.WRONG_ABI] * is_wrong


def test_a_soft_float_program_among_hard_float_libraries() -> None:
    app = make_elf("arm", flags=0x5000200, loader="/lib/ld-linux.so.3")
    tree = make_tree({"/app": app, "/lib/ld-linux-armhf.so.3": make_elf("arm", flags=0x5000400)})
    (finding,) = audit(tree, "/app", platform=Platform.parse("arm/v7")).findings
    assert finding.kind is FindingKind.WRONG_ABI
    assert finding.found == "armel, started by /lib/ld-linux.so.3 (glibc), which is not there"


# PATH


def test_programs_on_path() -> None:
    tree = make_tree({"/app": OURS, "/usr/local/bin/helper": FOREIGN, "/opt/helper": FOREIGN})
    (finding,) = audit(tree, "/app").findings
    assert (finding.path, finding.started_by) == ("/usr/local/bin/helper", "PATH")


def test_what_nobody_minds_on_path() -> None:
    """Links to nowhere, scripts for interpreters that are not installed, a program of Windows."""
    tree = make_tree({
        "/usr/bin/python": "python3",
        "/usr/bin/tool": Script("/usr/bin/perl"),
        "/usr/bin/other": Script("/usr/bin/env", "python3"),
        "/usr/bin/env": OURS,
        "/usr/bin/mcs.exe": ForeignFormat("PE"),
        "/usr/bin/data": None,
    })  # fmt: skip
    assert audit(tree).findings == ()


def test_a_program_of_macos_on_path() -> None:
    tree = make_tree({"/usr/local/bin/app": ForeignFormat("Mach-O")})
    (finding,) = audit(tree).findings
    assert (finding.kind, finding.found) == (FindingKind.OTHER_SYSTEM, "Mach-O file")


def test_a_library_elsewhere_is_not_looked_at() -> None:
    assert audit(make_tree({"/usr/lib/lib.so": FOREIGN})).files == 0


# The whole image


def test_strays_of_a_whole_image() -> None:
    tree = make_tree({"/app": OURS, "/opt/qemu/x": FOREIGN, "/usr/bin/y": FOREIGN})
    assert audit(tree, "/app").findings[0].path == "/usr/bin/y"
    report = audit(tree, "/app", scope=AuditScope.IMAGE)
    assert list_found(report) == [(WRONG, "/usr/bin/y"), (FindingKind.STRAY, "/opt/qemu/x")]


@pytest.mark.parametrize("machine", [190, 224, 247])
def test_code_for_no_host_is_no_stray(machine: int) -> None:
    header = ElfHeader(machine=machine, is_64bit=True, is_little_endian=True, flags=0)
    tree = make_tree({"/lib/kernel.o": ElfFile(header), "/usr/lib/t64.exe": ForeignFormat("PE")})
    assert audit(tree, scope=AuditScope.IMAGE).findings == ()


def test_an_allowance_with_its_reason() -> None:
    tree = make_tree({"/opt/qemu/bin/x": FOREIGN, "/opt/y": FOREIGN})
    allow = (PathAllowance(path="/opt/qemu/**", reason="the emulator itself"),)
    report = audit(tree, scope=AuditScope.IMAGE, allow=allow)
    assert [each.allowed for each in report.findings] == ["the emulator itself", ""]
    assert [each.path for each in report.open_findings] == ["/opt/y"]


@pytest.mark.parametrize("scope", [AuditScope.PROGRAM, AuditScope.IMAGE])
def test_an_allowance_that_nothing_needs_is_not_noted(scope: AuditScope) -> None:
    """Another platform or another image of the project may need it."""
    allow = (PathAllowance(path="/opt/**", reason="old helper"),)
    assert audit(make_tree({}), allow=allow, scope=scope).notes == ()


def test_what_is_not_audited() -> None:
    tree = make_tree({"/app.exe": ForeignFormat("PE")})
    report = audit(tree, "/app.exe", platform=Platform.parse("windows/amd64"))
    assert report.findings == ()
    assert report.notes == ("not audited: only Linux variants are, not those for windows",)
    assert audit(make_tree({"/app": FOREIGN}), "/app", scope=AuditScope.OFF).findings == ()


# What is told


def test_where_a_file_comes_from() -> None:
    tree = make_tree({"/bin/sh": OURS}, {"/app": FOREIGN})
    layers = (
        StoredLayer(digest="sha256:base"),
        StoredLayer(digest="sha256:app", instruction="COPY app / # buildkit"),
    )
    config = ImageConfig(platform=ARM64, entrypoint=("/app",))
    report = audit_tree(tree, config, ARM64, scope=AuditScope.PROGRAM, layers=layers)
    what, cure = explain_audit("app:1", report)
    assert what == (
        "app:1: the variant for linux/arm64 holds a program for another architecture: /app is "
        "amd64 (64-bit, little endian); expected: arm64 (64-bit, little endian)\n"
        "  reached by: entrypoint\n"
        "  layer: sha256:app\n"
        "  made by: COPY app / # buildkit"
    )
    assert cure == (
        "build that file for linux/arm64 (a COPY from the host or a base image pinned to one "
        "platform is the usual cause); it may run here by accident, and will not on linux/arm64 "
        "hardware\n"
        "or, if it belongs there: pytest.mark.audit(allow={'/app': 'why'}), "
        "or audit: in multiarch.yaml"
    )


def test_more_findings_than_are_told() -> None:
    tree = make_tree({f"/usr/bin/tool{number}": FOREIGN for number in range(8)})
    what, _ = explain_audit("app:1", audit(tree))
    lines = what.splitlines()
    assert lines[2] == "  and /usr/bin/tool1: amd64 (64-bit, little endian)"
    assert lines[-1] == "  and 2 more"
    assert len(lines) == 8


def test_a_hostile_name_is_spelled_out() -> None:
    tree = make_tree({"/usr/bin/\x1b[2Japp\n": FOREIGN, "/usr/bin/\udcff{x}": FOREIGN})
    what, cure = explain_audit("app:1", audit(tree))
    assert "/usr/bin/\\x1b[2Japp\\n is amd64" in what
    assert "/usr/bin/\\udcff{x}: amd64" in what
    assert "{'/usr/bin/\\x1b[2Japp\\n': 'why'}" in cure
