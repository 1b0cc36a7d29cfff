"""The `parity` fixture: observations of the test's own."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import (
    UsageError,
)
from pytest_multiarch.core.observation import make_check
from pytest_multiarch.core.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_multiarch.core.copied_file import Surroundings
    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.plugin.trace import Trace
    from pytest_multiarch.run.container import Container


class ParityChecker:
    """Takes observations of a test's own."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def check(
        self,
        label: str,
        value: object,
        *,
        rel: float = 0.0,
        abs: float = 0.0,
        unordered: bool | str | Sequence[str] = False,
        platform: Platform | str | None = None,
    ) -> None:
        """Observe a value: it has to be the same on all platforms of the test.

        `value` is anything that JSON holds, a set, or bytes, of which size, digest and both ends
        are kept. Numbers may differ by `rel` times the larger one, or by `abs`. `unordered` says
        that the order of lists does not count: of all, or of those at a path such as
        `$.rows[*].tags`. `platform` says whose value it is, in a test that has all `variants`
        at once.

        Raises:
            UsageError: JSON cannot hold the value, or it is not clear whose it is.
        """
        observation = make_check(
            label,
            value,
            rel=rel,
            abs=abs,
            unordered=unordered,
            without=self._trace.rules.structure.without,
            normalizers=self._trace.rules.normalizers,
        )
        if self._trace.is_observed:
            self._trace.add(self._find_platform(platform), observation)

    def check_file(
        self,
        container: Container,
        path: str,
        *,
        label: str | None = None,
        json: bool = False,
        rel: float = 0.0,
        abs: float = 0.0,
        unordered: bool | str | Sequence[str] = False,
    ) -> None:
        """Observe a file in a container: its content, mode and owner.

        Text is normalized by the rules of the test, bytes are compared as such. With `json` the
        content is compared by value, with a tolerance as in `check`. Without `label` it goes by
        its path; a link is followed.

        Raises:
            ContainerError: there is no such path.
            UsageError: it is no file, or an argument is wrong.
        """
        from pytest_multiarch.core.copied_file import observe_file
        from pytest_multiarch.core.rules import make_structure

        structure = make_structure(
            {"content": "json" if json else "text"}, rel, abs, unordered, what="parity.check_file"
        )
        where = self._look_around(container)
        with closing(container.list_files(path)) as files:
            file = next(files)
        observation = observe_file(
            file,
            where,
            label=path if label is None else label,
            structure=replace(structure, without=self._trace.rules.structure.without),
        )
        self._add_of(container, observation)

    def check_tree(
        self,
        container: Container,
        path: str,
        *,
        label: str | None = None,
        ignore: Sequence[str] = (),
    ) -> None:
        """Observe a folder in a container: all paths below it, their modes, owners and contents.

        Times do not count, nor does the content of programs (ELF). `ignore` are patterns of paths
        below it that are left out: `cache/**`. Without `label` it goes by its path.

        Raises:
            ContainerError: there is no such path.
            UsageError: there are too many files, or an argument is wrong.
        """
        from pytest_multiarch.core.copied_file import observe_tree

        patterns = (ignore,) if isinstance(ignore, str) else tuple(ignore)
        observation = observe_tree(
            container.list_files(path),
            self._look_around(container),
            label=path if label is None else label,
            ignore=patterns,
        )
        self._add_of(container, observation)

    def _look_around(self, container: Container) -> Surroundings:
        from pytest_multiarch.core.copied_file import Surroundings

        return Surroundings(
            platform=container.platform,
            rules=self._trace.rules,
            known=container.name_known(),
            history=container.history,
        )

    def _add_of(self, container: Container, observation: Observation) -> None:
        if self._trace.is_observed:
            self._trace.add(self._find_platform(container.platform), observation)

    def _find_platform(self, platform: Platform | str | None) -> Platform:
        platforms = self._trace.platforms
        if platform is None:
            if len(platforms) == 1:
                return platforms[0]
            raise UsageError(
                "parity.check: this test has several platforms at once",
                cure="say whose value it is: parity.check(label, value, platform=...)",
            )
        wanted = Platform.parse(platform) if isinstance(platform, str) else platform
        if wanted not in platforms:
            raise UsageError(
                f"parity.check: {wanted} is not a platform of this test",
                cure=f"it has {', '.join(map(str, platforms))}",
            )
        return wanted
