"""What a case of the corpus is: one program, one call, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BASELINE = "linux/amd64"
PLATFORMS = (
    BASELINE,
    "linux/386",
    "linux/arm64",
    "linux/arm/v7",
    "linux/ppc64le",
    "linux/riscv64",
    "linux/s390x",
)

Truth = Literal["differs", "noisy", "emulator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A call whose verdict is known.

    `differs`: the variants truly behave differently, on `platforms_off`, and on no other.
    `noisy`: every platform does the same, and its output varies from run to run.
    `emulator`: the variants would do the same natively; QEMU makes `platforms_off` differ, and
    makes the baseline's own program differ in the same way.

    `argv` is run in the image `image`: `programs` holds what is compiled from `FOLDER/NAME.c`, as
    `/bin/NAME`; `tools` holds Debian's programs. With `asserts` the test also asserts exit code 0,
    as most people write it. `via` is how the test calls it: `run` in a fresh container, `exec` in a
    running one. `platforms` are those that the case is run on, the baseline first.
    """

    name: str
    truth: Truth
    why: str
    argv: tuple[str, ...]
    platforms_off: tuple[str, ...] = ()
    platforms: tuple[str, ...] = PLATFORMS
    image: Literal["programs", "tools"] = "programs"
    env: tuple[tuple[str, str], ...] = ()
    stdin: str = ""
    via: Literal["run", "exec"] = "run"
    asserts: bool = False
