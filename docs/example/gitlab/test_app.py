import pytest


def test_version(variant):
    assert variant.run("app", "--version").stdout == "app 1.4\n"


@pytest.mark.parametrize("number", range(7))
def test_packs(variant, number):
    variant.run("app", "pack", str(number))
