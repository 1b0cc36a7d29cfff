"""What the plugin keeps on pytest's objects: typed stash keys, and nothing else anywhere."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_multiarch.core.build import Build
    from pytest_multiarch.core.errors import MultiarchError
    from pytest_multiarch.core.inspected import Inspected
    from pytest_multiarch.core.normalize import TextFunction
    from pytest_multiarch.core.parity import Verdict
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.settings import Settings
    from pytest_multiarch.plugin.groups import Membership
    from pytest_multiarch.plugin.marks import Declarations
    from pytest_multiarch.plugin.recipes import RecipeKeeper
    from pytest_multiarch.plugin.replaying import Replayer
    from pytest_multiarch.plugin.trace import Trace
    from pytest_multiarch.run.progress import Progress, ShowBuild, ShowProgress
    from pytest_multiarch.run.session import Session


class PluginState:
    """One pytest process's part of a run.

    `run_id` is the same in all processes of a run, `worker` is empty outside of xdist. `selected`
    are the platforms that tests of this process will run on, `current` is the id of the test
    under way. `collected` are our tests for a record, also those whose platforms are not selected;
    `announced` names what this process has told of images and nodes, `inspected` is what it has
    yet to tell of images that it looked at, `builds` of those that it built. `items` are the
    tests that will run. `recipe_folder` is where workers of xdist leave what it takes to make their
    calls again, empty in a lone process.
    """

    def __init__(self, config: pytest.Config, *, run_id: str, worker: str) -> None:
        self._config = config
        self.run_id = run_id
        self.worker = worker
        self.session: Session | None = None
        self.selected: set[Platform] = set()
        self.current = ""
        self.collected: list[pytest.Item] = []
        self.announced: set[str] = set()
        self.inspected: dict[str, dict[str, Any]] = {}
        self.recipe_folder = ""
        self.replayer: Replayer | None = None
        self.builds: dict[str, dict[str, Any]] = {}
        self.has_builds = False
        self.items: Sequence[pytest.Item] = ()
        self._explained: dict[str, str] = {}

    @cached_property
    def settings(self) -> Settings:
        """The settings of the run, read when they are first needed.

        Raises:
            pytest.UsageError: an option or the configuration file is wrong.
        """
        from pytest_multiarch.plugin.options import read_settings

        return read_settings(self._config)

    @cached_property
    def _progress(self) -> Progress | None:
        from pytest_multiarch.plugin.progress import make_progress

        return make_progress(self._config)

    @property
    def show_progress(self) -> ShowProgress:
        """What shows that something takes long while no test ends."""
        from pytest_multiarch.run.progress import show_nothing

        return self._progress.show if self._progress else show_nothing

    @property
    def show_build(self) -> ShowBuild:
        """What shows how far a build is."""
        from pytest_multiarch.run.progress import show_no_build

        return self._progress.show_platforms if self._progress else show_no_build

    @cached_property
    def recipes(self) -> RecipeKeeper | None:
        """What keeps what it takes to make calls again; None if they are not to be."""
        from pytest_multiarch.plugin.recipes import RecipeMemory, WorkerRecipes

        if not self.settings.replay.value or self.settings.parity == "off":
            return None
        if self.worker:
            return WorkerRecipes(self.recipe_folder, self.worker)
        return RecipeMemory()

    def close_recipes(self) -> None:
        """Let go of the recipes, if there are any."""
        recipes = self.__dict__.get("recipes")
        if recipes is not None:
            recipes.close()

    @cached_property
    def declared(self) -> Declarations:
        """What tests declare."""
        from pytest_multiarch.plugin.marks import Declarations

        return Declarations(self.settings, self._find_normalizers)

    def check_settings(self) -> None:
        """Read the settings now if there are any.

        Raises:
            pytest.UsageError: one of them is wrong.
        """
        from pytest_multiarch.plugin.options import needs_check

        if needs_check(self._config):
            _ = self.settings

    def check_rules(self) -> None:
        """Read the configured rules now if there are any; they may name normalizers of plugins.

        Raises:
            pytest.UsageError: one of them is wrong.
        """
        from pytest_multiarch.plugin.options import needs_check

        if needs_check(self._config) and (
            self.settings.normalize.value or self.settings.allow.value
        ):
            self.declared.check_default_rules()

    def _find_normalizers(self) -> Mapping[str, TextFunction]:
        from pytest_multiarch.plugin.asking import gather_normalizers

        return gather_normalizers(self._config)

    @property
    def fails_unstable(self) -> bool:
        """Whether a difference in what varies by itself is a failure."""
        return self.settings.unstable.value == "fail"

    def settle(self, verdict: Verdict) -> Verdict:
        """Say of a verdict why members did not do the same."""
        if not verdict.needs_diagnosis:
            return verdict
        from pytest_multiarch.core.settling import settle_verdict

        return settle_verdict(verdict, fails_unstable=self.fails_unstable)

    def note_inspected(self, reference: str, inspected: Inspected) -> None:
        """Have what was learned of an image told with the next test that ends, once."""
        from pytest_multiarch.core.inspected import lay_over

        document = inspected.to_mapping()
        text = f"inspected {reference} {json.dumps(document, sort_keys=True)}"
        if text not in self.announced:
            self.announced.add(text)
            lay_over(self.inspected.setdefault(reference, {}), document)

    def note_build(self, build: Build) -> None:
        """Have what was built told with the next test that ends, once."""
        self.has_builds = True
        if f"build {build.key}" not in self.announced:
            self.announced.add(f"build {build.key}")
            self.builds[build.key] = build.to_mapping()

    def explain(self, error: MultiarchError) -> str:
        """Give an error's message: whole for the first test that has it, a line for the others."""
        first = self._explained.setdefault(error.what, self.current)
        if first == self.current:
            return str(error)
        return f"{error.headline}\n(the same as in {first}, which says more)"


RUN_INPUT = "multiarch_run"
"""What a worker of xdist is told: the id of its run."""
RECIPES_INPUT = "multiarch_recipes"
"""What a worker of xdist is told: the folder of its session's recipes."""
STATE: pytest.StashKey[PluginState] = pytest.StashKey()
MEMBERSHIP: pytest.StashKey[Membership] = pytest.StashKey()
TRACE: pytest.StashKey[Trace] = pytest.StashKey()

PARAM = "_multiarch_platform"
"""The parameter of tests that run on one platform each."""
IMAGE_PARAM = "_multiarch_configured_image"
"""The parameter of tests that have all platforms at once, where several images are configured."""
METER = "multiarch_overhead"
"""The fixture of tests that measure; they have all their platforms at once too."""
SPREAD = "multiarch_variants"
"""The fixture of tests that have all their platforms at once."""


def find_session(config: pytest.Config) -> Session:
    """Give the session of this process, made when it is first needed."""
    state = config.stash[STATE]
    if state.session is None:
        from pytest_multiarch.plugin.wiring import open_session

        state.session = open_session(state, config.rootpath)
    return state.session
