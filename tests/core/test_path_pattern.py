"""Patterns of paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.path_pattern import compile_path_pattern


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/opt/app", "/opt/app", True),
        ("/opt/app", "/opt/app2", False),
        ("/opt/*", "/opt/app", True),
        ("/opt/*", "/opt/app/bin", False),
        ("/opt/**", "/opt/app/bin", True),
        ("/opt/**", "/opt", True),
        ("/opt/**", "/optional", False),
        ("**/*.so", "/usr/lib/a.so", True),
        ("**/*.so", "/a.so", True),
        ("/usr/**/firmware/*", "/usr/firmware/a", True),
        ("/usr/**/firmware/*", "/usr/lib/x/firmware/a", True),
        ("/usr/lib/libx**", "/usr/lib/libx/y", True),
        ("/a?c", "/abc", True),
        ("/a?c", "/a/c", False),
        ("/a[0-9]", "/a5", True),
        ("/a[!0-9]", "/a5", False),
        ("/a[!0-9]", "/a/", False),
        ("/a.b", "/axb", False),
        ("/a[z-a]", "/az", False),
        ("/a[", "/a[", True),
        ("/line\nbreak*", "/line\nbreaks", True),
    ],
)
def test_what_a_pattern_fits(pattern: str, path: str, fits: bool) -> None:
    assert bool(compile_path_pattern(pattern).fullmatch(path)) is fits


@given(st.text(alphabet="/*?[]!-ab\\^."))
def test_any_pattern_compiles(pattern: str) -> None:
    compile_path_pattern(pattern).fullmatch("/a/b")
