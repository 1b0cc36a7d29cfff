"""Workflows as people write them: which platforms they run, on which runner, and what they lack."""

from __future__ import annotations

import textwrap

import pytest
import yaml

from pytest_multiarch.core.coverage import Coverage, check_coverage
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.matrix import MatrixRow
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.settings import Runners
from pytest_multiarch.core.workflow import (
    computes_matrix,
    expand_github_matrix,
    expand_gitlab_matrix,
    list_jobs,
)

ARM_RUNNER = ("ubuntu-24.04-arm",)
WITH_ARM = Runners(by_platform={Platform.parse("linux/arm64"): ARM_RUNNER})


def make_row(platform: str, image: str = "") -> MatrixRow:
    """Make a row; coverage asks nothing but its platform and image."""
    return MatrixRow(
        platform=Platform.parse(platform), runner=(), execution="native", tests=2, image=image
    )


ROWS = (make_row("linux/amd64"), make_row("linux/arm64"))


def read(text: str) -> list[object]:
    """Read YAML with all scalars as text, as workflow files are read."""
    return [yaml.load(textwrap.dedent(text), yaml.BaseLoader)]


def check(text: str, *, runners: Runners | None = None, rows=ROWS) -> Coverage:
    """Check a workflow."""
    return check_coverage(rows, runners or Runners(), read(text))


GITHUB = """
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        platform: [{platforms}]
    steps:
      - run: pytest --multiarch-platforms ${{{{ matrix.platform }}}}
"""
GITLAB = """
test:
  parallel:
    matrix:
      - PLATFORM: [{platforms}]
  script:
    - pytest --multiarch-platforms=$PLATFORM
"""
BOTH_SERVICES = pytest.mark.parametrize("template", [GITHUB, GITLAB], ids=["github", "gitlab"])


class TestPlatforms:
    @BOTH_SERVICES
    def test_all_there(self, template: str) -> None:
        assert check(template.format(platforms="linux/amd64, linux/arm64")) == Coverage()

    @BOTH_SERVICES
    def test_one_missing(self, template: str) -> None:
        found = check(template.format(platforms="linux/amd64"))
        assert found.gaps == ("linux/arm64: no job runs it (2 tests)",)

    @BOTH_SERVICES
    def test_aliases(self, template: str) -> None:
        assert not check(template.format(platforms="x86_64, aarch64")).gaps

    @BOTH_SERVICES
    def test_one_more_is_said_and_no_failure(self, template: str) -> None:
        found = check(template.format(platforms="linux/amd64, linux/arm64, linux/s390x"))
        assert found == Coverage(notes=("linux/s390x: a job runs it, and no test does",))

    def test_part_of_the_option_from_the_matrix(self) -> None:
        text = GITHUB.replace("${{{{ matrix.platform }}}}", "linux/${{{{ matrix.platform }}}}")
        assert not check(text.format(platforms="amd64, arm64")).gaps

    def test_several_in_one_option(self) -> None:
        text = "jobs: {t: {steps: [{run: 'pytest --multiarch-platforms=linux/amd64,linux/arm64'}]}}"
        assert not check(text).gaps

    def test_option_in_pytest_addopts(self) -> None:
        text = GITHUB.replace("run: pytest", "env: {{PYTEST_ADDOPTS: '").replace(
            "}}}}\n", "}}}}'}}\n        run: make test\n"
        )
        assert not check(text.format(platforms="linux/amd64, linux/arm64")).gaps

    def test_option_by_a_variable(self) -> None:
        text = """
        jobs:
          test:
            strategy: {matrix: {platform: [linux/amd64, linux/arm64]}}
            steps:
              - env: {WHERE: "${{ matrix.platform }}"}
                run: pytest --multiarch-platforms "$WHERE"
        """
        assert not check(text).gaps

    def test_list_of_the_matrix_without_the_option(self) -> None:
        """How the platform reaches pytest may be hidden, in tox.ini say; that a job is for it is
        not."""
        text = GITHUB.replace("pytest --multiarch-platforms", "tox --")
        assert not check(text.format(platforms="linux/amd64, linux/arm64")).gaps

    def test_jobs_that_do_not_test_do_not_count(self) -> None:
        text = GITHUB.replace("pytest --multiarch-platforms", "docker buildx build --platform")
        assert len(check(text.format(platforms="linux/amd64, linux/arm64")).gaps) == 2

    def test_installing_pytest_is_not_running_it(self) -> None:
        text = GITHUB.replace("pytest --multiarch-platforms", "pip install pytest; make PLATFORM=")
        assert len(check(text.format(platforms="linux/amd64, linux/arm64")).gaps) == 2

    def test_comments_do_not_count(self) -> None:
        text = """
        jobs:
          test:
            steps:
              - run: |
                  # pytest --multiarch-platforms linux/amd64,linux/arm64
                  pytest tests/unit
        """
        assert len(check(text).gaps) == 2

    def test_option_on_a_continued_line(self) -> None:
        text = """
        test:
          script:
            - |
              pytest \\
                --multiarch-platforms \\
                linux/amd64,linux/arm64
        """
        assert not check(text).gaps

    def test_value_that_is_not_in_the_file(self) -> None:
        text = "jobs: {t: {steps: [{run: 'pytest --multiarch-platforms ${{ inputs.where }}'}]}}"
        found = check(text)
        assert len(found.gaps) == 2
        assert found.notes == (
            "job t: which platforms it runs cannot be read from the file; it does not count",
        )

    def test_several_files_together(self) -> None:
        one, other = (
            read(GITHUB.format(platforms=each)) for each in ("linux/amd64", "linux/arm64")
        )
        assert not check_coverage(ROWS, Runners(), [*one, *other]).gaps

    @pytest.mark.parametrize("text", ["", "[]", "text", "jobs: 3", "jobs: {a: 1}", "a: {script: }"])
    def test_nothing_in_it(self, text: str) -> None:
        assert len(check(text).gaps) == 2


class TestImages:
    rows = (make_row("linux/amd64", "alpine"), make_row("linux/amd64", "debian"))

    def test_job_without_the_option_runs_all(self) -> None:
        assert not check(GITHUB.format(platforms="linux/amd64"), rows=self.rows).gaps

    def test_job_of_one_image(self) -> None:
        text = GITHUB.replace("pytest", "pytest --multiarch-image alpine")
        found = check(text.format(platforms="linux/amd64"), rows=self.rows)
        assert found.gaps == ("debian on linux/amd64: no job runs it (2 tests)",)

    def test_replacement_is_no_selection(self) -> None:
        text = GITHUB.replace("pytest", "pytest --multiarch-image app:1=app:2")
        assert not check(text.format(platforms="linux/amd64"), rows=self.rows).gaps


class TestRunners:
    def test_wrong(self) -> None:
        found = check(GITHUB.format(platforms="linux/amd64, linux/arm64"), runners=WITH_ARM)
        assert found.gaps == (
            "linux/arm64: job test runs it on ubuntu-latest, not on ubuntu-24.04-arm",
        )

    def test_right_by_include(self) -> None:
        text = """
        jobs:
          test:
            runs-on: ${{ matrix.runner }}
            strategy:
              matrix:
                include:
                  - {platform: linux/amd64, runner: ubuntu-latest}
                  - {platform: linux/arm64, runner: ubuntu-24.04-arm}
            steps: [{run: "pytest --multiarch-platforms ${{ matrix.platform }}"}]
        """
        assert not check(text, runners=WITH_ARM).gaps

    def test_right_by_tags(self) -> None:
        text = """
        test:
          tags: [$RUNNER]
          parallel:
            matrix:
              - {PLATFORM: linux/amd64, RUNNER: small}
              - {PLATFORM: linux/arm64, RUNNER: ubuntu-24.04-arm}
          script: pytest --multiarch-platforms=$PLATFORM
        """
        assert not check(text, runners=WITH_ARM).gaps

    def test_one_of_two_jobs_is_right(self) -> None:
        text = f"""{GITHUB.format(platforms="linux/amd64, linux/arm64")}
  arm:
    runs-on: ubuntu-24.04-arm
    steps: [{{run: pytest --multiarch-platforms linux/arm64}}]
"""
        assert not check(text, runners=WITH_ARM).gaps

    def test_more_labels_than_configured(self) -> None:
        text = GITHUB.replace("ubuntu-latest", "[self-hosted, Linux, arm64]")
        runners = Runners(by_platform={Platform.parse("linux/arm64"): ("self-hosted", "ARM64")})
        assert not check(text.format(platforms="linux/arm64"), runners=runners, rows=ROWS[1:]).gaps

    def test_runner_of_another_platform(self) -> None:
        text = GITHUB.replace("ubuntu-latest", "ubuntu-24.04-arm")
        found = check(text.format(platforms="linux/amd64, linux/arm64"), runners=WITH_ARM)
        assert found.gaps == (
            "linux/amd64: job test runs it on ubuntu-24.04-arm, not on ubuntu-latest",
        )

    def test_anything_is_right_where_none_is_configured(self) -> None:
        text = GITHUB.replace("ubuntu-latest", "ubuntu-24.04-arm")
        assert not check(text.format(platforms="linux/amd64, linux/arm64")).gaps

    def test_configured_default(self) -> None:
        found = check(
            GITHUB.format(platforms="linux/amd64"), runners=Runners(default=("big",)), rows=ROWS[:1]
        )
        assert found.gaps == ("linux/amd64: job test runs it on ubuntu-latest, not on big",)

    def test_job_without_tags(self) -> None:
        found = check(GITLAB.format(platforms="linux/arm64"), runners=WITH_ARM, rows=ROWS[1:])
        assert found.gaps == (
            "linux/arm64: job test runs it on any runner, not on ubuntu-24.04-arm",
        )

    def test_runner_that_is_not_in_the_file(self) -> None:
        text = GITHUB.replace("ubuntu-latest", "${{{{ inputs.runner }}}}")
        assert not check(text.format(platforms="linux/amd64, linux/arm64"), runners=WITH_ARM).gaps


class TestComputesMatrix:
    def test_covers_everything(self) -> None:
        text = "jobs: {m: {steps: [{run: matrix=$(pytest-multiarch matrix)}]}}"
        assert check(text) == Coverage(
            notes=("the workflow computes its matrix: it covers every platform",)
        )

    def test_check_is_no_computation(self) -> None:
        """A workflow cannot vouch for itself by checking itself."""
        text = "jobs: {m: {steps: [{run: pytest-multiarch matrix --check a.yml}]}}"
        assert not computes_matrix(read(text))

    def test_comment_is_no_computation(self) -> None:
        assert not computes_matrix(read("a: {script: ['# pytest-multiarch matrix']}"))


class TestGitlab:
    def test_hidden_jobs_do_not_run(self) -> None:
        assert list_jobs(read(".a: {script: pytest}")) == ()

    def test_extends(self) -> None:
        text = """
        .matrix: {variables: {A: linux/amd64, B: "1"}}
        .base: {extends: .matrix, script: "pytest --multiarch-platforms $A,$C"}
        test: {extends: [.base], variables: {C: linux/arm64}}
        """
        assert not check(text).gaps

    def test_extends_itself(self) -> None:
        assert len(list_jobs(read("a: {extends: b}\nb: {extends: a, script: pytest}"))) == 2

    def test_includes_are_said(self) -> None:
        assert check("include: a.yml").notes == (
            "what the workflow includes is not read: --check those files too",
        )

    def test_nested_scripts(self) -> None:
        """Anchors in a script make lists of lists."""
        text = "t: {script: [[pytest --multiarch-platforms linux/amd64], [[echo]]]}"
        assert not check(text, rows=ROWS[:1]).gaps

    def test_matrix_is_the_product_of_each_entry(self) -> None:
        assert expand_gitlab_matrix([{"A": ["1", "2"], "B": "3"}, {"C": "4"}]) == (
            {"A": "1", "B": "3"}, {"A": "2", "B": "3"}, {"C": "4"},
        )  # fmt: skip


class TestGithubMatrix:
    """The examples of GitHub's own documentation."""

    def test_product(self) -> None:
        assert len(expand_github_matrix({"a": ["1", "2"], "b": ["x", "y", "z"]})) == 6

    def test_include(self) -> None:
        matrix = {
            "fruit": ["apple", "pear"],
            "animal": ["cat", "dog"],
            "include": [
                {"color": "green"},
                {"color": "pink", "animal": "cat"},
                {"fruit": "apple", "shape": "circle"},
                {"fruit": "banana"},
                {"fruit": "banana", "animal": "cat"},
            ],
        }
        assert expand_github_matrix(matrix) == (
            {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
            {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
            {"fruit": "pear", "animal": "cat", "color": "pink"},
            {"fruit": "pear", "animal": "dog", "color": "green"},
            {"fruit": "banana"},
            {"fruit": "banana", "animal": "cat"},
        )

    def test_exclude(self) -> None:
        matrix = {"a": ["1", "2"], "b": ["x", "y"], "exclude": [{"a": "1", "b": "y"}, {"a": "2"}]}
        assert expand_github_matrix(matrix) == ({"a": "1", "b": "x"},)


class TestHostile:
    def test_matrix_of_a_million_jobs(self) -> None:
        with pytest.raises(UsageError, match="more than 1000 jobs"):
            expand_github_matrix({key: list(map(str, range(10))) for key in "abcdef"})

    def test_many_jobs(self) -> None:
        matrix = ", ".join(f"'{each}'" for each in range(600))
        text = "".join(
            f"{name}: {{script: x, parallel: {{matrix: [{{A: [{matrix}]}}]}}}}\n" for name in "ab"
        )
        with pytest.raises(UsageError, match="more than 1000 jobs"):
            list_jobs(read(text))

    def test_variables_that_multiply(self) -> None:
        variables = {"A": "$B" * 2000, "B": "$C" * 2000, "C": "c" * 2000}
        with pytest.raises(UsageError, match="longer than 1 MiB"):
            list_jobs([{"variables": variables, "t": {"script": "$A" * 2000}}])

    @pytest.mark.parametrize("part", ["${{", "$(", "$[[", "${{ matrix.", "$"])
    def test_expressions_without_an_end(self, part: str) -> None:
        (job,) = list_jobs([{"t": {"script": part * 100_000}}])
        assert job.text
