"""What emulators do to programs, by the signs of it: one table, each row with its source.

A sign is no proof. A program that QEMU reports as crashed may crash natively too: only a run on
native hardware, or the native variant under the same emulator, tells. What the kernel or a runtime
says in a program's place (`exec format error`, a loader that is missing) is in
`core.known_messages`; which lines of an output are the emulator's own is in `core.normalize`.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.stream import encode_output

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.stream import ObservedStream

_MOST_READ = 64 * 1024
"""How many bytes of each end of an output are looked at."""
_QEMU = (ExecutionKind.QEMU, ExecutionKind.EMULATED)
_ROSETTA = (ExecutionKind.ROSETTA, ExecutionKind.EMULATED)
_ANY = (ExecutionKind.QEMU, ExecutionKind.ROSETTA, ExecutionKind.EMULATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """How a fault shows itself; all that is given has to fit.

    `pattern` is found in the output; `exit_codes` are those with which it shows; `kinds` the
    emulators; `architectures` those of the platform; `programs` are names of programs in the
    command; `before` is the first version of the emulator without it.
    """

    pattern: re.Pattern[bytes] | None = None
    exit_codes: tuple[int, ...] = ()
    kinds: tuple[ExecutionKind, ...] = _QEMU
    architectures: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    before: tuple[int, ...] = ()

    def fits(self, run: _Run) -> bool:
        """Tell whether a run shows it."""
        return (
            run.execution.kind in self.kinds
            and (not self.architectures or run.platform.architecture in self.architectures)
            and (not self.exit_codes or run.exit_code in self.exit_codes)
            and (not self.programs or not run.programs.isdisjoint(self.programs))
            and (not self.before or (bool(run.version) and run.version < self.before))
            and (self.pattern is None or self.pattern.search(run.text) is not None)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault or a limit of emulators that is known.

    `says` is what is known of it, `cure` what mends it, `source` where it is known from. With
    `is_random` another run may well pass. With `is_certain` only an emulator does this; else a
    program can do the same by itself. A fault `is_general` counts only where no other fits.
    """

    name: str
    says: str
    cure: str
    source: str
    is_random: bool = False
    is_certain: bool = False
    is_general: bool = False
    signs: tuple[Sign, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What is known of a run that may show a fault."""

    text: bytes
    execution: Execution
    platform: Platform
    exit_code: int | None
    programs: frozenset[str]
    version: tuple[int, ...]


def find_faults(
    *outputs: str | bytes,
    execution: Execution,
    platform: Platform,
    exit_code: int | None = None,
    argv: Sequence[str] = (),
) -> tuple[Fault, ...]:
    """Find the faults of which a run shows the signs, the most special first; none if native.

    `outputs` are what it printed, or a message about it; `exit_code` is None where it is not
    known. `argv` is the command, empty where that is not known.
    """
    if not execution.is_emulated:
        return ()
    run = _Run(
        text=b"\n".join(_cut(_encode(each)) for each in outputs),
        execution=execution,
        platform=platform,
        exit_code=exit_code,
        programs=_list_programs(argv),
        version=_read_version(execution.version),
    )
    found = [fault for fault in FAULTS if any(sign.fits(run) for sign in fault.signs)]
    special = tuple(each for each in found if not each.is_general)
    return special or tuple(found[:1])


def find_observed_faults(
    observation: Observation, *, execution: Execution, platform: Platform
) -> tuple[Fault, ...]:
    """Find the faults that a call shows, by its exit code and what is kept of its outputs."""
    if observation.kind == "check" or not execution.is_emulated:
        return ()
    return find_faults(
        *(text for stream in observation.streams for text in _list_kept(stream)),
        execution=execution,
        platform=platform,
        exit_code=observation.exit_code,
        argv=observation.command.argv if observation.command else (),
    )


def find_named_faults(names: Iterable[str]) -> tuple[Fault, ...]:
    """Give the faults of these names, in the table's order; unknown names are left out."""
    wanted = frozenset(names)
    return tuple(each for each in FAULTS if each.name in wanted)


def _list_kept(stream: ObservedStream) -> tuple[str, ...]:
    excerpt = stream.raw or stream.excerpt
    return excerpt.head, excerpt.tail


def _encode(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else encode_output(text)


def _cut(data: bytes) -> bytes:
    if len(data) <= 2 * _MOST_READ:
        return data
    return data[:_MOST_READ] + b"\n" + data[-_MOST_READ:]


def _list_programs(argv: Sequence[str]) -> frozenset[str]:
    """Name the programs of a command: its first word, and all words of what a shell is given."""
    if not argv:
        return frozenset()
    first = posixpath.basename(argv[0])
    if first in ("sh", "bash", "dash", "ash", "busybox", "env"):
        words = (re.split(r"[\s;&|()'\"`]+", each) for each in argv)
        return frozenset(posixpath.basename(word) for several in words for word in several)
    return frozenset((first,))


def _read_version(text: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, match[0].split("."))) if match else ()


def _signs(*patterns: str) -> re.Pattern[bytes]:
    """Compile the phrasings of a sign; `^` and `$` are the ends of a line."""
    return re.compile("|".join(patterns).encode(), re.MULTILINE)


_SEGV = r"qemu: uncaught target signal 11 \("
_CRASH = r"qemu: uncaught target signal (?:4|5|7|11) \("
_CRASH_CODES = (132, 133, 135, 139)
"""SIGILL, SIGTRAP, SIGBUS and SIGSEGV. A division by zero (136) is the program's own doing, and a
trap on some architectures only; so is an abort (134)."""
_LACKS = r"(?:Function not implemented|ENOSYS|\(os error 38\)|[Ee]rrno[ =:]{1,2}38\b)"
_NEWER = (
    "install a newer QEMU: docker run --privileged --rm tonistiigi/binfmt --install all "
    "(pytest-multiarch doctor shows the version)"
)
_NATIVE = "run the platform on native hardware"
_BINFMT = "https://github.com/tonistiigi/binfmt/issues"
_MAC = "https://github.com/docker/for-mac/issues"
_ARCHRISCV = "https://github.com/felixonmars/archriscv-packages"

FAULTS: tuple[Fault, ...] = (
    # The emulator itself
    Fault(
        name="QEMU assertion",
        says="QEMU itself failed: a check or a memory access of its own, not the program's",
        cure=f"run it again: threads and forks make it come and go; else {_NEWER}, or {_NATIVE}",
        source=f"{_BINFMT}/316, {_ARCHRISCV}/commit/a75042c3",
        is_random=True,
        is_certain=True,
        signs=(
            Sign(
                pattern=_signs(
                    r"^qemu(?:-\w+)?(?:-static)?: QEMU internal SIG[A-Z]+ \{",
                    r"^(?:Bail out! )?ERROR:[\w./-]*(?:accel/tcg|linux-user|tcg|target|util|qom)"
                    r"[\w./-]*\.c(?:\.inc)?:\d+:\w+: "
                    r"(?:assertion failed|code should not be reached)",
                    r"^qemu-[\w-]+: [\w./-]+\.c(?:\.inc)?:\d+: \w+: Assertion `",
                    r"\bmmap_reserve_or_unmap: Assertion `",
                    r"^qemu: (?:fatal: |unhandled CPU exception 0x)",
                ),
            ),
        ),
    ),
    Fault(
        name="guest memory",
        says="QEMU could not lay out the program's address space on this node",
        cure="lower vm.mmap_min_addr or raise the container's memory limit on the node "
        f"(sysctl vm.mmap_min_addr vm.overcommit_memory), or {_NEWER}",
        source="https://www.qemu.org/docs/master/user/main.html",
        is_certain=True,
        signs=(
            Sign(
                pattern=_signs(
                    r"^qemu-[\w-]+: Unable to (?:reserve 0x[0-9a-f]+ bytes of virtual address space"
                    r"|find a guest_base)",
                    r"^qemu-[\w-]+: Allocating guest commpage: ",
                ),
            ),
        ),
    ),
    Fault(
        name="unsupported system call",
        says="the program asked for something that the emulator does not have",
        cure=f"{_NEWER}, or {_NATIVE}",
        source="https://github.com/moby/qemu/issues/4, https://github.com/dotnet/runtime/issues/8614",
        is_certain=True,
        signs=(
            Sign(
                kinds=_ANY,
                pattern=_signs(
                    r"^(?:qemu: )?Unsupported syscall: \d+",
                    r"^(?:qemu: )?Unsupported (?:ioctl|[gs]etsockopt|ancillary data)\b"
                    r"[^\n]*(?:0x|level|type|cmd)[^\n]*\d",
                    r"^(?:rosetta error: )?Unimplemented syscall number \d+",
                ),
            ),
        ),
    ),
    Fault(
        name="old QEMU on a new kernel",
        says="QEMU before 8.1 crashes at random on kernels that place programs anywhere in memory "
        "(6.x, Ubuntu 22.04 and later), but programs crash by themselves too",
        cure=_NEWER,
        source=f"{_BINFMT}/215, {_BINFMT}/240, https://bugs.launchpad.net/bugs/2096782",
        is_random=True,
        signs=(
            Sign(
                pattern=_signs(_SEGV),
                before=(8, 1),
            ),
        ),
    ),
    Fault(
        name="QEMU in the program's place",
        says="the program started /proc/self/exe, and under emulation that is QEMU, which took the "
        "program's arguments for its own",
        cure=f"have the program start itself by its path; {_NEWER}; or {_NATIVE}",
        source="https://github.com/gravitational/teleport/issues/11283, "
        "https://github.com/docker/buildx/issues/1331",
        is_certain=True,
        signs=(
            Sign(
                pattern=_signs(
                    r"^usage: qemu-\w+(?:-static)? \[options\] program",
                    r"^qemu(?:-[\w-]+)?: (?:no user program specified|unknown option )",
                    r"^(?:\S*/)?qemu-[\w-]+: [Ee]rror while loading /[^\n]*: Exec format error",
                ),
            ),
        ),
    ),
    Fault(
        name="/proc/self/exe",
        says="the program starts itself by /proc/self/exe; under emulation that names the emulator",
        cure=f"have the program start itself by its path; {_NEWER}; or {_NATIVE}",
        source="https://github.com/dotnet/runtime/issues/47280, "
        "https://github.com/ClickHouse/ClickHouse/issues/52198, "
        f"{_MAC}/6973",
        signs=(
            Sign(
                kinds=_ANY,
                pattern=_signs(
                    r"/proc/(?:self|\d+)/exe[]'\"`)]{0,2}: (?:(?i:no such file or directory"
                    r"|exec format error|function not implemented|invalid argument"
                    r"|too many levels of symbolic links)|40\b)",
                    r"Failed to resolve full path of the current executable \[/proc/self/exe\]",
                ),
            ),
        ),
    ),
    # Programs that write programs
    Fault(
        name="Go's pointers",
        says="Go packs pointers into 48 bits, and QEMU gives amd64 programs addresses beyond",
        cure=f"{_NEWER}, or {_NATIVE}",
        source=f"{_BINFMT}/269, https://github.com/golang/go/issues/69255",
        signs=(
            Sign(
                pattern=_signs(
                    r"^runtime: lfstack\.push invalid packing", r"^fatal error: lfstack\.push\b"
                ),
            ),
        ),
    ),
    Fault(
        name="Go's runtime",
        says="Go's runtime crashed in itself, as it does at random under QEMU (signals while "
        "threads start)",
        cure=f"run it again; env={{'GODEBUG': 'asyncpreemptoff=1'}} makes it rarer; {_NATIVE}",
        source="https://github.com/golang/go/issues/29325",
        is_random=True,
        signs=(
            Sign(
                pattern=_signs(r"^fatal error: unexpected signal during runtime execution$"),
                exit_codes=(2, 134),
            ),
        ),
    ),
    Fault(
        name="Java",
        says="a Java VM crashed; its compiler writes code in ways that emulators get wrong (QEMU "
        "8.1.0 most of all)",
        cure="try without the compiler, env={'JAVA_TOOL_OPTIONS': '-Xint'}, "
        f"{_NEWER}, or {_NATIVE}",
        source=f"{_MAC}/7172, https://gitlab.com/qemu-project/qemu/-/issues/1908",
        is_random=True,
        signs=(
            Sign(
                kinds=_ANY,
                pattern=_signs(
                    r"^# A fatal error has been detected by the Java Runtime Environment:\n"
                    r"#\n#  (?:SIGSEGV|SIGILL|SIGBUS|SIGTRAP)\b",
                    r"Port Library failed to initialize: -1$",
                ),
            ),
            Sign(
                kinds=_ANY,
                exit_codes=(*_CRASH_CODES, 134),
                programs=("java", "javac", "mvn", "gradle", "keytool"),
            ),
        ),
    ),
    Fault(
        name=".NET",
        says="a .NET runtime crashed or did not start; .NET does not support QEMU",
        cure=f"try env={{'DOTNET_EnableWriteXorExecute': '0'}}, or {_NATIVE}",
        source="https://github.com/dotnet/dotnet-docker/issues/5355, "
        "https://github.com/dotnet/runtime/issues/94909",
        is_random=True,
        signs=(
            Sign(
                pattern=_signs(
                    r"^Failed to create CoreCLR, HRESULT: 0x",
                    r"^Fatal error\. (?:Internal CLR error|System\.Runtime\.InteropServices\.SEH)",
                ),
            ),
            Sign(
                exit_codes=_CRASH_CODES,
                programs=("dotnet", "pwsh"),
            ),
        ),
    ),
    Fault(
        name="Erlang",
        says="Erlang's compiler maps its code twice, once to write and once to run, and emulators "
        "do not notice what changes",
        cure=f"env={{'ERL_FLAGS': '+JMsingle true'}} (OTP 26 and later), or {_NATIVE}",
        source="https://github.com/erlang/otp/pull/6340, "
        "https://gitlab.com/qemu-project/qemu/-/issues/1034",
        signs=(
            Sign(
                kinds=_ANY,
                exit_codes=_CRASH_CODES,
                programs=("erl", "beam.smp", "elixir", "mix", "iex", "rebar3", "rabbitmq-server"),
            ),
        ),
    ),
    Fault(
        name="V8",
        says="V8 (Node.js, Chromium, Electron) crashed; emulators miss changes of code that runs",
        cure=f"run it again; try NODE_OPTIONS=--jitless or node --no-opt; {_NEWER}, or {_NATIVE}",
        source="https://github.com/docker/buildx/issues/521, "
        "https://github.com/docker/desktop-feedback/issues/326",
        is_random=True,
        signs=(
            Sign(
                kinds=_ANY,
                pattern=_signs(
                    r"^#\n# Fatal error in [^\n]*\n# (?:unreachable code|Check failed: )"
                ),
            ),
            Sign(
                kinds=_ANY,
                exit_codes=_CRASH_CODES,
                programs=("node", "npm", "npx", "yarn", "pnpm", "electron", "chromium"),
            ),
        ),
    ),
    Fault(
        name="PyPy",
        says="PyPy's compiler crashes under QEMU",
        cure=f"pypy3 --jit off, or {_NATIVE}",
        source="https://github.com/crossbario/autobahn-python/issues/1940",
        is_random=True,
        signs=(
            Sign(
                exit_codes=_CRASH_CODES,
                programs=("pypy", "pypy3"),
            ),
        ),
    ),
    # What emulators do not have
    Fault(
        name="ptrace",
        says="QEMU has no ptrace: gdb, strace, py-spy and LeakSanitizer do not work",
        cure=f"leave it out under emulation (skip the platform with a mark), or {_NATIVE}",
        source=f"https://www.qemu.org/docs/master/user/main.html, {_MAC}/5191",
        signs=(
            Sign(
                pattern=_signs(
                    r"\bptrace(?:\([^)\n]*\))?: Function not implemented",
                    r"\b(?:ptrace|PTRACE_\w+)\b[^\n]{0,80}" + _LACKS,
                    r"LeakSanitizer does not work under ptrace",
                ),
            ),
        ),
    ),
    Fault(
        name="seccomp",
        says="QEMU has no seccomp: a program can't put a filter on itself",
        cure=f"turn the program's sandbox off under emulation, or {_NATIVE}",
        source=f"{_ARCHRISCV}/pull/1317, {_ARCHRISCV}/pull/1847",
        signs=(
            Sign(
                pattern=_signs(
                    r"\b(?:seccomp|PR_SET_SECCOMP)\b[^\n]{0,80}"
                    r"(?:Invalid argument|\(os error 22\)|errno 125)",
                    r"\b(?:seccomp|PR_SET_SECCOMP)\b[^\n]{0,80}" + _LACKS,
                    r"^Failed to set a seccomp profile\b",
                ),
            ),
        ),
    ),
    Fault(
        name="robust futexes",
        says="QEMU has no robust or priority-inheriting futexes: locks between processes, and "
        "locks of a process that died, do not work",
        cure=f"{_NEWER}, or {_NATIVE}",
        source="https://gitlab.com/qemu-project/qemu/-/blob/master/linux-user/syscall.c",
        signs=(
            Sign(
                pattern=_signs(
                    r"\b[gs]et_robust_list\b[^\n]{0,80}" + _LACKS,
                    r"^The futex facility returned an unexpected error code\.",
                ),
            ),
        ),
    ),
    Fault(
        name="asynchronous I/O",
        says="emulators have neither libaio (io_setup) nor io_uring; engines may refuse io_uring "
        "natively too",
        cure="turn native asynchronous I/O off in the program (MariaDB, MySQL: "
        f"--innodb-use-native-aio=0), or {_NATIVE}",
        source="https://github.com/multiarch/qemu-user-static/issues/114, "
        "https://github.com/orbstack/orbstack/issues/1115",
        signs=(
            Sign(
                kinds=_ANY,
                pattern=_signs(
                    r"\bio_(?:setup|submit|getevents|uring_\w+)\b[^\n]{0,80}" + _LACKS,
                    r"\bio_uring\b[^\n]{0,80}" + _LACKS,
                ),
            ),
        ),
    ),
    Fault(
        name="namespaces",
        says="QEMU refuses some ways of making processes and namespaces (clone, unshare, bwrap)",
        cure=f"turn the program's sandbox off under emulation, or {_NATIVE}",
        source="https://github.com/moby/qemu/issues/4, "
        f"{_ARCHRISCV}/blob/master/qemu-user-blacklist.txt",
        signs=(
            Sign(
                pattern=_signs(
                    r"\b(?:clone3?|unshare|setns|pivot_root)(?:\([^)\n]*\))?(?: failed)?"
                    r": Invalid argument",
                    r"\b(?:bwrap|unshare|setns|pivot_root|clone3?)\b[^\n]{0,80}" + _LACKS,
                ),
            ),
        ),
    ),
    Fault(
        name="sanitizers",
        says="sanitizers need an address space that QEMU does not give",
        cure=f"build without sanitizers for this platform's tests, or {_NATIVE}",
        source=f"{_ARCHRISCV}/blob/master/qemu-user-blacklist.txt",
        signs=(
            Sign(
                pattern=_signs(
                    r"Shadow memory range interleaves with an existing memory mapping",
                    r"^FATAL: (?:Thread|Memory)Sanitizer: (?:unexpected memory|can ?not mmap)",
                    r"^==\d+==ERROR: AddressSanitizer failed to (?:allocate|mmap)\b",
                ),
            ),
        ),
    ),
    Fault(
        name="setuid",
        says="setuid programs (sudo, su, ping) get no privileges: the kernel's entry for the "
        "emulator lacks the flag C, unless the file has lost its setuid bit",
        cure="register the emulator with the flags OCF (pytest-multiarch doctor shows them): "
        "docker run --privileged --rm tonistiigi/binfmt --install all, or user='root'",
        source="https://github.com/multiarch/qemu-user-static/issues/17, "
        "https://github.com/uraimo/run-on-arch-action/issues/75",
        signs=(
            Sign(
                pattern=_signs(
                    r"^sudo: effective uid is not 0, is ",
                    r"^(?:su|sudo|doas|passwd|ping): must be suid to work properly$",
                ),
            ),
        ),
    ),
    Fault(
        name="program's own name",
        says="the program got its path as its name (argv[0]): the kernel's entry for the emulator "
        "lacks the flag P, or the image lacks that applet",
        cure="register the emulator with the flag P (pytest-multiarch doctor shows the flags): "
        "docker run --privileged --rm tonistiigi/binfmt --install all",
        source="https://github.com/tonistiigi/binfmt/tree/master/patches",
        signs=(
            Sign(
                pattern=_signs(r"^[^\s:]+: applet not found$"),
                exit_codes=(127,),
            ),
        ),
    ),
    Fault(
        name="CPU model",
        says="the emulated CPU lacks instructions that the program was built for (x86-64-v2 or "
        "later)",
        cure=f"env={{'QEMU_CPU': 'max'}}, or {_NEWER}",
        source="https://github.com/containers/podman/issues/15456",
        is_certain=True,
        signs=(
            Sign(
                architectures=("amd64", "386"),
                pattern=_signs(
                    r"Fatal glibc error: CPU does not support x86-64-v\d",
                    r"CPU ISA level is lower than required",
                    r"^This program can only be run on AMD64 processors with v\d ",
                ),
            ),
        ),
    ),
    Fault(
        name="stack",
        says="the compiler ran out of QEMU's stack, which no limit raises, or crashed at random",
        cure=f"run it again; env={{'QEMU_STACK_SIZE': '67108864'}}; {_NEWER}",
        source="https://gitlab.com/qemu-project/qemu/-/issues/1895, "
        "https://github.com/docker/buildx/issues/3045",
        is_random=True,
        signs=(
            Sign(
                pattern=_signs(r"\binternal compiler error: Segmentation fault\b"),
            ),
        ),
    ),
    # Rosetta
    Fault(
        name="Rosetta",
        says="Rosetta could not run the program",
        cure="turn Rosetta off in the engine's settings, so that QEMU takes its place, or run the "
        "platform on native hardware",
        source=f"{_MAC}/7475, {_MAC}/7644",
        is_certain=True,
        signs=(
            Sign(
                kinds=_ROSETTA,
                pattern=_signs(
                    r"^(?:rosetta error: |Rosetta is only intended to run on Apple Silicon)"
                ),
            ),
        ),
    ),
    # Nothing more special is known
    Fault(
        name="illegal instruction",
        says="the program came to an instruction that the emulated CPU does not have, or stopped "
        "itself",
        cure=f"env={{'QEMU_CPU': 'max'}}; {_NEWER}; {_NATIVE} tells whose doing it is",
        source="https://github.com/docker/buildx/issues/521",
        is_general=True,
        signs=(
            Sign(
                kinds=_ANY,
                pattern=_signs(r"qemu: uncaught target signal 4 \(", r"^Illegal instruction\b"),
            ),
        ),
    ),
    Fault(
        name="crash under emulation",
        says="the program was killed by a signal; under QEMU that happens at random, to programs "
        "that compile at run time and to those with many threads, but programs crash by themselves "
        "too",
        cure=f"run it again; {_NEWER}; {_NATIVE} tells whose doing it is",
        source=f"{_BINFMT}/245, https://github.com/docker/buildx/issues/1170",
        is_random=True,
        is_general=True,
        signs=(
            Sign(
                kinds=_ANY,
                pattern=_signs(_CRASH),
            ),
            Sign(
                kinds=_ANY,
                exit_codes=_CRASH_CODES,
            ),
        ),
    ),
    Fault(
        name="system call not implemented",
        says="the program asked for a system call that the emulator may lack (pivot_root, keyctl, "
        "memfd seals, copy_file_range, SCTP are known); an engine's seccomp profile says the same",
        cure=f"{_NEWER}; {_NATIVE} tells whose doing it is",
        source="https://github.com/moby/qemu/issues/4",
        is_general=True,
        signs=(
            Sign(
                kinds=_ANY,
                pattern=_signs(_LACKS),
            ),
        ),
    ),
)
"""The table; of general faults the first that fits counts."""
