"""Differences are told apart, on real containers: the image, the emulator, noise."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.suite import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.suite import Finished, Suite

pytestmark = pytest.mark.needs_engine("main")

HEAD = """
    import pytest

    pytestmark = [
        pytest.mark.image("{sample}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64"),
    ]
"""
# QEMU has a thread of its own in each process.
DIFFERING = """
    def test_differs(variant):
        variant.run("app", "char")

    def test_emulator(variant):
        variant.run("sh", "-c", "ls /proc/self/task | wc -l")

    def test_noise(variant):
        variant.run("sh", "-c", "head -c 4 /dev/urandom | od -An -tx1; echo fixed")

    def test_fails(variant):
        assert variant.run("sh", "-c", "ls /proc/self/task | wc -l").stdout == "1\\n"

    @pytest.mark.container("sleep", "300", tmpfs={"/scratch": "size=3m"}, mem_limit="64m")
    def test_container(container):
        container.exec("sh", "-c", "echo one > /scratch/one", observe=False)
        container.copy_in(b"two\\n", "/tmp/two")
        script = "df -m /scratch | tail -1 | awk '{print $2}'; cat /scratch/one /tmp/two"
        container.exec("sh", "-c", f"{script}; ls /proc/self/task | wc -l")

    def test_all_at_once(variants):
        for variant in variants.values():
            variant.run("sh", "-c", "ls /proc/self/task | wc -l")

    def test_equal(variant):
        variant.run("app", "report")
"""
VERDICTS = {
    "test_differs": ("diverged", "image (likely)"),
    "test_emulator": ("not-compared", "emulator (proven)"),
    "test_noise": ("equal", "unstable"),
    "test_fails": ("failed-apart", "emulator (proven)"),
    "test_container": ("not-compared", "emulator (proven)"),
    "test_all_at_once": ("not-compared", "emulator (proven)"),
    "test_equal": ("equal", ""),
}
COMMAND = Path(sys.executable).with_name("pytest-multiarch")
ENOUGH = "--multiarch-replay=120"
"""The machine of the tests may have other things to do; evidence is not to depend on that."""


def write(suite: Suite, source: str, images: Mapping[str, str]) -> None:
    head = textwrap.dedent(HEAD).format(sample=images["sample"])
    suite.write("test_a.py", head + textwrap.dedent(source))
    # Recipes are in the folder for temporary files, where those of other suites may be meanwhile.
    suite.environ["TMPDIR"] = str(suite.folder)


def read_verdicts(path: Path) -> dict[str, tuple[str, str]]:
    """Give the verdict of each group of a record, and its diagnosis."""
    record: dict[str, Any] = json.loads(path.read_text())
    found = {}
    for each in record["verdicts"]:
        causes = {
            f"{d['cause']} ({d['certainty']})" if "certainty" in d else d["cause"]
            for d in each["diagnoses"]
        }
        found[each["group"].partition("::")[2]] = each["verdict"], ", ".join(sorted(causes))
    return found


@pytest.fixture(scope="module")
def differing(make_suite: Callable[..., Suite], images: Mapping[str, str]) -> Suite:
    suite = make_suite()
    write(suite, DIFFERING, images)
    return suite


@pytest.fixture(scope="module")
def finished(differing: Suite) -> Finished:
    return differing.run(ENOUGH, "--multiarch-record=lone.json")


def test_the_image_the_emulator_and_noise_are_told_apart(
    differing: Suite, finished: Finished
) -> None:
    assert read_verdicts(differing.folder / "lone.json") == VERDICTS, finished.output
    failed = {name for name, status in finished.list_statuses().items() if status == "failed"}
    assert failed == {"test_differs", "test_fails[linux/arm64]"}
    assert "diagnosis: image (likely)" in finished.output
    assert differing.list_left_behind() == []


def test_a_member_that_failed_is_told_why(finished: Finished) -> None:
    of_member = finished.output.partition("test_fails[linux/arm64] ___")[2]
    assert "diagnosis on linux/arm64: emulator (proven)" in of_member.partition("\n____")[0]


UNLIKE = """
    FROM {sample}
    ARG TARGETARCH
    RUN echo "mode=${{TARGETARCH}}only" > /etc/app.conf
    ENV GREETING=${{TARGETARCH}}only
"""
NAMED = """
    def test_named(variant):
        variant.run("cat", "/etc/app.conf")

    def test_told(variant):
        variant.run("sh", "-c", "echo $GREETING")

    def test_own(variant):
        variant.run("app", "char")

    @pytest.mark.container("sleep", "300")
    def test_put_in(container, platform):
        container.copy_in(f"x{platform.architecture}x".encode(), "/etc/app.conf")
        container.exec("cat", "/etc/app.conf")
"""


def test_what_differs_in_the_images_is_proof(
    suite: Suite, images: Mapping[str, str], tmp_path: Path
) -> None:
    """If the call comes to it, and the test did not put it there."""
    recipe = textwrap.dedent(UNLIKE).format(sample=images["sample"])
    (tmp_path / "Dockerfile").write_text(recipe)
    unlike = "multiarch-test/unlike:1"
    suite.engines.run_docker(
        "main", "buildx", "build", "--quiet", "--load", "--platform", "linux/amd64,linux/arm64",
        "--tag", unlike, str(tmp_path),
    )  # fmt: skip
    try:
        write(suite, NAMED, {"sample": unlike})
        finished = suite.run(ENOUGH, "--multiarch-record=record.json")
        found = read_verdicts(suite.folder / "record.json")
        causes = {name: cause for name, (_, cause) in found.items()}
        assert causes == {
            "test_named": "image (proven)",
            "test_told": "image (likely)",
            "test_own": "image (likely)",
            "test_put_in": "image (likely)",
        }
        assert "/etc/app.conf (content): 15" in finished.output
        assert "Env GREETING: amd64only on linux/amd64, arm64only" in " ".join(
            finished.output.split()
        )
        merged = suite.folder / "merged.json"
        subprocess.run(
            [COMMAND, "merge", "record.json", f"--record={merged}"],
            cwd=suite.folder,
            check=False,
            capture_output=True,
        )
        assert read_verdicts(merged) == found
        assert suite.list_left_behind() == []
    finally:
        suite.engines.run_docker("main", "rmi", "--force", unlike)


def test_verdicts_are_the_same_under_xdist(differing: Suite, finished: Finished) -> None:
    parallel = differing.run(ENOUGH, "--multiarch-record=parallel.json", "-n", "2")
    assert read_verdicts(differing.folder / "parallel.json") == VERDICTS, parallel.output
    assert parallel.list_statuses() == finished.list_statuses()
    assert list_recipe_folders(differing) == []
    assert differing.list_left_behind() == []


def test_a_merge_comes_to_the_same(differing: Suite, finished: Finished) -> None:
    assert finished.exit_code == 1
    done = subprocess.run(
        [COMMAND, "merge", "lone.json", "--record=merged.json"],
        cwd=differing.folder,
        env=differing.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert read_verdicts(differing.folder / "merged.json") == VERDICTS


def list_recipe_folders(suite: Suite) -> list[Path]:
    return [*suite.folder.glob("pytest-multiarch-recipes-*")]


def list_guards(pid: int) -> list[Path]:
    """List the processes that would remove what a process leaves."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            text = each.read_text()
            if f'"pid": "{pid}"' in text and '"folder"' in text:
                found.append(each)
    return found


def test_nothing_is_made_again_without_time_for_it(suite: Suite, images: Mapping[str, str]) -> None:
    write(suite, DIFFERING, images)
    finished = suite.run("--multiarch-replay=0", "-k", "differs or noise", "--multiarch-record=r")
    assert finished.exit_code == 1
    found = read_verdicts(suite.folder / "r")
    assert found["test_noise"] == found["test_differs"] == ("diverged", "unconfirmed")
    assert "--multiarch-replay=0" in finished.output


BESIDE = """
    from pytest_multiarch import service

    COUNT = ("sh", "-c", "ls /proc/self/task | wc -l")
    SLEEP = service("{sample}", "sleep", "300")

    def test_network(variant):
        with variant.network({{"one": SLEEP}}) as network:
            variant.run(*COUNT, network=network)

    @pytest.mark.container("sleep", "300", with_={{"one": SLEEP}})
    def test_services(container):
        container.exec(*COUNT)

    def test_compose(variant):
        with variant.compose("compose.yaml", service="app") as container:
            container.exec(*COUNT)
"""


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["lone", "xdist"])
def test_what_ran_beside_others_is_unconfirmed(
    suite: Suite, images: Mapping[str, str], options: tuple[str, ...]
) -> None:
    """Alone it could come to something else, which would be no evidence."""
    write(suite, BESIDE.format(**images), images)
    suite.write("compose.yaml", "services: {app: {image: x, command: sleep 300}}")
    finished = suite.run(ENOUGH, "--multiarch-record=r.json", *options)
    found = read_verdicts(suite.folder / "r.json")
    assert found == dict.fromkeys(
        ("test_network", "test_services", "test_compose"), ("diverged", "unconfirmed")
    ), finished.output
    said = " ".join(finished.output.split())
    assert said.count("the call could not be made again: it ran beside other containers") >= 3
    assert suite.list_left_behind() == []


def test_unstable_can_be_a_failure(suite: Suite, images: Mapping[str, str]) -> None:
    write(suite, DIFFERING, images)
    finished = suite.run(ENOUGH, "-k", "noise", "--multiarch-unstable=fail")
    assert finished.exit_code == 1
    assert "unstable" in finished.cases["test_noise"].message


def test_jobs_that_repeat_their_calls_merge_with_evidence(
    suite: Suite, images: Mapping[str, str]
) -> None:
    write(suite, DIFFERING, images)
    for name in ("amd64", "arm64"):
        suite.run(
            "-k", "differs or emulator or noise", "--multiarch-repeat=4",
            f"--multiarch-platforms=linux/{name}", f"--multiarch-record={name}.json",
        )  # fmt: skip
    done = subprocess.run(
        [COMMAND, "merge", "amd64.json", "arm64.json", "--record=merged.json"],
        cwd=suite.folder,
        env=suite.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    found = read_verdicts(suite.folder / "merged.json")
    wanted = ("test_differs", "test_emulator", "test_noise")
    assert {name: found[name] for name in wanted} == {name: VERDICTS[name] for name in wanted}
    assert done.returncode == 1


def test_a_green_suite_makes_no_container_more(
    suite: Suite, proxy: Any, images: Mapping[str, str]
) -> None:
    write(suite, DIFFERING, images)
    finished = suite.run("-k", "test_equal")
    assert finished.exit_code == 0, finished.output
    created = [each for each in proxy.requests if "/containers/create" in each]
    # A probe of arm64, and one for each test.
    assert len(created) == 3, created


STOPPING = """
    def test_1(variant):
        variant.run("app", "char")

    def test_2(variant):
        variant.run("sh", "-c", "head -c 4 /dev/urandom | od -An -tx1")

    def test_3(variant):
        variant.run("sleep", "1")
"""


@pytest.mark.parametrize("options", [("-x",), ("-x", "-n", "2")], ids=["lone", "xdist"])
def test_a_run_stops_at_a_verdict_that_is_settled(
    suite: Suite, images: Mapping[str, str], options: tuple[str, ...]
) -> None:
    write(suite, STOPPING, images)
    finished = suite.run(ENOUGH, *options, "--multiarch-record=r.json")
    assert finished.exit_code != 0
    assert finished.cases["test_1"].status == "failed"
    assert read_verdicts(suite.folder / "r.json")["test_1"] == ("diverged", "image (likely)")


def test_an_interrupted_run_settles_at_once(suite: Suite, images: Mapping[str, str]) -> None:
    source = """
        def test_1(variant):
            variant.run("sh", "-c", "app char; sleep 2")
    """
    write(suite, source, images)
    process = suite.start(ENOUGH, "--multiarch-record=r.json", "-v")
    wait_for(
        lambda: "test_1[linux/arm64] PASSED" in suite.read_output(),
        timeout_s=120,
        what="the end of the tests",
    )
    time.sleep(2)
    os.kill(process.pid, signal.SIGINT)
    finished = suite.finish(process, timeout_s=30)
    assert finished.exit_code == 2, finished.output
    assert read_verdicts(suite.folder / "r.json") == {"test_1": ("diverged", "unconfirmed")}
    assert "the run was interrupted" in finished.output
    wait_for(lambda: suite.list_left_behind() == [], timeout_s=30, what="cleaning up")


def test_a_killed_session_leaves_no_recipes(suite: Suite, images: Mapping[str, str]) -> None:
    source = """
        def test_1(variant):
            variant.run("app", "--version", env={"TOKEN": "hunter22"})

        def test_2(variant):
            variant.run("sleep", "60")
    """
    write(suite, source, images)
    process = suite.start("-n", "2")
    wait_for(lambda: list_recipe_folders(suite), timeout_s=120, what="a recipe")
    (folder,) = list_recipe_folders(suite)
    assert folder.stat().st_mode & 0o077 == 0
    wait_for(lambda: list_guards(process.pid), timeout_s=60, what="the guard")
    process.kill()
    process.wait()
    wait_for(lambda: not folder.exists(), timeout_s=30, what="cleaning up")
    wait_for(lambda: suite.list_left_behind() == [], timeout_s=60, what="cleaning up")
