"""The CI examples, run as far as they can be without their service.

bash runs the lines of their jobs, each job in a folder of its own, as the services do. What is a
service's own is played here: actions, artifacts, the values of a matrix. On PATH there are
stand-ins for what would install something or change the machine; they note how they were called.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import string
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
import yaml

if TYPE_CHECKING:
    from tests.known_engines import KnownEngines

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
IMAGE = "multiarch-demo-ci:1"
STAND_INS = ("apk", "docker", "pip", "python3")
BINFMT = "docker run --privileged --rm tonistiigi/binfmt --install all"


def read_example(name: str) -> dict[str, Any]:
    """Read a file of examples/ci."""
    document: dict[str, Any] = yaml.safe_load((EXAMPLES / "ci" / name).read_text())
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where jobs run: a project to check out, a folder for each job, artifacts by name."""

    folder: Path
    environ: Mapping[str, str]

    @property
    def project(self) -> Path:
        return self.folder / "project"

    def check_out(self, job: str) -> Path:
        """Give a job its folder, with the project in it."""
        folder = self.folder / "jobs" / job
        shutil.copytree(self.project, folder, dirs_exist_ok=True)
        return folder

    def run(self, lines: str, folder: Path, **environ: str) -> int:
        """Have bash run lines as the services do; give its exit status, show its output."""
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", lines], check=False, cwd=folder, timeout=300,
            env={**self.environ, "CALLS": str(self.folder / "calls"), **environ},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        print(f"$ {lines}\n{done.stdout}")
        return done.returncode

    def list_calls(self, command: str) -> list[str]:
        """Give how a stand-in was called."""
        lines = (self.folder / "calls").read_text().splitlines()
        return [line for line in lines if line.split()[0] == command]

    def upload(self, folder: Path, pattern: str, name: str) -> None:
        """Keep files of a job as an artifact; none is an error."""
        found = list(folder.glob(pattern))
        assert found, f"{pattern} fits no file of {sorted(folder.iterdir())}"
        target = self.folder / "artifacts" / name
        target.mkdir(parents=True)
        for path in found:
            shutil.copy(path, target)

    def download(self, pattern: str, folder: Path) -> None:
        """Put the files of artifacts into the folder of a job."""
        for path in (self.folder / "artifacts").glob(f"{pattern}/*"):
            shutil.copy(path, folder)


def make_machine(folder: Path, *, runners: str, environ: Mapping[str, str]) -> Machine:
    """Make a machine with a project of two platforms out of the examples."""
    machine = Machine(folder=folder, environ={**environ, "PATH": make_path(folder / "bin")})
    for name in ("image", "multiarch.yaml", "pytest.ini", "test_app.py", "test_differs.py"):
        copy = shutil.copytree if (EXAMPLES / name).is_dir() else shutil.copy
        machine.project.mkdir(exist_ok=True)
        copy(EXAMPLES / name, machine.project / name)
    for path in ("image/build", "multiarch.yaml", "test_differs.py"):
        target = machine.project / path
        text = target.read_text().replace("multiarch-demo:1", IMAGE)
        target.write_text(re.sub(r', "?linux/arm/v7"?, "?linux/s390x"?', "", text))
    with (machine.project / "multiarch.yaml").open("a") as file:
        file.write(f"runners: {runners}\n")
    (machine.project / ".gitlab").mkdir()
    shutil.copy(
        EXAMPLES / "ci" / "gitlab-platforms.yml", machine.project / ".gitlab" / "platforms.yml"
    )
    return machine


def make_path(folder: Path) -> str:
    """Give a PATH with the stand-ins first, then the commands of this environment."""
    folder.mkdir(parents=True)
    for name in STAND_INS:
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "$CALLS"\n')
        (folder / name).chmod(0o755)
    return os.pathsep.join((str(folder), str(Path(sys.executable).parent), "/usr/bin", "/bin"))


@pytest.fixture(scope="module")
def engine_environ(
    engines: KnownEngines, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The environment of engine `main`, with the image of the examples under a name of its own."""
    environ = engines.make_environ("main")
    machine = make_machine(tmp_path_factory.mktemp("build"), runners="{}", environ={})
    build = {**environ, "PYTHON": sys.executable, "DOCKER": engines.docker}
    subprocess.run([machine.project / "image" / "build"], check=True, env=build, timeout=300)
    yield environ
    engines.run_docker("main", "rmi", "--force", IMAGE)


class Github:
    """Plays GitHub Actions for a workflow."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.jobs = read_example("github.yml")["jobs"]
        self.files = {
            name: machine.folder / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
        }
        self.emulated: list[str] = []

    def run_job(self, name: str, row: Mapping[str, Any] | None = None) -> list[int]:
        """Run the steps of a job; give the exit status of each that was run."""
        row = row or {}
        folder = self.machine.folder / "jobs" / f"{name}-{row.get('name', '')}"
        folder.mkdir(parents=True)
        statuses: list[int] = []
        for step in self.jobs[name]["steps"]:
            goes_on = {
                None: not any(statuses),
                "${{ !cancelled() }}": True,
                "matrix.execution == 'emulated'": row.get("execution") == "emulated",
            }
            if not goes_on[step.get("if")]:
                continue
            step = json.loads(self.fill(json.dumps(step), row))
            if "run" in step:
                environ = {key: str(path) for key, path in self.files.items()}
                environ["GITHUB_ACTIONS"] = "true"
                statuses.append(self.machine.run(step["run"], folder, **environ))
            else:
                self.use(step["uses"], step.get("with", {}), folder)
        return statuses

    @staticmethod
    def fill(text: str, row: Mapping[str, Any]) -> str:
        """Replace what comes from the matrix."""
        return re.sub(r"\$\{\{ matrix\.(\w+) \}\}", lambda found: str(row[found[1]]), text)

    def use(self, action: str, inputs: Mapping[str, Any], folder: Path) -> None:
        """Play an action."""
        match action.partition("@")[0]:
            case "actions/checkout":
                shutil.copytree(self.machine.project, folder, dirs_exist_ok=True)
            case "actions/setup-python":
                assert inputs["python-version"]
            case "docker/setup-qemu-action":
                self.emulated.append(inputs["platforms"])
            case "actions/upload-artifact":
                self.machine.upload(folder, inputs["path"], inputs["name"])
            case "actions/download-artifact":
                assert inputs["merge-multiple"]
                self.machine.download(inputs["pattern"], folder)
            case _:
                pytest.fail(f"{action} is not known here")

    def compute_rows(self) -> list[dict[str, Any]]:
        """Run the job that computes the matrix; give its rows."""
        assert self.run_job("matrix") == [0, 0]
        name, _, value = self.files["GITHUB_OUTPUT"].read_text().rstrip("\n").partition("=")
        assert name == "matrix"
        rows: list[dict[str, Any]] = json.loads(value)["include"]
        return rows


class Gitlab:
    """Plays GitLab CI for the parent pipeline and its child."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def compute_pipeline(self) -> dict[str, Any]:
        """Run the first job of the parent; give the pipeline that it wrote."""
        parent = read_example("gitlab.yml")
        folder = self.machine.check_out("matrix")
        assert self.machine.run("\n".join(parent["matrix"]["script"]), folder) == 0
        (artifact,) = parent["matrix"]["artifacts"]["paths"]
        assert parent["platforms"]["trigger"]["include"] == [
            {"artifact": artifact, "job": "matrix"}
        ]
        pipeline: dict[str, Any] = yaml.safe_load((folder / artifact).read_text())
        return pipeline

    def run_job(
        self, name: str, job: Mapping[str, Any], own: Mapping[str, str] | None = None
    ) -> int:
        """Run a job of the child and keep its artifacts; give its exit status.

        `own` are its variables from the matrix. The engine is not the service `docker` of the job.
        """
        own = own or {}
        folder = self.machine.check_out("-".join((name, *own.values())).replace("/", "-"))
        values = {**job.get("variables", {}), **own}
        environ = {key: string.Template(value).substitute(values) for key, value in values.items()}
        lines = "\n".join((*job.get("before_script", ()), *job["script"]))
        environ["DOCKER_HOST"] = self.machine.environ["DOCKER_HOST"]
        status = self.machine.run(lines, folder, **environ)
        assert job["artifacts"]["when"] == "always"
        (pattern,) = job["artifacts"]["paths"]
        kept = "-".join((name, own.get("NAME", "")))
        self.machine.upload(folder, string.Template(pattern).substitute(environ), kept)
        return status


def list_matrix(job: Mapping[str, Any]) -> list[dict[str, str]]:
    """Give the variables of each job of a parallel:matrix."""
    found = []
    for entry in job["parallel"]["matrix"]:
        lists = [each if isinstance(each, list) else [each] for each in entry.values()]
        found += [dict(zip(entry, each, strict=True)) for each in itertools.product(*lists)]
    return found


@pytest.fixture
def offline(tmp_path: Path) -> Machine:
    """A machine without an engine."""
    runners = "{default: small, linux/arm64: arm}"
    environ = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    return make_machine(tmp_path, runners=runners, environ=environ)


class TestWithoutEngine:
    def test_github_computes_its_matrix(self, offline: Machine) -> None:
        rows = Github(offline).compute_rows()
        assert [(row["platform"], row["runner"], row["execution"]) for row in rows] == [
            ("linux/amd64", "small", "native"),
            ("linux/arm64", "arm", "native"),
        ]

    def test_github_stops_where_tests_cannot_be_collected(self, offline: Machine) -> None:
        (offline.project / "test_app.py").write_text("import no_such_module")
        assert Github(offline).run_job("matrix") == [0, 2]

    def test_github_jobs_are_wired(self) -> None:
        jobs = read_example("github.yml")["jobs"]
        (step,) = (each for each in jobs["matrix"]["steps"] if each.get("id") == "matrix")
        assert "pytest-multiarch matrix" in step["run"]
        assert jobs["matrix"]["outputs"] == {"matrix": "${{ steps.matrix.outputs.matrix }}"}
        assert jobs["test"]["strategy"]["matrix"] == "${{ fromJSON(needs.matrix.outputs.matrix) }}"
        assert jobs["compare"]["needs"] == ["matrix", "test"]

    def test_gitlab_computes_a_pipeline(self, offline: Machine) -> None:
        pipeline = Gitlab(offline).compute_pipeline()
        assert list(pipeline) == [".multiarch", "stages", "test", "compare"]
        assert [
            (each["PLATFORM"], each["RUNNER"]) for each in list_matrix(pipeline[".multiarch"])
        ] == [("linux/amd64", "small"), ("linux/arm64", "arm")]

    @pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
    def test_covers_every_platform_by_its_own_check(self, offline: Machine, name: str) -> None:
        check = f"pytest-multiarch matrix --check {EXAMPLES / 'ci' / name}"
        assert offline.run(check, offline.project) == 0


@pytest.mark.needs_engine("main")
def test_github_finds_the_divergence(tmp_path: Path, engine_environ: dict[str, str]) -> None:
    """Each platform's job is green, the one that compares is red, and says why in three ways."""
    github = Github(
        make_machine(tmp_path, runners="{default: ubuntu-latest}", environ=engine_environ)
    )
    rows = github.compute_rows()
    assert [github.run_job("test", row) for row in rows] == [[0, 0], [0, 0]]
    assert github.emulated == ["linux/arm64"]
    assert github.run_job("compare") == [0, 1]
    kept = tmp_path / "artifacts" / "merged"
    assert {path.name for path in kept.iterdir()} == {"merged.json", "merged.xml", "merged.md"}
    failed = [each for each in ET.parse(kept / "merged.xml").iter("testcase") if len(each)]
    assert [each.get("name") for each in failed if each.find("failure") is not None] == [
        "test_char"
    ]
    assert "test_char" in github.files["GITHUB_STEP_SUMMARY"].read_text()


@pytest.mark.needs_engine("main")
def test_gitlab_finds_parity(tmp_path: Path, engine_environ: dict[str, str]) -> None:
    """Without the test that differs all is well, and the emulator is installed where needed."""
    machine = make_machine(tmp_path, runners="{default: small}", environ=engine_environ)
    (machine.project / "test_differs.py").unlink()
    gitlab = Gitlab(machine)
    pipeline = gitlab.compute_pipeline()
    base, test = pipeline[".multiarch"], pipeline["test"]
    assert test["extends"] == ".multiarch"
    job = {**base, **test, "variables": {**base["variables"], **test["variables"]}}
    assert [gitlab.run_job("test", job, own) for own in list_matrix(job)] == [0, 0]
    assert machine.list_calls("docker") == [BINFMT]
    assert pipeline["compare"]["needs"] == ["test"]
    machine.download("test-*", machine.project)  # as a job's checkout has them
    assert gitlab.run_job("compare", pipeline["compare"]) == 0
