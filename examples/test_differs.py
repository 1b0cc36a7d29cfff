"""A divergence, on purpose: every test passes on every platform, and yet they differ.

C leaves it to the platform whether a plain `char` is signed. On amd64 it is, on arm and s390x it is
not. No assertion finds that, since no one thought of it; the comparison does.
"""

from __future__ import annotations

import pytest

pytestmark = [
    pytest.mark.image("multiarch-demo:1"),
    pytest.mark.platforms("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x"),
]


def test_char(variant):
    result = variant.run("app", "char")
    assert result.exit_code == 0
