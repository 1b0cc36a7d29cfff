"""The work of `parallel.py`: the same one-shot run over and over, on one platform."""

import os

import pytest

TESTS = int(os.environ["BENCHMARK_TESTS"])
COMMANDS = {
    "nothing": (),
    "short": ("app", "args", "x"),
    "computing": ("sh", "-c", "head -c 16000000 /dev/zero | sha256sum"),
}
COMMAND = COMMANDS[os.environ["BENCHMARK_WORK"]]
pytestmark = [
    pytest.mark.image(os.environ["BENCHMARK_IMAGE"]),
    pytest.mark.platforms(os.environ["BENCHMARK_PLATFORM"]),
]


@pytest.mark.parametrize("number", range(TESTS))
def test_run(variant, number):  # noqa: ARG001 (the tests differ in nothing else)
    assert not COMMAND or variant.run(*COMMAND).exit_code == 0
