"""A run that shows a crash of the emulator which comes and goes is made once more."""

from __future__ import annotations

import pytest

from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.run.calls import CallSeen
from pytest_multiarch.run.variant import Variant
from tests.fake_engine import AMD64, Ending, FakeEngine, FakeImage, make_variant

QEMU = Execution(kind=ExecutionKind.QEMU, version="7.2.22")


SAYS = b"qemu: QEMU internal SIGSEGV {code=MAPERR, addr=0x20}\n"


class Seen:
    """Takes calls down."""

    def __init__(self) -> None:
        self.calls: list[CallSeen] = []

    def record_call(self, seen: CallSeen) -> None:
        self.calls.append(seen)


@pytest.mark.parametrize(
    ("endings", "code"),
    [
        ([Ending(err=SAYS, exit_code=139), Ending(out=b"ok\n")], 0),
        ([Ending(err=SAYS, exit_code=139)] * 2, 139),
    ],
    ids=["passes", "crashes again"],
)
def test_a_crash_that_comes_and_goes_is_made_once_more(endings: list[Ending], code: int) -> None:
    engine, seen = FakeEngine(), Seen()
    native = make_variant(engine, FakeImage(platform=AMD64, commands=Script(endings)))
    variant = Variant(native.node, native.resolved, QEMU, recorder=seen)
    assert variant.run("app").exit_code == code
    (call,) = seen.calls
    assert [each.name for each in call.crashes] == ["QEMU assertion"]
    assert engine.calls.count("create_container") == 2


def test_a_native_crash_is_not() -> None:
    engine, seen = FakeEngine(), Seen()
    image = FakeImage(platform=AMD64, commands={"app": Ending(err=SAYS, exit_code=139)})
    native = make_variant(engine, image)
    variant = Variant(native.node, native.resolved, native.execution, recorder=seen)
    assert variant.run("app").exit_code == 139
    assert seen.calls[0].crashes == ()
    assert engine.calls.count("create_container") == 1


class Script(dict[str, Ending]):
    """Has each start end in its own way."""

    def __init__(self, endings: list[Ending]) -> None:
        super().__init__()
        self._endings = list(endings)

    def get(self, words: str, default: Ending | None = None) -> Ending:  # type: ignore[override]
        """Give the next ending."""
        del words, default
        return self._endings.pop(0)
