"""The first set: written with the normalizers at hand."""

from __future__ import annotations

from typing import Any

from benchmarks.verdicts.case import PLATFORMS, Case
from benchmarks.verdicts.plain import EMULATOR

AMD64, I386, ARM64, ARM, PPC64LE, RISCV64, S390X = PLATFORMS
BITS_32 = (I386, ARM)
NOT_X86 = (ARM64, ARM, PPC64LE, RISCV64, S390X)
NOT_AMD64 = (I386, *NOT_X86)
PRAGMA = "PRAGMA encoding"

SEEN = (
    " Checked with plain docker, three runs each: constant everywhere, other than on amd64 on these"
    " platforms alone."
)
CONTROLLED = (
    " Checked with plain docker: constant in three runs each, 386 (native) as amd64, and amd64's"
    " own program under qemu-x86_64 prints what the emulated platforms do."
)
VARIES = " Checked with plain docker: five runs on amd64 are not all the same."


def name_program(name: str, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return the call of a compiled program."""
    return (f"/bin/{name}", *arguments)


def differ(
    name: str, off: tuple[str, ...], why: str, *arguments: str, checked: str = SEEN, **more: Any
) -> Case:
    """Return a case of variants that truly differ."""
    argv = more.pop("argv", name_program(name, arguments))
    return Case(name=name, truth="differs", platforms_off=off, why=why + checked, argv=argv, **more)


def vary(name: str, why: str, *arguments: str, **more: Any) -> Case:
    """Return a case of a program that varies by itself."""
    argv = more.pop("argv", name_program(name, arguments))
    return Case(name=name, truth="noisy", why=why + VARIES, argv=argv, **more)


def emulate(
    name: str, why: str, *, off: tuple[str, ...] = NOT_X86, checked: str = CONTROLLED, **more: Any
) -> Case:
    """Return a case that only QEMU makes differ."""
    argv = more.pop("argv", name_program(name, ()))
    return Case(
        name=name, truth="emulator", platforms_off=off, why=why + checked, argv=argv, **more
    )


DIFFERING = (
    differ("char_sign", NOT_X86, "`char` is unsigned by the ABIs of all but x86."),
    differ("float_to_int", NOT_X86, "x86's conversion gives INT_MIN for what is too great, others"
           " saturate."),
    differ("nan_to_int", (ARM64, ARM, RISCV64), "NaN becomes 0 on arm, INT_MAX on riscv, INT_MIN"
           " elsewhere."),
    differ("fma", (ARM64, PPC64LE, RISCV64, S390X), "The compiler contracts to fused multiply-add"
           " where the base instruction set has it."),
    differ("long_double", NOT_X86, "80 bits on x86, 128 in three ABIs, 64 on arm and in musl's"
           " ppc64le."),
    differ("struct_padding", (I386,), "A double in a struct is aligned to 4 on i386."),
    differ("word_size", BITS_32, "A hash in a long is cut off on 32 bits."),
    differ("byte_order", (S390X,), "s390x is big-endian."),
    differ("divide_by_zero", (ARM64, ARM, PPC64LE, RISCV64), "Division by zero traps on x86 and"
           " s390x, and nowhere else."),
    differ("shift", (ARM, PPC64LE, S390X), "Shifts take 5, 6 or 8 bits of their count."),
    differ("page_alignment", (ARM64, ARM, PPC64LE), "Linked for pages of 64 KiB there."),
    differ("errno_number", (PPC64LE,), "EDEADLOCK has a number of its own on powerpc."),
    differ("open_flags", (ARM64, ARM, PPC64LE), "O_DIRECTORY and O_NOFOLLOW are other bits."),
    differ("terminal_requests", (PPC64LE,), "ioctl numbers are other ones on powerpc."),
    differ("syscall_number", NOT_AMD64, "Each architecture numbers its system calls."),
    differ("torn", BITS_32, "A 64-bit access is two instructions on 32 bits: a race that shows in a"
           " fraction of the 3 s it looks for it.", via="exec"),
    differ("lost_updates", (ARM64,), "A race on one platform only: constant on the baseline,"
           " varying there.", checked=" Checked with plain docker, three runs each: 200"
           " everywhere, and another number each time on arm64."),
    differ("shuffled_once", (RISCV64,), "An order that is random on one platform only.",
           checked=" Checked with plain docker: three runs are the same everywhere,"
           " and have other orders on riscv64."),
    differ("crash", (S390X,), "A null pointer on one platform; QEMU says that the signal was not"
           " caught, as it does for every crash.", asserts=True),
    differ("release_date", (ARM64,), "A fixed date that looks like a timestamp."),
    differ("fixed_address", (ARM,), "A fixed number that looks like an address."),
    differ("fixed_id", (PPC64LE,), "A fixed id that looks like a random one."),
    differ("default_timeout", BITS_32, "A fixed number that looks like a duration."),
    differ("default_port", (S390X,), "A fixed port that looks like an ephemeral one."),
    differ("nan_sign", NOT_X86, "x86 makes 0/0 a negative NaN, others a positive one.", via="exec"),
    differ("va_list", (I386, ARM64, ARM, PPC64LE, RISCV64), "va_list is an array on amd64 and"
           " s390x, and so goes by reference; elsewhere a copy is handed on."),
    differ("zero_bitfield", (ARM64, ARM), "An unnamed bit-field of no width aligns its struct by"
           " arm's ABIs alone."),
    differ("wide_char_sign", (ARM64, ARM), "wchar_t is unsigned by arm's ABIs."),
    differ("lock_free", (ARM64, PPC64LE, S390X), "16-byte atomics are in some base instruction"
           " sets."),
    differ("unaligned_atomic", NOT_X86, "An atomic access that is not aligned faults on all but"
           " x86.", asserts=True),
    differ("max_align", (I386, ARM, PPC64LE, S390X), "max_align_t: the alignment of long double."),
    differ("stat_size", (ARM64, ARM, RISCV64), "struct stat differs by platform."),
    differ("overlapping_copy", (RISCV64, S390X), "musl's memcpy differs by platform, which shows"
           " where it is misused."),
    differ("microseconds", BITS_32, "A time in microseconds overflows a long of 32 bits."),
    differ("option_loop", NOT_X86, "-1 never comes out of an unsigned char.", asserts=True),
    differ("large_files", BITS_32, "A warning on stderr, on 32 bits only."),
    differ("log_and_total", NOT_X86, "char again, in one number of a log that varies.",
           checked=" Checked with plain docker: `level` is -56 on x86 and 200 elsewhere in each of"
           " three runs."),
    differ("session_token", BITS_32, "A random token of half the length.",
           checked=" Checked with plain docker: 16 digits, 8 on 32 bits, in each of three runs."),
    differ("missing_line", (S390X,), "A line is missing among varying ones.",
           checked=" Checked with plain docker: two lines on s390x and three elsewhere, in each of"
           " three runs."),
    differ("sandboxed_checksum", NOT_X86, "char, beside a line that QEMU changes: a part of the"
           " difference is the image's.", checked=" Checked with plain docker: the checksums are"
           " of a signed and an unsigned char; amd64's program under qemu-x86_64 prints x86's."),
    differ("perl_byte_order", (S390X,), "perl packs in the machine's order.", image="tools",
           argv=("perl", "-e", 'print unpack("H*", pack("S", 258)), "\\n"')),
    differ("perl_long", BITS_32, "perl packs longs of the machine.", image="tools",
           argv=("perl", "-e", 'print length pack("L!", 0), "\\n"')),
    differ("lua_nan", NOT_X86, "0/0 has another sign.", image="tools",
           argv=("lua", "-e", "print(0/0)")),
    differ("lua_release", (RISCV64,), "Debian bookworm has no riscv64: that variant is of trixie.",
           image="tools", argv=("lua", "-v")),
    differ("jq_big_number", (RISCV64,), "jq 1.7 keeps the digits of a number, 1.6 did not.",
           image="tools", argv=("jq", "-c", ".[0]"), stdin="[100000000000000000001]",
           platforms=(AMD64, I386, ARM64, PPC64LE, RISCV64, S390X)),
    differ("jq_absent", (ARM,), "The variant lacks the program.", image="tools", asserts=True,
           argv=("sh", "-c", "jq -n 1+1"), checked=" Checked with plain docker, three runs each:"
           " exit code 127 on that platform alone."),
    differ("awk_logarithm", NOT_X86, "The C library's log(-1) has another sign, and mawk's releases"
           " spell it differently.", image="tools", argv=("awk", "BEGIN { print log(-1) }")),
    differ("sqlite_encoding", (S390X,), "UTF-16 in the machine's byte order.", image="tools",
           argv=("sqlite3", ":memory:", f"{PRAGMA}='UTF-16'; CREATE TABLE t(x); {PRAGMA};")),
    differ("date_zone", (PPC64LE,), "The variant lacks tzdata.", image="tools",
           argv=("date", "-d", "@1700000000"), env=(("TZ", "Europe/Berlin"),)),
    differ("settings", (RISCV64,), "A file of settings differs.", image="tools", via="exec",
           argv=("cat", "/etc/app.json")),
)  # fmt: skip

NOISY = (
    vary("wall_clock", "The time of day."),
    vary("epoch", "Nanoseconds since 1970 in JSON."),
    vary("worker_pid", "A process id.", via="exec"),
    vary("free_port", "A port that the system chooses."),
    vary("thread_order", "Lines in the order in which threads finish."),
    vary("interleaving", "Two threads' lines, mixed."),
    vary("random_token", "32 random hexadecimal digits."),
    vary("nonce", "Random base64."),
    vary("temporary_name", "A random name of a file."),
    vary("uuid", "A random UUID."),
    vary("duration", "A measured time."),
    vary("rate", "A measured rate, with no unit of time."),
    vary("heap_address", "Addresses; QEMU lays memory out differently, and does not shuffle all of"
         " it.", platforms=(AMD64, ARM64, PPC64LE, RISCV64, S390X)),
    vary("progress", "A line that comes a random number of times."),
    vary("retries", "A random number of attempts, on stderr."),
    vary("request_log", "Log lines with a time, an id, a worker and a duration.", via="exec"),
    vary("exit_code", "A random exit code."),
    vary("container_name", "Random words."),
    vary("key_order", "Keys of JSON in random order."),
    vary("sampling", "An estimate by random samples."),
    vary("spinner", "A redrawn line on stderr."),
    vary("own_name", "The platform's own name, and a random number."),
    vary("uptime", "The machine's uptime and load."),
    vary("inode", "A file's inode and change time."),
    vary("winner", "Which of three threads is first."),
    vary("histogram", "Bars of random length."),
    vary("binary_salt", "Random bytes in a binary output."),
    vary("date", "Debian's date.", image="tools", argv=("date",)),
    vary("mktemp", "Debian's mktemp.", image="tools", argv=("mktemp", "-d")),
    vary("shuf", "Debian's shuf.", image="tools", argv=("shuf", "-i", "1-20")),
    vary("perl_hash_order", "perl's order of keys.", image="tools",
         argv=("perl", "-e", 'my %h = map { $_ => 1 } "a".."h"; print join(",", keys %h), "\\n"')),
    vary("perl_clock", "perl's own time, and how long it ran.", image="tools", via="exec",
         argv=("perl", "-e", 'printf "%s took %.3f s\\n", scalar localtime, rand')),
    vary("lua_address", "lua's name of a table.", image="tools",
         argv=("lua", "-e", "print({})"), platforms=(AMD64, ARM64, PPC64LE, RISCV64, S390X)),
    vary("sqlite_random", "sqlite's random numbers and its time.", image="tools",
         argv=("sqlite3", ":memory:", "select random(), hex(randomblob(6)), datetime('now');")),
    vary("awk_random", "mawk's random numbers.", image="tools",
         argv=("awk", "BEGIN { srand(); for (i = 0; i < 3; i++) print rand() }")),
    vary("jq_now", "jq's clock.", image="tools", argv=("jq", "-n", "{at: now, ok: true}"),
         platforms=(AMD64, I386, ARM64, PPC64LE, RISCV64, S390X)),
)  # fmt: skip

EMULATED = (
    emulate("trace", "ptrace is not implemented in QEMU's user mode.", asserts=True),
    emulate("seccomp", "Nor are seccomp's filters.", asserts=True),
    emulate("robust_list", "Nor are lists of robust futexes."),
    emulate("restartable", "Nor are restartable sequences."),
    emulate("vfork_memory", "vfork is a fork."),
    emulate("thread_count", "QEMU has a thread of its own.", via="exec"),
    emulate("self_status", "/proc/self/status is the emulator's."),
    emulate("self_stat", "/proc/self/stat is made up, with zeros."),
    emulate("memory_limit", "RLIMIT_AS is not handed on."),
    emulate("last_signal", "QEMU keeps real-time signals for itself.", asserts=True),
    emulate("child_command", "The command line of another process is that of QEMU."),
    emulate("process_vm", "process_vm_readv is not implemented."),
    emulate("open_how", "Nor is openat2."),
    emulate("io_ring", "Nor is io_uring; Docker's own filter forbids it natively, by another"
            " error."),
    emulate("performance_counter", "Nor is perf_event_open; forbidden natively."),
    emulate("keyring", "Nor is add_key; forbidden natively."),
    emulate("tight_loop", "Indirect calls are slow: 32 ms of processor time against 135 to 180, and"
            " the program's own limit is 70."),
    emulate("segfault", "A crash that all have. QEMU adds a line to stderr, and as the first"
            " process of a container it never ends.", off=(ARM64, S390X),
            platforms=(AMD64, I386, ARM64, S390X)),
    emulate("mapped_twice", "MAP_FIXED_NOREPLACE is not known to QEMU 7."),
    emulate("wipe_on_fork", "MADV_WIPEONFORK is ignored by QEMU 7."),
    emulate("dated_threads", "The thread again, beside the time.", checked=" Checked with plain"
            " docker: one thread on x86, two elsewhere and under qemu-x86_64, in three runs each."),
    emulate("env_order", "QEMU 7 hands the environment on in reverse.", image="tools",
            argv=("env", "-u", "HOSTNAME"), env=(("ALPHA", "1"),)),
    emulate("perl_threads", "The number of threads in /proc/self/stat.", image="tools",
            argv=("perl", "-e", 'open F, "/proc/self/stat"; print((split / /, <F>)[19], "\\n")')),
    emulate("shell_env_order", "The environment again, of a program that a shell starts: a control"
            " run of the first process alone does not show it.", image="tools",
            argv=("sh", "-c", "env -u HOSTNAME -u PWD; true"), env=(("ALPHA", "1"),),
            checked=CONTROLLED.rstrip(".") + ", where the shell starts it under QEMU too."),
)  # fmt: skip

CASES: tuple[Case, ...] = (*DIFFERING, *NOISY, *EMULATED)

STEADY = {
    "log_and_total": r"(started|level|stopped).* (-?\d+)\n",
    "session_token": r"[0-9a-f]{16}()",
    "missing_line": r"(?m)^\w+:",
    "dated_threads": r"status.*",
}
"""Of cases that vary beside the truth: the part of stdout that does not, as a pattern."""

CONTROLS = {
    "shell_env_order": ("sh", "-c", f"{EMULATOR} /usr/bin/env -u HOSTNAME -u PWD; true"),
}
"""What a control run calls where the program that QEMU changes is not the first one."""
