"""Bad input: each a clear error on that one test, with its cure, and the others unharmed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.fake_registry import FakeRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.e2e.engine_proxy import EngineProxy
    from tests.e2e.suite import Finished, Suite

pytestmark = pytest.mark.needs_engine("main")

BAD = """
    import pytest

    pytestmark = [
        pytest.mark.image("{sample}"),
        pytest.mark.platforms("linux/amd64"),
    ]

    @pytest.mark.image("127.0.0.1:9/nobody/nothing:1")
    def test_no_registry(variant):
        pass

    @pytest.mark.image("{partial}")
    def test_no_platform_in_the_index(variant):
        pass

    @pytest.mark.image("{scratch}")
    def test_no_shell(variant):
        variant.run("sh", "-c", "/app --version")

    def test_not_found_in_run(variant):
        variant.run("redis-cli", "ping")

    def test_words_in_run(variant):
        variant.run("redis-cli ping")

    @pytest.mark.container("app", "sleep", "3600")
    def test_not_found_in_exec(container):
        container.exec("redis-cli", "ping")

    @pytest.mark.container("app", "sleep", "3600")
    def test_words_in_exec(container):
        container.exec("redis-cli ping")

    @pytest.mark.container("sh", "-c", "exit 3")
    def test_exec_in_an_ended_one(container):
        container.wait_until(lambda c: not c.inspect().is_running)
        container.exec("app", "--version")

    def test_prints_100_mb(variant):
        result = variant.run("app", "flood", "100")
        assert result.exit_code == 0
        result.stdout

    def test_unharmed(variant):
        assert variant.run("app", "--version").exit_code == 0
"""


@pytest.fixture(scope="module")
def bad(make_suite: Callable[..., Suite], images: Mapping[str, str]) -> tuple[Suite, Finished]:
    """One run of what can be wrong within one suite."""
    suite = make_suite()
    suite.write("test_it.py", BAD.format(**images))
    return suite, suite.run("-v")


@pytest.mark.parametrize(
    ("name", "found", "cure"),
    [
        ("test_no_registry", "127.0.0.1:9 cannot be reached", "check the name"),
        ("test_no_platform_in_the_index", "linux/arm/v7, linux/386", "linux/amd64"),
        ("test_no_shell", "the program 'sh' is not in the image", "give a path"),
        ("test_not_found_in_run", "the program 'redis-cli' is not in the image", "give a path"),
        ("test_words_in_run", "words are separate arguments", "'redis-cli', 'ping'"),
        ("test_not_found_in_exec", "the program 'redis-cli'", "give a path"),
        ("test_words_in_exec", "words are separate arguments", "'redis-cli', 'ping'"),
        ("test_exec_in_an_ended_one", "exit code 3", "must stay in the foreground"),
        ("test_prints_100_mb", "104857600 bytes", "less"),
    ],
)
def test_says(bad: tuple[Suite, Finished], name: str, found: str, cure: str) -> None:
    """The message has what was found, and what to do about it; no traceback of the plugin's."""
    case = bad[1].cases[f"{name}[linux/amd64]"]
    assert case.status in ("failed", "error")
    assert found in case.message
    assert cure in case.message
    assert "pytest_multiarch/" not in case.message.replace("pytest_multiarch/core/errors", "")


def test_others_are_unharmed(bad: tuple[Suite, Finished]) -> None:
    """The test after them passes, and nothing is left."""
    suite, finished = bad
    assert finished.cases["test_unharmed[linux/amd64]"].status == "passed"
    assert suite.list_left_behind() == []


RAW = """
    import pytest

    pytestmark = [
        pytest.mark.image("{sample}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64"),
    ]

    def test_differs(variant):
        result = variant.run("sh", "-c", "app bytes; app char")
        assert b"\\xff\\xfe" in result.stdout_bytes

    @pytest.mark.container("sh", "-c", "app bytes; exit 3", wait="never")
    def test_log(container):
        pass
"""


def test_control_sequences_are_not_printed(suite: Suite, images: Mapping[str, str]) -> None:
    """What a container prints, text or not, cannot colour or title the terminal."""
    suite.write("test_it.py", RAW.format(sample=images["sample"]))
    finished = suite.run("-v")
    assert finished.cases["test_differs"].status == "failed"
    assert finished.cases["test_log[linux/amd64]"].status == "error"
    assert "\\x1b]0;title\\x07" in finished.output
    assert "\x1b" not in finished.output


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """A registry that answers as it is told to."""
    with FakeRegistry() as registry:
        yield registry


ONE_OF_TWO = """
    import pytest

    pytestmark = pytest.mark.platforms("linux/amd64", "linux/arm64")

    @pytest.mark.image("{bad}")
    def test_bad(variant):
        variant.run("app")

    @pytest.mark.image("{good}")
    def test_good(variant):
        variant.run("app", "--version")
"""


@pytest.mark.needs_engine("registry")
class TestRegistry:
    """What registries answer: a small one in this process."""

    def run(self, suite: Suite, bad: str, images: Mapping[str, str]) -> str:
        """Give the message of a bad image; a good one beside it is unharmed."""
        suite.write("test_it.py", ONE_OF_TWO.format(bad=bad, good=images["sample"]))
        finished = suite.run("-v")
        assert finished.cases["test_good[linux/amd64]"].status == "passed"
        assert finished.cases["test_good[linux/arm64]"].status == "passed"
        return finished.cases["test_bad[linux/arm64]"].message + finished.output

    @pytest.mark.parametrize("status", [401, 403])
    def test_denied(
        self, suite: Suite, registry: FakeRegistry, images: Mapping[str, str], status: int
    ) -> None:
        """A registry that refuses: the message has the command that logs in."""
        registry.refuse_with(status)
        message = self.run(suite, f"{registry.address}/team/private:1", images)
        assert f"docker login {registry.address}" in message

    def test_not_found(
        self, suite: Suite, registry: FakeRegistry, images: Mapping[str, str]
    ) -> None:
        """An image that does not exist."""
        message = self.run(suite, f"{registry.address}/team/missing:1", images)
        assert f"{registry.address}/team/missing:1 is neither on" in message
        assert "check the name and the tag" in message

    def test_index_without_the_platform(
        self, suite: Suite, registry: FakeRegistry, images: Mapping[str, str]
    ) -> None:
        """The error names the platforms that there are."""
        registry.add_index("team/app", "1", {"linux/amd64": "amd64", "linux/s390x": "s390x"})
        message = self.run(suite, f"{registry.address}/team/app:1", images)
        assert "linux/s390x" in message

    def test_entry_that_lies(
        self, suite: Suite, registry: FakeRegistry, images: Mapping[str, str]
    ) -> None:
        """An entry for arm64 whose config says amd64 is refused before it is pulled."""
        registry.add_index("team/app", "1", {"linux/amd64": "amd64", "linux/arm64": "amd64"})
        message = self.run(suite, f"{registry.address}/team/app:1", images)
        assert "the entry for linux/arm64 holds an image that says it is for linux/amd64" in message
        assert "rebuild that entry" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('pytest.mark.platforms("linux/arm46")', "linux/arm64"),
        ("pytest.mark.container(prots=[80])", "has no argument 'prots'"),
        ("pytest.mark.container(wait=1.5)", "give a regular expression"),
    ],
    ids=["unknown-platform", "unknown-argument", "unknown-wait"],
)
def test_bad_mark(suite: Suite, text: str, said: str, images: Mapping[str, str]) -> None:
    """A mark that is wrong is an error of the collection, with the cure."""
    suite.write(
        "test_it.py",
        f"""
        import pytest

        @pytest.mark.image("{images["sample"]}")
        @pytest.mark.platforms("linux/amd64")
        @{text}
        def test_it(container):
            pass
        """,
    )
    suite.write("test_good.py", "def test_good(): pass\n")
    finished = suite.run("--continue-on-collection-errors")
    assert finished.exit_code in (1, 2)
    assert finished.list_statuses()["test_good"] == "passed"
    assert said in finished.output
    assert "Traceback" not in finished.output


@pytest.mark.parametrize("options", [(), ("--multiarch-unavailable=skip",)], ids=["", "skip"])
def test_no_engine(suite: Suite, options: tuple[str, ...]) -> None:
    """Each test is an error with the cure, which no option covers up."""
    suite.environ["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    suite.write("test_it.py", ONE_OF_TWO.format(bad="nowhere:1", good="nowhere:1"))
    finished = suite.run("-v", *options)
    assert finished.exit_code == 1
    assert set(finished.list_statuses().values()) == {"error"}
    assert len(finished.cases) == 4
    message = finished.cases["test_bad[linux/amd64]"].message
    assert "no Docker engine answers at unix:///nowhere/docker.sock (from DOCKER_HOST)" in message
    assert "start Docker, or set DOCKER_HOST" in message


GONE = """
    import pathlib, time
    import pytest

    pytestmark = [
        pytest.mark.image("{image}"),
        pytest.mark.platforms("linux/amd64"),
    ]
    CUT, RESTORED = pathlib.Path("cut"), pathlib.Path("restored")

    def test_before(variant):
        variant.run("app", "--version")

    def test_during_a_run(variant):
        CUT.touch()
        variant.run("app", "sleep", "20")

    @pytest.fixture
    def restored():
        while not RESTORED.exists():
            time.sleep(0.05)

    def test_after(restored, variant):
        assert variant.run("app", "--version").exit_code == 0
"""


def test_engine_gone_in_the_middle(
    suite: Suite, proxy: EngineProxy, images: Mapping[str, str]
) -> None:
    """The test that was under way is an error; those after the engine's return are unharmed."""
    suite.write("test_it.py", GONE.format(image=images["sample"]))
    process = suite.start("-v")
    cut, restored = suite.folder / "cut", suite.folder / "restored"
    while not cut.exists() and process.poll() is None:
        time.sleep(0.05)
    seen = len(proxy.requests)
    while not any("/wait" in each or "/start" in each for each in proxy.requests[seen:]):
        time.sleep(0.05)
        assert process.poll() is None, suite.read_output()
    proxy.cut()
    while "test_during_a_run[linux/amd64] FAILED" not in suite.read_output():
        time.sleep(0.05)
        assert process.poll() is None, suite.read_output()
    proxy.restore()
    restored.touch()
    finished = suite.finish(process)
    message = finished.cases["test_during_a_run[linux/amd64]"].message
    assert "stopped answering" in message
    assert "journalctl -u docker" in message
    assert finished.cases["test_before[linux/amd64]"].status == "passed"
    assert finished.cases["test_after[linux/amd64]"].status == "passed", finished.output
    assert suite.list_left_behind() == []
