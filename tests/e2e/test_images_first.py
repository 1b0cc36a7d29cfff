"""What is wrong with images is found before anything of them runs."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import forget_image
from tests.engine.conftest import compile_actor
from tests.engine.sample_images import AMD64, ARM64, SampleIndex, SampleVariant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.e2e.engine_proxy import EngineProxy
    from tests.e2e.suite import Suite
    from tests.known_engines import KnownEngines

pytestmark = pytest.mark.needs_engine("main")

TWO_IMAGES = """
    import pytest

    pytestmark = pytest.mark.platforms("linux/amd64", "linux/arm64")

    @pytest.mark.image("{differing}")
    def test_differing(variant):
        assert variant.run("say", "it runs").exit_code == 0

    @pytest.mark.image("{sample}")
    @pytest.mark.index(required=["linux/amd64", "linux/mips64le"])
    def test_lacking(variant):
        variant.run("app", "--version")
"""
WRONG = """
    import pytest

    @pytest.mark.image("{image}")
    @pytest.mark.platforms("linux/arm64")
    def test_it(variant):
        variant.run("sh", "-c", "echo it ran")
"""
RIGHT = """
    import pytest

    @pytest.mark.image("{image}")
    @pytest.mark.platforms("linux/amd64")
    def test_it(variant):
        variant.run("app", "--version")
"""


@pytest.fixture(scope="module")
def differing(engines: KnownEngines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image in the registry, of whose variants one says otherwise who runs it."""
    nonce, folder = secrets.token_hex(6), tmp_path_factory.mktemp("actors")
    variants = tuple(
        SampleVariant.build(
            platform,
            {"probe": compile_actor(folder, platform)},
            Entrypoint=["/probe"],
            Env=[f"API_TOKEN={nonce}-{user}", f"RUN_BY={user}"],
        )
        for platform, user in ((AMD64, "root"), (ARM64, "app"))
    )
    index = SampleIndex(f"multiarch-tests/{nonce}", variants)
    index.push(engines.registry, "1")
    yield f"{engines.registry}/{index.repository}:1"
    forget_image(engines, f"{engines.registry}/{index.repository}")


@pytest.mark.needs_engine("registry")
@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "parallel"])
def test_two_images_are_two_failures(
    suite: Suite, images: Mapping[str, str], differing: str, options: tuple[str, ...]
) -> None:
    """All tests pass; each image is one failure beside them, and no secret of theirs is shown."""
    suite.write("test_it.py", TWO_IMAGES.format(differing=differing, sample=images["sample"]))
    finished = suite.run("--multiarch-record=r.json", "--multiarch-html=page.html", *options)
    assert finished.exit_code == 1
    failed = {name for name, case in finished.cases.items() if case.status != "passed"}
    assert failed == {f"image[{differing}]", f"image[{images['sample']}]"}
    assert "linux/mips64le is required and missing" in finished.output
    assert re.search(
        r"config: Env RUN_BY .*\n +linux/amd64  root\n +linux/arm64  app", finished.output
    )
    nonce = differing.rpartition("/")[2].partition(":")[0]
    shown = [
        finished.output,
        *((suite.folder / each).read_text() for each in ("r.json", "page.html")),
    ]
    assert not [text for text in shown if f"{nonce}-" in text]


def test_of_a_wrong_image_no_container_is_created(
    suite: Suite, proxy: EngineProxy, images: Mapping[str, str], tmp_path: Path
) -> None:
    suite.environ["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    suite.write("test_it.py", WRONG.format(image=images["liar"]))
    finished = suite.run()
    message = finished.cases["test_it[linux/arm64]"].message
    assert "holds a program for another architecture" in message
    assert re.search(r"layer: sha256:[0-9a-f]{64}\n +made by: COPY ", message)
    created = proxy.list_requests("^POST .*/containers/create")
    assert len(created) == 1  # of the probe, which finds the emulator
    assert proxy.list_requests("^GET .*/images/.*/get")


def test_a_second_session_asks_nothing_for_it(
    suite: Suite, proxy: EngineProxy, images: Mapping[str, str], tmp_path: Path
) -> None:
    """It asks the engine what a session without audits asks."""
    suite.environ["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    suite.write("test_it.py", RIGHT.format(image=images["sample"]))
    asked = []
    for options in ((), (), ("--multiarch-audit=off",)):
        proxy.requests.clear()
        assert suite.run(*options).exit_code == 0
        asked.append(
            Counter(re.sub(r"[0-9a-f]{64}|session%[^ ]*", "*", each) for each in proxy.requests)
        )
    first, second, without = asked
    assert first.total() > without.total()
    assert second == without
