"""Small static programs that go into containers, compiled when the package is built."""

from __future__ import annotations

from importlib import resources


def read_program(name: str, slug: str) -> bytes | None:
    """Give a program's binary for a platform (`linux-arm64`), or None if there is none for it.

    Where a platform names a processor level (`linux-amd64-v3`), it is the binary of the highest
    level that is not above it.

    Raises:
        FileNotFoundError: the package was installed without its programs.
    """
    base = "-".join(slug.split("-")[:2])
    fitting = [
        target
        for target in list_targets(name)
        if target == base or (target.startswith(f"{base}-") and target <= slug)
    ]
    if not fitting:
        return None
    return resources.files(__name__).joinpath("bin").joinpath(f"{name}-{max(fitting)}").read_bytes()


def list_targets(name: str) -> tuple[str, ...]:
    """List the platforms that a program was compiled for, as in `linux-arm-v7`, sorted.

    Raises:
        FileNotFoundError: the package was installed without its programs.
    """
    folder = resources.files(__name__).joinpath("bin")
    files = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    targets = sorted(file[len(name) + 1 :] for file in files if file.startswith(f"{name}-"))
    if not targets:
        raise FileNotFoundError(
            f"pytest-multiarch was installed without its native program {name!r}; pip compiles it: "
            "`pip install --force-reinstall pytest-multiarch`, in a checkout `pip install -e .`"
        )
    return tuple(targets)
