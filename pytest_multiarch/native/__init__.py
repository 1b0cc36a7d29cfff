"""Small static programs that go into containers, compiled when the package is built."""

from __future__ import annotations

from importlib import resources


def read_program(name: str, slug: str) -> bytes | None:
    """Give a program's binary for a platform (`linux-arm64`), or None if it was not built for it.

    Raises:
        FileNotFoundError: the package was installed without its programs.
    """
    folder = resources.files(__name__).joinpath("bin")
    if not folder.is_dir():
        raise FileNotFoundError(
            "pytest-multiarch was installed without its native programs; "
            "install it with pip, which compiles them: pip install pytest-multiarch"
        )
    binary = folder.joinpath(f"{name}-{slug}")
    return binary.read_bytes() if binary.is_file() else None
