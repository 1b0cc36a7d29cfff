"""The values of environment variables that a test passes stay out of what pytest reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.suite import Suite

pytestmark = pytest.mark.needs_engine("main")


def test_a_program_that_prints_them(suite: Suite, images: Mapping[str, str]) -> None:
    suite.write(
        "test_it.py",
        f"""
        import pytest

        pytestmark = [
            pytest.mark.image("{images["sample"]}"),
            pytest.mark.platforms("linux/amd64", "linux/arm64"),
        ]

        def test_prints(variant):
            words = "echo $PASSWORD; app char"
            variant.run("sh", "-c", words, env={{"PASSWORD": "".join(["hunter2", "hunter2"])}})
        """,
    )
    finished = suite.run()
    assert finished.exit_code == 1
    assert "<PASSWORD>" in finished.output
    assert "hunter2hunter2" not in finished.output
    assert "hunter2hunter2" not in (suite.folder / "junit.xml").read_text()
