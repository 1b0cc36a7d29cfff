"""Rows of a CI matrix: which there are, on which runner, and how each service is told."""

from __future__ import annotations

import json

import pytest
import yaml

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.matrix import (
    CollectedGroup,
    MatrixRow,
    choose_runner,
    format_github,
    format_gitlab,
    format_json,
    list_untested,
    make_rows,
)
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.settings import Runners

AMD64, I386, ARM64, ARM_V7, S390X = map(
    Platform.parse, ("linux/amd64", "linux/386", "linux/arm64", "linux/arm/v7", "linux/s390x")
)
ARM_RUNNER = ("ubuntu-24.04-arm",)
WITH_ARM = Runners(by_platform={ARM64: ARM_RUNNER})


def make_group(*selected: Platform, image: str = "", declared: tuple[Platform, ...] = ()):
    """Make a collected group."""
    return CollectedGroup(
        name="test_x", declared=declared or selected, selected=selected, image=image
    )


def make_row(**changes: object) -> MatrixRow:
    """Make a row."""
    values = {"platform": ARM64, "runner": ARM_RUNNER, "execution": "native", "tests": 3}
    return MatrixRow(**{**values, **changes})


class TestMakeRows:
    def test_is_the_union_of_platforms_in_the_order_of_the_tests(self) -> None:
        rows = make_rows([make_group(AMD64, ARM64), make_group(S390X, AMD64)], Runners())
        assert [row.platform for row in rows] == [AMD64, ARM64, S390X]

    def test_counts_tests(self) -> None:
        rows = make_rows([make_group(AMD64, ARM64), make_group(AMD64)], Runners())
        assert [row.tests for row in rows] == [2, 1]

    def test_takes_only_what_is_left_to_run(self) -> None:
        """A job that would run no test fails; so there is none."""
        rows = make_rows([make_group(AMD64, declared=(AMD64, ARM64))], Runners())
        assert [row.platform for row in rows] == [AMD64]

    def test_has_a_row_for_each_image_and_its_platforms(self) -> None:
        groups = [make_group(AMD64, ARM64, image="alpine"), make_group(AMD64, image="debian")]
        rows = make_rows(groups, Runners())
        assert [row.name for row in rows] == [
            "alpine-linux-amd64", "debian-linux-amd64", "alpine-linux-arm64",
        ]  # fmt: skip

    def test_counts_tests_with_an_image_of_their_own_in_each_row_of_their_platform(self) -> None:
        rows = make_rows([make_group(AMD64, image="alpine"), make_group(AMD64)], Runners())
        assert [(row.image, row.tests) for row in rows] == [("alpine", 2)]

    def test_has_a_row_without_image_where_only_such_tests_run(self) -> None:
        rows = make_rows([make_group(AMD64, image="alpine"), make_group(S390X)], Runners())
        assert [(row.image, row.platform) for row in rows] == [("alpine", AMD64), ("", S390X)]

    def test_a_platform_that_is_not_configured_only_selects(self) -> None:
        """Else tests that declare none would run on it, in this job alone."""
        rows = make_rows([make_group(AMD64, S390X)], Runners(), configured=[AMD64, ARM64])
        assert ["--multiarch-select-only" in row.args for row in rows] == [False, True]

    def test_without_configured_platforms_nothing_can_give_way(self) -> None:
        (row,) = make_rows([make_group(S390X)], Runners())
        assert "--multiarch-select-only" not in row.args

    def test_of_nothing_is_nothing(self) -> None:
        assert make_rows([], Runners()) == ()


class TestChooseRunner:
    @pytest.mark.parametrize("text", ["linux/amd64", "linux/386", "linux/amd64/v3"])
    def test_default_is_native_for_what_an_amd64_machine_runs(self, text: str) -> None:
        found = choose_runner(Platform.parse(text), Runners())
        assert found == (("ubuntu-latest",), "native")

    @pytest.mark.parametrize("platform", [ARM64, ARM_V7, S390X], ids=str)
    def test_default_emulates_the_rest(self, platform: Platform) -> None:
        assert choose_runner(platform, Runners())[1] == "emulated"

    def test_named_runner_is_native(self) -> None:
        assert choose_runner(ARM64, WITH_ARM) == (ARM_RUNNER, "native")

    def test_named_runner_of_another_platform_is_not_used(self) -> None:
        assert choose_runner(ARM_V7, WITH_ARM) == (("ubuntu-latest",), "emulated")

    @pytest.mark.parametrize(
        "runners",
        [
            Runners(default=("big",), by_platform={ARM64: ("big",)}),
            Runners(default=("saas-linux-small-arm64",)),
            Runners(default=("self-hosted", "ARM64")),
        ],
        ids=["named for arm64", "label ends in arm64", "one label of two"],
    )
    def test_default_that_is_an_arm64_machine(self, runners: Runners) -> None:
        executions = [choose_runner(platform, runners)[1] for platform in (ARM64, AMD64, I386)]
        assert executions == ["native", "emulated", "emulated"]

    def test_label_that_only_contains_the_letters_arm(self) -> None:
        assert choose_runner(AMD64, Runners(default=("farm-7",)))[1] == "native"


class TestRow:
    def test_args(self) -> None:
        assert " ".join(make_row().args) == (
            "--multiarch-platforms linux/arm64 --multiarch-record=multiarch-linux-arm64.json"
        )

    def test_args_with_an_image(self) -> None:
        assert " ".join(make_row(image="alpine").args) == (
            "--multiarch-platforms linux/arm64 --multiarch-image alpine "
            "--multiarch-record=multiarch-alpine-linux-arm64.json"
        )


class TestFormatGithub:
    def test_is_one_line(self) -> None:
        """`>> $GITHUB_OUTPUT` takes `name=value` lines."""
        assert "\n" not in format_github([make_row(), make_row()])

    def test_row(self) -> None:
        assert json.loads(format_github([make_row(image="alpine")])) == {
            "include": [
                {
                    "platform": "linux/arm64",
                    "name": "alpine-linux-arm64",
                    "runner": "ubuntu-24.04-arm",
                    "execution": "native",
                    "image": "alpine",
                    "tests": 3,
                    "args": "--multiarch-platforms linux/arm64 --multiarch-image alpine "
                    "--multiarch-record=multiarch-alpine-linux-arm64.json",
                }
            ]
        }

    def test_several_labels_are_a_list(self) -> None:
        shown = json.loads(format_github([make_row(runner=("self-hosted", "ARM64"))]))
        assert shown["include"][0]["runner"] == ["self-hosted", "ARM64"]


class TestFormatJson:
    def test_labels_and_arguments_are_always_lists(self) -> None:
        (row,) = json.loads(format_json([make_row()]))
        assert (row["runner"], row["args"][:2]) == (
            ["ubuntu-24.04-arm"], ["--multiarch-platforms", "linux/arm64"],
        )  # fmt: skip


class TestFormatGitlab:
    def test_job(self) -> None:
        assert yaml.safe_load(format_gitlab([make_row()])) == {
            ".multiarch": {
                "tags": ["$RUNNER"],
                "variables": {
                    "ARGS": "--multiarch-platforms $PLATFORM "
                    "--multiarch-record=multiarch-$NAME.json"
                },
                "parallel": {
                    "matrix": [
                        {
                            "PLATFORM": "linux/arm64",
                            "EXECUTION": "native",
                            "RUNNER": "ubuntu-24.04-arm",
                            "NAME": "linux-arm64",
                        }
                    ]
                },
            }
        }

    def test_images_are_variables(self) -> None:
        rows = [make_row(image="alpine"), make_row(platform=S390X)]
        job = yaml.safe_load(format_gitlab(rows))[".multiarch"]
        assert [each["IMAGE_ARGS"] for each in job["parallel"]["matrix"]] == [
            "--multiarch-image alpine", "",
        ]  # fmt: skip
        assert " $IMAGE_ARGS " in job["variables"]["ARGS"]

    def test_refuses_several_labels(self) -> None:
        with pytest.raises(UsageError, match="one tag only"):
            format_gitlab([make_row(runner=("self-hosted", "ARM64"))])

    def test_refuses_the_label_of_github(self) -> None:
        """No GitLab runner has it: the job would wait for ever."""
        with pytest.raises(UsageError, match="label of GitHub"):
            format_gitlab([make_row(runner=("ubuntu-latest",))])


def test_list_untested() -> None:
    groups = [make_group(AMD64, declared=(AMD64, ARM64))]
    assert list_untested(groups, [S390X, AMD64, ARM64, S390X]) == (S390X, ARM64)


def test_collected_group_survives_json() -> None:
    group = CollectedGroup(
        name="test_x[a]", declared=(AMD64, ARM_V7), selected=(ARM_V7,), baseline=AMD64, image="b"
    )
    assert CollectedGroup.from_mapping(json.loads(json.dumps(group.to_mapping()))) == group
