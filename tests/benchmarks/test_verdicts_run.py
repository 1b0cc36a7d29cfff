"""Four cases of the corpus on two platforms, from their sources to the numbers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmarks.verdicts.build import HERE, build_image
from benchmarks.verdicts.case import BASELINE
from benchmarks.verdicts.first.cases import CASES
from benchmarks.verdicts.judge import read_judgements
from benchmarks.verdicts.plain import PlainDocker
from benchmarks.verdicts.run import diff_plainly, mark_all, run_suite
from tests.conftest import _CACHE_OF_IMAGES, CACHE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.known_engines import KnownEngines

pytestmark = pytest.mark.needs_engine("main")

PLATFORMS = (BASELINE, "linux/arm64")
NAMES = ("char_sign", "byte_order", "nan_sign", "wall_clock")
FOUR = {
    case.name: replace(
        case,
        platforms=PLATFORMS,
        platforms_off=tuple(each for each in case.platforms_off if each in PLATFORMS),
    )
    for case in CASES
    if case.name in NAMES
}


@pytest.fixture
def docker(
    engines: KnownEngines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PlainDocker]:
    """The docker command, and an image of these programs alone."""
    monkeypatch.setenv(CACHE_VARIABLE, _CACHE_OF_IMAGES[CACHE_VARIABLE])
    folder = tmp_path / "four"
    folder.mkdir()
    for name in NAMES:
        shutil.copy(HERE / "first" / f"{name}.c", folder)
    environment = engines.make_environ("main")
    image = build_image(folder, environment=environment, docker=engines.docker, platforms=PLATFORMS)
    yield PlainDocker(images={"programs": image}, docker=engines.docker, environment=environment)
    engines.run_docker("main", "rmi", image)


def test_the_corpus_is_run_with_the_plugin_and_by_plain_docker(docker):
    cases = list(FOUR.values())
    ours = mark_all(cases, read_judgements(run_suite(cases, docker, [])))
    theirs = mark_all(cases, diff_plainly(cases, docker))
    verdicts = {each.case.name: each.judgement for each in ours}
    assert verdicts["char_sign"].off == verdicts["nan_sign"].off == {"linux/arm64"}
    assert verdicts["byte_order"].kind == "equal"
    found = {each.case.name for each in ours if each.is_found}
    assert found == {"char_sign", "nan_sign"}
    plain = {each.case.name: each.judgement.is_red for each in theirs}
    assert plain == {
        "char_sign": True, "nan_sign": True, "byte_order": False, "wall_clock": True,
    }  # fmt: skip
