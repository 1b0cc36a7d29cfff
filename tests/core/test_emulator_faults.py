"""Signs of emulator faults, as programs print them, and what only looks like one."""

from __future__ import annotations

import re
import time

import pytest

from pytest_multiarch.core.call import CallSummary
from pytest_multiarch.core.emulator_faults import (
    FAULTS,
    find_faults,
    find_named_faults,
    find_observed_faults,
)
from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.observation import Observation
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.stream import Excerpt, ObservedStream

ARM64 = Platform.parse("linux/arm64")
AMD64 = Platform.parse("linux/amd64")
NATIVE = Execution(kind=ExecutionKind.NATIVE)
QEMU = Execution(kind=ExecutionKind.QEMU, version="10.0.3")
ROSETTA = Execution(kind=ExecutionKind.ROSETTA)
SEGV = "qemu: uncaught target signal 11 (Segmentation fault) - core dumped\n"
ILL = "qemu: uncaught target signal 4 (Illegal instruction) - core dumped\n"

# what a program printed, its exit code, the fault
SIGNS: list[tuple[str, int | None, str]] = [
    (SEGV, 139, "crash under emulation"),
    (
        f"Processing triggers for libc-bin ...\n{SEGV}Segmentation fault\n",
        1,
        "crash under emulation",
    ),
    (f"partial{SEGV}", 139, "crash under emulation"),
    ("", 139, "crash under emulation"),
    ("Segmentation fault (core dumped)\n", 139, "crash under emulation"),
    ("Trace/breakpoint trap\n", 133, "crash under emulation"),
    (ILL, 132, "illegal instruction"),
    ("Illegal instruction (core dumped)\n", 132, "illegal instruction"),
    ("qemu-aarch64: QEMU internal SIGSEGV {code=128, addr=0}\n", 139, "QEMU assertion"),
    ("qemu-x86_64-static: QEMU internal SIGILL {code=ILLOPC, addr=0x7f}\n", 132, "QEMU assertion"),
    (
        "**\nERROR:../accel/tcg/cpu-exec.c:954:cpu_exec: assertion failed: (cpu == current_cpu)\n",
        134,
        "QEMU assertion",
    ),
    (
        (
            "Bail out! ERROR:../accel/tcg/tcg-accel-ops.c:79:tcg_handle_interrupt: "
            "code should not be reached\n"
        ),
        134,
        "QEMU assertion",
    ),
    (
        "qemu-arm: ../linux-user/mmap.c:268: mmap_reserve_or_unmap: Assertion `ret == 0' failed.\n",
        134,
        "QEMU assertion",
    ),
    ("qemu: unhandled CPU exception 0x5 - aborting\n", 134, "QEMU assertion"),
    (
        (
            "qemu-arm: Unable to reserve 0xffff0000 bytes of virtual address space at 0x1000 "
            "(Success) for use as guest address space\n"
        ),
        1,
        "guest memory",
    ),
    ("qemu-arm: Allocating guest commpage: Operation not permitted\n", 1, "guest memory"),
    ("qemu: Unsupported syscall: 389\n", 1, "unsupported system call"),
    ("Unsupported syscall: 434\n", 1, "unsupported system call"),
    ("Unsupported ioctl: cmd=0x5421\n", 1, "unsupported system call"),
    ("Unsupported setsockopt level=132 optname=1\n", 1, "unsupported system call"),
    ("usage: qemu-aarch64 [options] program [arguments...]\n", 1, "QEMU in the program's place"),
    ("qemu: no user program specified\n", 1, "QEMU in the program's place"),
    ("qemu: unknown option 'daemon'\n", 1, "QEMU in the program's place"),
    ("fork/exec /proc/self/exe: no such file or directory\n", 1, "/proc/self/exe"),
    ("failed to re-exec '/proc/self/exe': Exec format error\n", 1, "/proc/self/exe"),
    (
        "Failed to resolve full path of the current executable [/proc/self/exe]\n",
        133,
        "/proc/self/exe",
    ),
    (
        (
            "runtime: lfstack.push invalid packing: node=0xffff9a2f0140 cnt=0x1\n"
            "fatal error: lfstack.push\n"
        ),
        2,
        "Go's pointers",
    ),
    (
        (
            "fatal error: unexpected signal during runtime execution\n"
            "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0]\n"
        ),
        2,
        "Go's runtime",
    ),
    (
        (
            "#\n# A fatal error has been detected by the Java Runtime Environment:\n#\n"
            "#  SIGSEGV (0xb) at pc=0x00007f, pid=1, tid=7\n"
        ),
        134,
        "Java",
    ),
    ("JVMPORT Port Library failed to initialize: -1\n", 1, "Java"),
    ("Failed to create CoreCLR, HRESULT: 0x8007FF06\n", 137, ".NET"),
    ("Fatal error. Internal CLR error. (0x80131506)\n", 134, ".NET"),
    (
        "\n#\n# Fatal error in , line 0\n# unreachable code\n#\n#FailureMessage Object: 0xbe\n",
        133,
        "V8",
    ),
    ("warning: ptrace: Function not implemented\n", 1, "ptrace"),
    ("strace: ptrace(PTRACE_TRACEME, ...): Function not implemented\n", 1, "ptrace"),
    ("LeakSanitizer does not work under ptrace (strace, gdb, etc)\n", 1, "ptrace"),
    ("prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER): Invalid argument\n", 1, "seccomp"),
    ("Failed to set a seccomp profile on the worker thread\n", 71, "seccomp"),
    ("set_robust_list: Function not implemented\n", 1, "robust futexes"),
    ("The futex facility returned an unexpected error code.\n", 134, "robust futexes"),
    ("io_setup() failed with ENOSYS\n", 1, "asynchronous I/O"),
    ("io_uring_queue_init: Function not implemented\n", 1, "asynchronous I/O"),
    ("unshare: unshare(0x20000) failed: Invalid argument\n", 1, "namespaces"),
    ("clone: Invalid argument\n", 1, "namespaces"),
    (
        (
            "==7==Shadow memory range interleaves with an existing memory mapping. "
            "ASan cannot proceed correctly. ABORTING.\n"
        ),
        1,
        "sanitizers",
    ),
    (
        (
            "sudo: effective uid is not 0, is /usr/bin/sudo on a file system with the 'nosuid' "
            "option set or an NFS file system without root privileges?\n"
        ),
        1,
        "setuid",
    ),
    ("aarch64-binfmt: applet not found\n", 127, "program's own name"),
    ("cc1plus: internal compiler error: Segmentation fault\n", 1, "stack"),
    ("keyctl(KEYCTL_GET_PERSISTENT): Function not implemented\n", 1, "system call not implemented"),
    ("Error: Os { code: 38 } (os error 38)\n", 1, "system call not implemented"),
    ("OSError: [Errno 38] Function not implemented\n", 1, "system call not implemented"),
]

NEAR_MISSES: list[tuple[str, int | None]] = [
    ("", 0),
    ("", 1),
    ("", None),
    ("", 134),  # an abort is the program's own doing
    ("", 136),  # a division by zero is a trap on some architectures
    ("qemu: uncaught target signal 8 (Floating point exception) - core dumped\n", 136),
    ("qemu: uncaught target signal 6 (Aborted) - core dumped\n", 134),
    ("", 137),
    ("", 143),
    ("", 128),
    ("", 11),
    ("Killed\n", 137),
    ("app: uncaught target signal 11\n", 1),
    ("see 'qemu: uncaught target signal' in the manual\n", 0),
    ("handled segmentation fault 11\n", 0),
    ("ERROR:../src/app.c:12:main: assertion failed: (a == b)\n", 1),
    ("app: app.c:12: main: Assertion `a == b' failed.\n", 1),
    ("my-qemu-tool: tool.c:12: main: assertion failed\n", 1),
    ("panic: runtime error: invalid memory address or nil pointer dereference\n", 2),
    ("fatal error: all goroutines are asleep - deadlock!\n", 2),
    ("# An error report file with more information is saved as:\n", 1),
    ("# Fatal error in the configuration, line 3\n", 1),
    ("Fatal error. Please try again\n", 1),
    ('Exception in thread "main" java.lang.NullPointerException\n', 1),
    ("ptrace: Operation not permitted\n", 1),
    ("seccomp is enabled\n", 0),
    ("seccomp: 2\nfilter: Invalid argument\n", 1),
    ("io_setup() failed with EAGAIN\n", 1),
    ("unshare: unshare failed: Operation not permitted\n", 1),
    ("git clone: invalid argument 'x'\n", 1),
    ("mount: Invalid argument\n", 1),
    ("fork/exec /proc/self/exe: operation not permitted\n", 1),
    ("/proc/self/exe -> /usr/bin/app\n", 0),
    ("sudo: a password is required\n", 1),
    ("sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set\n", 1),
    ("usage: app [options] program\n", 1),
    ("TypeError: not implemented\n", 1),
    ("NotImplementedError: function\n", 1),
    ("line 1380: error 3\n", 1),
    ("errno 380\n", 1),
    ("Unsupported syscalls are listed below\n", 0),
    ("Unsupported option\n", 1),
    ("internal compiler error: in foo, at bar.c:12\n", 1),
    ("applet not found in the store\n", 1),
    ("The instruction was illegal\n", 1),
    ("rosetta stone: error\n", 1),
]


@pytest.mark.parametrize(("printed", "exit_code", "name"), SIGNS)
def test_a_sign_names_its_fault(printed: str, exit_code: int | None, name: str) -> None:
    found = find_faults(printed, execution=QEMU, platform=ARM64, exit_code=exit_code)
    assert [each.name for each in found] == [name]
    assert find_faults(printed, execution=NATIVE, platform=ARM64, exit_code=exit_code) == ()


@pytest.mark.parametrize(("printed", "exit_code"), NEAR_MISSES)
def test_what_only_looks_like_a_fault_is_none(printed: str, exit_code: int | None) -> None:
    for execution in (QEMU, ROSETTA):
        assert find_faults(printed, execution=execution, platform=ARM64, exit_code=exit_code) == ()


def test_every_fault_has_an_example() -> None:
    covered = {name for _, _, name in SIGNS}
    elsewhere = {"old QEMU on a new kernel", "Erlang", "PyPy", "CPU model", "Rosetta"}
    assert {each.name for each in FAULTS} == covered | elsewhere


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_says_what_is_known_with_cure_and_source(fault: object) -> None:
    assert fault.signs  # type: ignore[attr-defined]
    for text in (fault.says, fault.cure):  # type: ignore[attr-defined]
        assert text.strip() == text
        assert not text.endswith(".")
        assert "  " not in text
    for source in fault.source.split(", "):  # type: ignore[attr-defined]
        assert re.fullmatch(r"https://[\w./#%-]+", source), source


def test_names_are_unique() -> None:
    names = [each.name for each in FAULTS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (("erl", "-eval", "x"), "Erlang"),
        (("/usr/local/bin/mix", "test"), "Erlang"),
        (("sh", "-c", "cd /app && mix local.hex --force"), "Erlang"),
        (("node", "index.js"), "V8"),
        (("bash", "-c", "(npm ci)"), "V8"),
        (("dotnet", "build"), ".NET"),
        (("java", "-jar", "app.jar"), "Java"),
        (("pypy3", "x.py"), "PyPy"),
        (("app", "node"), "crash under emulation"),
        (("sh", "-c", "app --mixed"), "crash under emulation"),
    ],
)
def test_a_crash_is_told_by_its_program(argv: tuple[str, ...], name: str) -> None:
    found = find_faults(SEGV, execution=QEMU, platform=ARM64, exit_code=139, argv=argv)
    assert [each.name for each in found] == [name]


@pytest.mark.parametrize(
    ("version", "is_old"),
    [
        ("6.2.0", True),
        ("7.2.22", True),
        ("8.0.4", True),
        ("8.1.0", False),
        ("", False),
        ("x", False),
    ],
)
def test_an_old_emulator_is_told_by_its_version(version: str, is_old: bool) -> None:
    execution = Execution(kind=ExecutionKind.QEMU, version=version)
    found = find_faults(SEGV, execution=execution, platform=ARM64, exit_code=139)
    assert [each.name for each in found] == [
        "old QEMU on a new kernel" if is_old else "crash under emulation"
    ]


def test_the_cpu_model_is_a_matter_of_its_architecture() -> None:
    text = "Fatal glibc error: CPU does not support x86-64-v2\n"
    (found,) = find_faults(text, execution=QEMU, platform=AMD64, exit_code=127)
    assert found.name == "CPU model"
    assert found.is_certain
    assert find_faults(text, execution=QEMU, platform=ARM64, exit_code=127) == ()


@pytest.mark.parametrize(
    "text",
    [
        "rosetta error: failed to open elf at /lib64/ld-linux-x86-64.so.2\n",
        "Rosetta is only intended to run on Apple Silicon with a macOS host\n",
        "rosetta error: Unable to open /proc/self/exe: 40\n",
    ],
)
def test_rosetta_has_faults_of_its_own(text: str) -> None:
    found = find_faults(text, execution=ROSETTA, platform=AMD64, exit_code=133)
    assert "Rosetta" in [each.name for each in found]
    assert "Rosetta" not in [
        each.name for each in find_faults(text, execution=QEMU, platform=AMD64, exit_code=1)
    ]


def test_what_rosetta_lacks_is_not_what_qemu_lacks() -> None:
    found = find_faults("Unimplemented syscall number 435\n", execution=ROSETTA, platform=AMD64)
    assert [each.name for each in found] == ["unsupported system call"]
    text = "warning: ptrace: Function not implemented\n"
    (general,) = find_faults(text, execution=ROSETTA, platform=AMD64)
    assert general.is_general


def test_several_faults_show_at_once() -> None:
    text = f"qemu: Unsupported syscall: 389\nio_uring_setup: Function not implemented\n{SEGV}"
    found = find_faults(text, execution=QEMU, platform=ARM64, exit_code=139)
    assert [each.name for each in found] == ["unsupported system call", "asynchronous I/O"]


def test_outputs_are_bytes_or_text_with_surrogates() -> None:
    data = b"\xff\xfe " + SEGV.encode()
    for output in (data, data.decode("utf-8", "surrogateescape")):
        assert find_faults(output, execution=QEMU, platform=ARM64, exit_code=1)


def test_large_outputs_take_no_time_and_are_seen_at_both_ends() -> None:
    filler = b"x: applet seccomp clone: ptrace( /proc/self/exe io_setup \n" * 400_000
    start = time.monotonic()
    found = find_faults(filler + SEGV.encode(), execution=QEMU, platform=ARM64, exit_code=1)
    assert time.monotonic() - start < 2
    assert found
    assert find_faults(SEGV.encode() + filler, execution=QEMU, platform=ARM64, exit_code=1)


def observe(exit_code: int, stderr: str, raw: str | None = None) -> Observation:
    stream = ObservedStream(
        size=1,
        sha256="",
        skeleton_sha256="",
        excerpt=Excerpt(stderr),
        raw=None if raw is None else Excerpt(raw),
    )
    return Observation(
        label="x",
        kind="run",
        exit_code=exit_code,
        stderr=stream,
        command=CallSummary(argv=("node", "x.js")),
    )


def test_an_observation_is_read_as_it_came() -> None:
    observation = observe(1, "", raw="qemu: Unsupported syscall: 389\n")
    (found,) = find_observed_faults(observation, execution=QEMU, platform=ARM64)
    assert found.name == "unsupported system call"
    (found,) = find_observed_faults(observe(139, ""), execution=QEMU, platform=ARM64)
    assert found.name == "V8"
    assert find_observed_faults(observe(139, ""), execution=NATIVE, platform=ARM64) == ()


def test_a_value_shows_no_fault() -> None:
    observation = Observation(label="x", kind="check", exit_code=139)
    assert find_observed_faults(observation, execution=QEMU, platform=ARM64) == ()


def test_faults_are_found_by_name() -> None:
    assert [f.name for f in find_named_faults(["V8", "of another version", "Java"])] == [
        "Java",
        "V8",
    ]
