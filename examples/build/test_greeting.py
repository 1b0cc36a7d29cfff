"""An image that is built for its tests, before anything is pushed anywhere.

The image that it stands on is made by examples/image/build. Then:

    pytest examples/build --multiarch-record=record.json
    pytest-multiarch publish record.json --tag ghcr.io/acme/greeting:1.4
"""


def test_greeting(variant):
    assert variant.run("app", "cat", "/etc/greeting").stdout == "hello\n"
