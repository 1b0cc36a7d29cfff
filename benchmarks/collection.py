"""What the plugin costs where nothing is run in containers, as ratios to plain pytest.

    python benchmarks/collection.py [--tests 2000] [--rounds 5]

Four suites of N tests, run in interleaved rounds in processes of their own. Processor time is
measured, and of each the best counts, since noise only adds:

- `plain`: tests that the plugin has nothing to do with, it being installed or not;
- `parametrize`: each test on four values with `@pytest.mark.parametrize`, without the plugin;
- `platforms`: each test on four platforms, nothing observed;
- `observed`: the same with a fixture and three observations in each test.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

PLUGIN = ("-p", "pytest_multiarch.plugin.entry")
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/386", "linux/s390x")
HEADS = {
    "plain": "",
    "parametrize": f"pytestmark = pytest.mark.parametrize('value', {PLATFORMS})\n",
    "platforms": f"pytestmark = pytest.mark.platforms(*{PLATFORMS})\n",
    "observed": f"pytestmark = pytest.mark.platforms(*{PLATFORMS})\n"
    "@pytest.fixture\ndef thing(platform): return platform\n",
}
TESTS = {
    "plain": "def test_{n}(): pass\n",
    "parametrize": "def test_{n}(value): pass\n",
    "platforms": "def test_{n}(platform): pass\n",
    "observed": "def test_{n}(thing, parity):\n"
    "    parity.check('a', {n})\n    parity.check('b', 'text' * 250)\n    parity.check('c', [1])\n",
}
CASES = {
    "plain, without plugin": ("plain", ()),
    "plain, with plugin": ("plain", PLUGIN),
    "parametrize, without plugin": ("parametrize", ()),
    "platforms, nothing observed": ("platforms", PLUGIN),
    "platforms, 3 observations": ("observed", PLUGIN),
}
RATIOS = (
    ("plain, with plugin", "plain, without plugin"),
    ("platforms, nothing observed", "parametrize, without plugin"),
    ("platforms, 3 observations", "parametrize, without plugin"),
)


def write_suite(folder: Path, kind: str, tests: int) -> None:
    """Write N tests, 50 to a file."""
    folder.mkdir()
    for first in range(0, tests, 50):
        body = "".join(TESTS[kind].format(n=n) for n in range(first, min(first + 50, tests)))
        text = f"import pytest\n{HEADS[kind]}{body}"
        (folder / f"test_{first:05}.py").write_text(text)


def measure(folder: Path, options: tuple[str, ...]) -> float:
    """Give the seconds of processor time that a run takes."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "."]
    environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    before = _read_clock()
    subprocess.run(command, cwd=folder, env=environ, check=True, stdout=subprocess.DEVNULL)
    return _read_clock() - before


def _read_clock() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    best = dict.fromkeys(CASES, float("inf"))
    collected = dict.fromkeys(CASES, float("inf"))
    with tempfile.TemporaryDirectory() as temporary:
        for kind in HEADS:
            write_suite(Path(temporary) / kind, kind, options.tests)
        for _ in range(options.rounds):
            for name, (kind, flags) in CASES.items():
                folder = Path(temporary) / kind
                best[name] = min(best[name], measure(folder, flags))
                collected[name] = min(collected[name], measure(folder, (*flags, "--co", "-qq")))
    for name in CASES:
        print(f"{name:30} collect {collected[name]:6.2f} s   run {best[name]:6.2f} s")
    for name, against in RATIOS:
        print(
            f"{name} / {against}: collect x {collected[name] / collected[against]:.2f}, "
            f"run x {best[name] / best[against]:.2f}"
        )


if __name__ == "__main__":
    main()
