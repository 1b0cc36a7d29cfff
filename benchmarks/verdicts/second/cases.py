"""The second set: written without a look at what judges it, nor at the first set's cases."""

from __future__ import annotations

from typing import Any

from benchmarks.verdicts.case import PLATFORMS, Case

AMD64, I386, ARM64, ARM, PPC64LE, RISCV64, S390X = PLATFORMS
BITS_32 = (I386, ARM)
NOT_X86 = (ARM64, ARM, PPC64LE, RISCV64, S390X)
NOT_ARM = tuple(platform for platform in PLATFORMS if platform != ARM)
DEFINED = (AMD64, I386, ARM64, ARM, RISCV64)
"""Where the result of an integer division by zero, or its signal, is the processor's own."""

CHECKS = {
    "differs": "seen by plain docker run or exec on these platforms and on no other",
    "noisy": "not the same from run to run on amd64, and no code depends on the platform",
    "emulator": "386 does as amd64 does, and qemu-x86_64 7.2.22 does the same with amd64's program",
}


def call(truth: Any, program: str, name: str, why: str, **more: Any) -> Case:
    """Return a case of a compiled program, or of Debian's with `argv`."""
    more.setdefault("argv", (f"/bin/{program}", name))
    more["image"] = "tools" if program == "tools" else "programs"
    return Case(name=f"{program}_{name}", truth=truth, why=f"{why}; {CHECKS[truth]}", **more)


def differs(program: str, name: str, off: tuple[str, ...], why: str, **more: Any) -> Case:
    """Return a case whose variants truly differ."""
    return call("differs", program, name, why, platforms_off=off, **more)


def noisy(name: str, why: str, program: str = "vary", **more: Any) -> Case:
    """Return a case that varies by itself."""
    return call("noisy", program, name, why, **more)


def emulator(name: str, why: str, program: str = "host", **more: Any) -> Case:
    """Return a case that QEMU alone makes differ."""
    return call("emulator", program, name, why, **{"platforms_off": NOT_X86, **more})


DIFFERS = (
    differs("numbers", "saturate", NOT_X86,
            "a float too large for int: x86 gives its indefinite value, others the greatest"),
    differs("numbers", "wrap", (ARM64, ARM, PPC64LE, RISCV64),
            "a negative float to unsigned: x86 and s390x wrap, others give 0"),
    differs("numbers", "divide", (ARM64, ARM, RISCV64),
            "x86 traps an integer division by zero, arm gives 0 and riscv -1", platforms=DEFINED),
    differs("numbers", "overflow", (ARM64, ARM, RISCV64, S390X),
            "x86 traps INT_MIN / -1, others give INT_MIN; ppc64le leaves it undefined",
            platforms=(*DEFINED, S390X), via="exec", asserts=True),
    differs("numbers", "shift", (ARM, PPC64LE, S390X),
            "a shift by 32: the count is taken modulo 32 by some, modulo 64 or 256 by others"),
    differs("numbers", "residue", (ARM64, PPC64LE, RISCV64, S390X),
            "the compiler fuses multiply and add where the baseline has it"),
    differs("numbers", "notanumber", NOT_X86, "the NaN that x86 makes of 0/0 has its sign set"),
    differs("numbers", "precise", (ARM64, ARM, PPC64LE, RISCV64, S390X),
            "long double has 64, 113 or 53 bits; on 386 the same as on amd64"),
    differs("numbers", "wide", (ARM64, ARM), "wchar_t is unsigned on both arms"),
    differs("numbers", "parse", BITS_32, "strtol stops at LONG_MAX of 32 bits", asserts=True),
    differs("numbers", "timeout", BITS_32,
            "microseconds overflow unsigned long, and look like another duration"),
    differs("numbers", "expires", BITS_32, "a date kept in long is cut to 32 bits: 1963, not 2100"),
    differs("numbers", "percent", BITS_32, "done * 100 / all overflows long: 3%, not 75%"),
    differs("numbers", "record", (I386,), "double is aligned to 4 bytes in a struct on 386 alone"),
    differs("numbers", "events", (ARM64, ARM, PPC64LE, RISCV64, S390X),
            "struct epoll_event is packed on amd64, and has no padding on 386"),
    differs("numbers", "jump", (I386, *NOT_X86), "jmp_buf holds each processor's own registers"),
    differs("numbers", "offset", (I386,), "struct stat has another layout on 386"),
    differs("numbers", "buckets", BITS_32,
            "a hash in size_t: another order of lines, the same in each run", via="exec"),
    differs("numbers", "accents", NOT_X86,
            "names compared as char, which is unsigned: another order of words in a line"),
    differs("numbers", "flags", (S390X,), "bit fields are laid out from the other end"),
    differs("wire", "etag", (S390X,),
            "a hash over words of memory: a hex token that depends on byte order alone"),
    differs("wire", "uuid", (S390X,), "a UUID made of names depends on byte order alone"),
    differs("wire", "port", (S390X,), "htons forgotten: a port that is right on s390x alone"),
    differs("wire", "address", (S390X,), "htonl forgotten: an address back to front"),
    differs("wire", "session", (S390X,), "a struct as it lies in memory, in base64"),
    differs("wire", "magic", (S390X,), "four bytes of binary output in the machine's order"),
    differs("wire", "pointer", (S390X,), "the low byte of a pointer is not its first"),
    differs("wire", "directory", (ARM64, ARM, PPC64LE),
            "O_DIRECTORY and O_NOFOLLOW have other values"),
    differs("wire", "window", (PPC64LE,), "TIOCGWINSZ is encoded with size and direction"),
    differs("wire", "deadlock", (PPC64LE,), "EDEADLOCK is 58 there, and EDEADLK elsewhere"),
    differs("wire", "speed", (PPC64LE,), "B115200 has another value"),
    differs("wire", "altstack", (ARM64, PPC64LE, S390X),
            "SIGSTKSZ grows with the state a signal saves"),
    differs("wire", "number", (I386, *NOT_X86), "each architecture numbers its system calls"),
    differs("agent", "built", (S390X,), "an old build: another time stamp, the same in each run"),
    differs("agent", "region", (RISCV64,), "another address, the same in each run"),
    differs("agent", "elapsed", (ARM,), "another duration, the same in each run"),
    differs("agent", "race", (ARM64,), "updates are lost for want of a lock"),
    differs("agent", "loglevel", (ARM,), "ERROR for INFO in a line with a new time in each run"),
    differs("agent", "clocked", BITS_32, "milliseconds overflow long: the clock is in 1970"),
    differs("agent", "token", BITS_32, "a random token of half the length, sized by long"),
    differs("agent", "plugins", (PPC64LE,), "one of several lines in random order is missing"),
    differs("agent", "latency", (S390X,), "a random duration is negative"),
    differs("agent", "quiet", (RISCV64,), "the exit code alone is another"),
    differs("agent", "warning", (PPC64LE,), "one line on stderr", via="exec"),
    differs("agent", "lines", (I386,), "lines end in CR LF"),
    differs("agent", "crash", (ARM64,), "aborts after the first line", via="exec", asserts=True),
    differs("agent", "attempts", (RISCV64,), "one try more before it gives up"),
    differs("agent", "unit", (ARM,), "a random duration in s, not in ms"),
    differs("agent", "keys", (S390X,), "a string for a boolean in JSON with keys in random order"),
    differs("agent", "version", (PPC64LE,), "an older engine, beside a random request"),
    differs("agent", "sometimes", (RISCV64,), "fails in 15 of 16 runs, each with a new number"),
    differs("agent", "truncated", (I386,), "text cut short after a random id"),
    differs("agent", "zone", (S390X,), "another zone after the present time"),
    differs("tools", "perl_sum", (I386,), "perl on x87 rounds twice: 64 bits, then 53",
            argv=("perl", "-e", r'printf "%.17g\n", 1e16 + 2.9999')),
    differs("tools", "perl_pack", (I386, ARM, S390X), "pack writes a native long and short",
            argv=("perl", "-e", r'print unpack("H*", pack("L!S", 1, 2)), "\n"')),
    differs("tools", "mawk_integer", (RISCV64,),
            "that release's mawk no longer stops at 2^31 in %d and %x",
            argv=("mawk", r'BEGIN { printf "%d %x\n", 2147483648, 2^40 }')),
    differs("tools", "mawk_log", NOT_X86, "the sign of the NaN of log(-1), printed by mawk",
            argv=("mawk", "BEGIN { print log(-1) }")),
    differs("tools", "lua_date", BITS_32, "time_t of 32 bits in lua: out of bounds", asserts=True,
            argv=("lua", "-e", 'print(os.date("!%F", 2^33))')),
    differs("tools", "lua_pack", (I386, ARM, S390X), "the size of long and the order of bytes",
            argv=("lua", "-e", 'print(string.packsize("l"), string.pack("I2", 258):byte())')),
    differs("tools", "jq_literal", (RISCV64,), "jq 1.7 keeps the literals of numbers, 1.6 did not",
            platforms=NOT_ARM, argv=("jq", "-c", "-n", "[1.000, 100000000000000000001]")),
    differs("tools", "jq_zero", (RISCV64,), "jq 1.7 refuses 0/0 that 1.6 folds to null",
            platforms=NOT_ARM, argv=("jq", "-n", "0/0 | tostring")),
    differs("tools", "sqlite_concat", (RISCV64,), "sqlite 3.46 has concat(), 3.40 has not",
            argv=("sqlite3", ":memory:", "select concat('a', 'b')")),
    differs("tools", "sqlite_json", (ARM64, PPC64LE, RISCV64, S390X),
            "sqlite prints the last digits by long double",
            argv=("sqlite3", "-json", ":memory:", "select 0.1 + 0.2 as sum")),
    differs("tools", "od_long", (I386, ARM, S390X), "od reads native longs",
            argv=("od", "-An", "-tdL", "-N8", "/etc/passwd")),
    differs("tools", "date_zone", (PPC64LE,), "no time zones installed, beside the present time",
            env=(("TZ", "Asia/Kolkata"),), argv=("date", "+%H:%M:%S.%N %z")),
)  # fmt: skip

NOISY = (
    noisy("clocks", "the time in eight formats"),
    noisy("twelve", "weekday, month by name and a clock of twelve hours"),
    noisy("http", "headers with Date, cookie, request id and run time"),
    noisy("durations", "durations with units in six formats"),
    noisy("forks", "process ids of children", via="exec"),
    noisy("ports", "two ports chosen by the kernel"),
    noisy("temporary", "the name of a temporary file"),
    noisy("uuids", "a random UUID"),
    noisy("commits", "a short and a long digest"),
    noisy("jwt", "a signed token in base64url"),
    noisy("order", "lines in random order"),
    noisy("sentence", "words of one line in random order"),
    noisy("object", "keys of a JSON object in random order"),
    noisy("pythonset", "a set printed as Python does, in random order"),
    noisy("table", "random numbers, and columns as wide as they need"),
    noisy("retries", "no to five lines of failed tries"),
    noisy("progress", "a progress bar with carriage returns, random steps and speeds"),
    noisy("trace", "addresses of mapped memory in a stack trace", via="exec"),
    noisy("threads", "lines of four threads interleaved"),
    noisy("letters", "twenty random letters, a or b"),
    noisy("logs", "log lines with time, thread and counts"),
    noisy("inode", "inode and time of a new file"),
    noisy("usage", "memory, disk and load"),
    noisy("losses", "random floats and percentages"),
    noisy("scientific", "floats with exponents, some negative"),
    noisy("addresses", "MAC, IPv4 and IPv6 addresses"),
    noisy("caches", "lines that are there or not"),
    noisy("junit", "times and host name in attributes of XML"),
    noisy("download", "sizes and rates with units, plain counts"),
    noisy("raw", "random bytes, not text"),
    noisy("metrics", "counters of Prometheus"),
    noisy("choice", "one of eight sentences"),
    noisy("histogram", "bars of random length"),
    noisy("toml", "a seed, a time and a name of random words"),
    noisy("split", "names dealt to a random number of shards"),
    noisy("spread", "columns apart by a random number of spaces", via="exec"),
    noisy("dd", "duration and rate on stderr", "tools",
          argv=("dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=300")),
    noisy("perl_keys", "keys of a hash with a random seed", "tools",
          argv=("perl", "-e", r'%h = map { $_ => 1 } "a".."h"; print join(" ", keys %h), "\n"')),
    noisy("mktemp", "a name that is free", "tools", argv=("mktemp", "-u", "/tmp/job.XXXXXXXX")),
    noisy("sqlite_random", "random bytes in hex and a random integer", "tools",
          argv=("sqlite3", ":memory:", "select hex(randomblob(8)), random()")),
    noisy("shuf", "numbers in random order", "tools", argv=("shuf", "-i", "1-9")),
    noisy("lua_table", "addresses of a table and of a function", "tools",
          argv=("lua", "-e", "print({}, function() end)")),
    noisy("uptime", "two numbers of the kernel", "tools", argv=("cat", "/proc/uptime")),
    noisy("rfc_date", "the time, with nanoseconds and in words", "tools",
          argv=("date", "+%a, %d %b %Y %T.%N, day %j, week %V")),
    noisy("mawk_random", "a random number", "tools", argv=("mawk", "BEGIN { print rand() }")),
    noisy("jq_now", "the time as a float", "tools", platforms=NOT_ARM, argv=("jq", "-n", "now")),
)  # fmt: skip

EMULATOR = (
    emulator("vdso", "no AT_SYSINFO_EHDR in the auxiliary vector"),
    emulator("openbeneath", "openat2 is not known"),
    emulator("waitv", "futex_waitv is not known"),
    emulator("landlock", "landlock_create_ruleset is not known"),
    emulator("preads", "preadv2 is not known", asserts=True),
    emulator("sandbox", "prctl refuses all of seccomp"),
    emulator("traceme", "ptrace is not known", via="exec"),
    emulator("vforked", "vfork is fork: the child's write to memory is lost"),
    emulator("limit", "RLIMIT_AS is taken and not set"),
    emulator("tasks", "QEMU has a thread of its own in /proc/self/task"),
    emulator("executable", "exe of the thread in /proc is QEMU"),
    emulator("child", "QEMU says on stderr that a child was aborted; not on riscv64",
             platforms=(AMD64, I386, ARM64, ARM, PPC64LE, S390X),
             platforms_off=(ARM64, ARM, PPC64LE, S390X)),
    emulator("netlink", "sockets of NETLINK_GENERIC are refused"),
    emulator("cookie", "getsockopt does not know SO_COOKIE"),
    emulator("pacing", "setsockopt does not know SO_MAX_PACING_RATE"),
    emulator("robust", "get_robust_list is not known, hence no robust locks"),
    emulator("executeat", "execveat is not known"),
    emulator("hint", "fcntl does not know F_SET_RW_HINT"),
    emulator("resident", "VmSize is QEMU's, and above a limit", via="exec"),
    emulator("wipe", "MADV_WIPEONFORK is taken and not done"),
    emulator("restart", "rseq is not known"),
    emulator("locked", "mlock2 is not known"),
    emulator("awk_threads", "QEMU's threads are counted in /proc/self/status", "tools",
             argv=("awk", "/^Threads/", "/proc/self/status")),
    emulator("perl_exe", "perl is not the program of its own thread", "tools",
             argv=("perl", "-e",
                   r'print readlink("/proc/self/task/$$/exe") =~ /perl/ ? "perl\n" : "other\n"')),
    emulator("dash_ulimit", "ulimit -v is taken and not set", "tools",
             argv=("sh", "-c", "ulimit -v 4000000; ulimit -v")),
)  # fmt: skip

CASES = (*DIFFERS, *NOISY, *EMULATOR)

STEADY = {
    "agent_loglevel": r"(INFO|ERROR)",
    "agent_clocked": r"\[(\d{3})",
    "agent_token": r"(?m)^(token )[0-9a-f]{8}$",
    "agent_plugins": r"(?m)^(loaded zinc)$",
    "agent_latency": r"p99 (-?)",
    "agent_unit": r" (m?s)\n",
    "agent_keys": r'"ok":("?true"?)',
    "agent_version": r"engine (\S+)",
    "agent_sometimes": r"(done|error)",
    "agent_truncated": r"body (.*)",
    "agent_zone": r"([+-]\d\d:\d\d) up",
    "tools_date_zone": r" ([+-]\d{4})",
}
"""What of an output is looked at, where the rest varies."""
