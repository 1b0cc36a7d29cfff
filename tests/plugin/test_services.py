"""Services and options in marks: read at collection, with relative paths beside the test."""

from __future__ import annotations

import pytest

from pytest_multiarch.plugin.marks import parse_container_mark
from tests.plugin.conftest import Run


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('with_={"db": "postgres"}', "*with_= is a mapping from names to services*"),
        ('with_=["db"]', "*with_= is a mapping*"),
        ('with_={"my db": service("db:1")}', "*service 'my db'*lower-case*"),
        ('with_={"db": service("No Image")}', "*service 'db'*No Image*"),
        ('with_={"db": service("db:1", mem_limit="1q")}', "*service 'db': mem_limit='1q'*"),
        ('with_={"db": service("db:1", files={"/x": "gone"})}', "*gone' cannot be read*"),
        ('with_={"db": service("db:1", platform="arm46")}', "*service 'db'*did you mean*"),
        ('volumes=[("gone", "/x")]', "*gone' is not there*"),
        ('volumes=[("/", "/x", "rw")]', "*'rw' is not supported*"),
        ("cpus=1", "*has no argument 'cpus'*nano_cpus=*"),
        ('cap_add=["no-such"]', "*'no-such' is no capability*"),
        ('read_only=True, files={"/x": b""}', "*read-only*"),
    ],
)
def test_a_wrong_argument_is_a_collection_error(run: Run, arguments: str, said: str) -> None:
    result = run(
        f"""
        from pytest_multiarch import service

        @pytest.mark.container({arguments})
        def test_x(container):
            pass
        """,
        "--collect-only",
    )
    lines = " ".join(line.strip("E ").strip() for line in result.outlines)
    pytest.LineMatcher([lines]).fnmatch_lines([said])
    result.assert_outcomes(errors=1)


def test_relative_sources_are_beside_the_test(pytester: pytest.Pytester) -> None:
    """Those of services too."""
    from pytest_multiarch import service, source

    folder = pytester.mkdir("tests")
    (folder / "conf").write_text("1")
    mark = pytest.mark.container(
        files={"/a": "conf", "/b": source("conf", mode=0o600)},
        volumes=[("conf", "/c")],
        with_={"db": service("db:1", files={"/d": "conf"}, volumes={"conf": {"bind": "/e"}})},
    ).mark
    settings = parse_container_mark(mark, folder=folder)
    assert [(e.path, e.content) for e in settings.call.files] == [("/a", b"1"), ("/b", b"1")]
    assert settings.call.files[1].mode == 0o600
    assert settings.call.options.volumes[0].source == str(folder / "conf")
    (db,) = settings.services
    assert db.container.call.files[0].content == b"1"
    assert db.container.call.options.volumes[0].source == str(folder / "conf")
