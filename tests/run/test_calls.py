"""One-shot runs and execs: what comes back, deadlines, and that nothing is left behind."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.call import OUTPUT_LIMIT, Call
from pytest_multiarch.core.errors import (
    ContainerError,
    DeadlineError,
    EngineError,
    EngineGoneError,
    OutputTooLargeError,
    ProgramNotFoundError,
    UsageError,
    WrongArchitectureError,
)
from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.index import ImageConfig
from pytest_multiarch.core.wait import EMULATION_STRETCH, RUN_TIMEOUT_S
from pytest_multiarch.run import calls
from pytest_multiarch.run.calls import CallSeen, list_command, run_once
from tests.fake_engine import (
    AMD64,
    LABEL,
    Ending,
    FakeEngine,
    FakeImage,
    make_variant,
    start_container,
)

if TYPE_CHECKING:
    from pytest_multiarch.run.variant import Variant

QEMU = Execution(kind=ExecutionKind.QEMU)


class Recorder:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.seen: list[CallSeen] = []

    def record_call(self, seen: CallSeen) -> None:
        """Keep it."""
        self.seen.append(seen)


def make(engine: FakeEngine | None = None, **commands: Ending) -> Variant:
    """A variant in which `app` does this, or each named command that."""
    return make_variant(engine or FakeEngine(), FakeImage(platform=AMD64, commands=commands))


# Results


def test_exit_code_and_separate_streams() -> None:
    result = make(app=Ending(out=b"\xff\x00\n", err=b"warn\n", exit_code=3)).run("app")
    assert (result.exit_code, result.stdout_bytes, result.stderr) == (3, b"\xff\x00\n", "warn\n")


def test_stdin_is_sent_as_utf_8() -> None:
    assert make(cat=Ending(echoes_stdin=True)).run("cat", stdin="é").stdout_bytes == b"\xc3\xa9"


def test_stdin_is_open_only_if_given() -> None:
    engine = FakeEngine()
    specs = []
    create = engine.create_container
    engine.create_container = lambda spec: specs.append(spec) or create(spec)  # type: ignore[func-returns-value, method-assign]
    variant = make(engine)
    variant.run("app")
    variant.run("app", stdin=b"")
    assert [each.has_stdin for each in specs] == [False, True]
    assert [each.init for each in specs] == [None, None], "the engine's default, as docker run"
    assert all(each.labels[LABEL] == "s1" for each in specs)


def test_every_step_is_timed() -> None:
    timings = make(app=Ending(takes_s=0.02)).run("app").timings
    assert None not in (timings.create_s, timings.start_s, timings.inside_s, timings.remove_s)
    assert timings.wait_s is not None
    assert timings.wait_s >= 0.02


def test_output_beyond_the_limit_is_digested_and_not_kept() -> None:
    out = b"x" * (OUTPUT_LIMIT + 1)
    result = make(app=Ending(out=out)).run("app")
    assert result.out.sha256 == hashlib.sha256(out).hexdigest()
    assert (result.out.size, len(result.out.head)) == (len(out), OUTPUT_LIMIT)
    with pytest.raises(OutputTooLargeError):
        _ = result.stdout


def test_output_at_the_limit_is_whole() -> None:
    assert len(make(app=Ending(out=b"x" * OUTPUT_LIMIT)).run("app").stdout) == OUTPUT_LIMIT


def test_eight_threads_get_their_own_results() -> None:
    engine = FakeEngine()
    commands = {f"app {n}": Ending(out=b"%d" % n, takes_s=0.01) for n in range(40)}
    variant = make_variant(engine, FakeImage(platform=AMD64, commands=commands))
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: variant.run("app", str(n)).stdout, range(40)))
    assert results == [str(n) for n in range(40)]
    assert len(engine.removed) == 40


# The command, as Docker merges it


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (Call(), ("/e", "serve")),
        (Call(argv=("x",)), ("/e", "x")),
        (Call(entrypoint=("sh", "-c"), argv=("x",)), ("sh", "-c", "x")),
        (Call(entrypoint=("sh",)), ("sh",)),
        (Call(entrypoint=("",), argv=("x",)), ("x",)),
        (Call(entrypoint=(), argv=("x",)), ("x",)),
    ],
)
def test_entrypoint_and_command(call: Call, words: tuple[str, ...]) -> None:
    config = ImageConfig(platform=AMD64, entrypoint=("/e",), cmd=("serve",))
    image = FakeImage(platform=AMD64, config=config)
    assert list_command(make_variant(FakeEngine(), image).resolved, call) == words


# Deadlines


def test_a_run_that_does_not_end() -> None:
    engine = FakeEngine()
    variant = make(engine, app=Ending(out=b"working\x1b[31m\n", exit_code=None))
    with pytest.raises(DeadlineError) as caught:
        variant.run("app", timeout=0.05)
    assert caught.value.headline == "'app' did not end within 0.05 s"
    assert "working\\x1b[31m" in caught.value.what, "control characters are shown, not sent"
    assert "timeout=SECONDS" in caught.value.cure
    assert not engine.containers


def test_the_deadline_of_an_image_command_names_it() -> None:
    config = ImageConfig(platform=AMD64, entrypoint=("/e",), cmd=("a b",))
    image = FakeImage(platform=AMD64, config=config, commands={"/e a b": Ending(exit_code=None)})
    with pytest.raises(DeadlineError, match=r"/e .*a b"):
        make_variant(FakeEngine(), image).run(timeout=0.01)


@pytest.mark.parametrize(
    ("execution", "written_s", "limit_s"),
    [
        (None, None, RUN_TIMEOUT_S),
        (QEMU, None, RUN_TIMEOUT_S * EMULATION_STRETCH),
        (QEMU, 5.0, 5.0),
    ],
)
def test_only_default_deadlines_stretch(
    monkeypatch: pytest.MonkeyPatch,
    execution: Execution | None,
    written_s: float | None,
    limit_s: float,
) -> None:
    seen: list[float] = []

    def collect(attachment: Any, stdin: bytes | None, deadline: float, _watch: Any) -> Any:
        seen.append(deadline - calls.time.monotonic())
        raise TimeoutError

    monkeypatch.setattr(calls, "_collect", collect)
    variant = make()
    how = execution or variant.execution
    with pytest.raises(DeadlineError) as caught:
        run_once(variant.node, variant.resolved, how, Call(argv=("app",), timeout_s=written_s))
    assert seen[0] == pytest.approx(limit_s, abs=1)
    assert ("longer under emulation" in caught.value.what) == (how.is_emulated and not written_s)


# Clean-up


@pytest.mark.parametrize("error", [EngineGoneError("gone"), KeyboardInterrupt(), ValueError("x")])
@pytest.mark.parametrize(
    "method", ["put_files", "stat_path", "attach", "start_container", "wait_container"]
)
def test_nothing_is_left_after_a_failure(method: str, error: BaseException) -> None:
    engine = FakeEngine()
    variant = make(engine)
    engine.fail[method] = [error]
    with pytest.raises(type(error)):
        variant.run("app", files={"/x": b""})
    assert not engine.containers
    assert engine.open_attachments == 0


def test_a_failure_is_not_hidden_by_one_of_removing() -> None:
    engine = FakeEngine()
    variant = make(engine)
    engine.fail = {
        "start_container": [ContainerError("first")],
        "remove_container": [EngineGoneError("second")],
    }
    with pytest.raises(ContainerError, match="first"):
        variant.run("app")


def test_what_could_not_be_removed_is_swept_at_the_end() -> None:
    engine = FakeEngine()
    variant = make(engine)
    engine.fail = {"start_container": [ContainerError("x")], "remove_container": [EngineError("y")]}
    with pytest.raises(ContainerError):
        variant.run("app")
    assert engine.containers
    variant.node.close()
    assert not engine.containers


# The kernel's refusals


@pytest.mark.parametrize(
    ("text", "exit_code"),
    [
        (b"exec /app: exec format error\n", 1),
        (b"exec /app: exec format error", 255),
        (b"standard_init_linux.go:228: exec user process caused: exec format error\n", 1),
        (b"[FATAL tini (7)] exec app failed: Exec format error\n", 1),
        (b'{"msg":"exec container process `/app`: Exec format error","level":"error"}\n', 1),
    ],
)
def test_exec_format_error_is_no_result(text: bytes, exit_code: int) -> None:
    with pytest.raises(WrongArchitectureError, match="kernel refused"):
        make(app=Ending(err=text, exit_code=exit_code)).run("app")


@pytest.mark.parametrize(
    "ending",
    [
        Ending(err=b"exec /app: exec format error\n", exit_code=0),
        Ending(err=b"sh: ./x: Exec format error\n", exit_code=126),
        Ending(err=b"exec /app: exec format error\nand more\n", exit_code=1),
        Ending(out=b"result\n", err=b"exec /app: exec format error\n", exit_code=1),
    ],
)
def test_what_a_program_says_itself_is_a_result(ending: Ending) -> None:
    assert make(app=ending).run("app").exit_code == ending.exit_code


def test_exec_format_error_of_an_exec() -> None:
    refused = Ending(err=b"exec /x: exec format error\n", exit_code=1)
    container = start_container(FakeEngine(), FakeImage(platform=AMD64, commands={"/x": refused}))
    with pytest.raises(WrongArchitectureError):
        container.exec("/x")


# Execs


def test_an_exec_that_never_started_has_the_runtimes_words() -> None:
    engine = FakeEngine()
    words = b'exec failed: exec: "x y": executable file not found in $PATH\r\n'
    image = FakeImage(platform=AMD64, commands={"x y": Ending(out=words, exit_code=126)})
    container = start_container(engine, image)
    engine.fail["read_exec_exit_code"] = [ProgramNotFoundError("it", cure="write 'x', 'y'")]
    with pytest.raises(
        ProgramNotFoundError, match=r"'x y' could not be started.*not found"
    ) as caught:
        container.exec("x y")
    assert caught.value.cure == "write 'x', 'y'"


def test_an_exec_in_a_container_that_has_ended() -> None:
    engine = FakeEngine()
    container = start_container(
        engine, FakeImage(platform=AMD64, commands={"": Ending(exit_code=None, err=b"panic: x\n")})
    )
    engine.containers[container.id].ending = Ending(exit_code=139)
    with pytest.raises(ContainerError, match="ended with exit code 139") as caught:
        container.exec("app")
    assert "panic: x" in caught.value.what


def test_an_exec_that_does_not_end() -> None:
    engine = FakeEngine()
    image = FakeImage(platform=AMD64, commands={"app": Ending(exit_code=None)})
    container = start_container(engine, image)
    with pytest.raises(DeadlineError, match=r"'app' did not end within 0.01 s"):
        container.exec("app", timeout=0.01)
    assert engine.open_attachments == 0


# What is observed


def test_a_run_is_recorded_whether_it_is_observed_or_not() -> None:
    recorder = Recorder()
    variant = make_variant(FakeEngine(), recorder=recorder)
    variant.run("app", label="mine")
    variant.run("app", observe=False)
    assert [(e.kind, e.label, e.is_observed) for e in recorder.seen] == [
        ("run", "mine", True), ("run", None, False)
    ]  # fmt: skip


def test_the_names_that_a_container_alone_has_are_known() -> None:
    recorder = Recorder()
    engine = FakeEngine()
    make_variant(engine, recorder=recorder).run("app")
    (container_id,) = engine.removed
    assert recorder.seen[0].known[container_id] == "<container>"
    assert recorder.seen[0].known[container_id[:12]] == "<container>"


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"env": {"A": 1}}, "value of 'A' is int, not text"),
        ({"env": {"A=B": "x"}}, "not the name of an environment variable"),
        ({"stdin": 5}, "stdin is int"),
        ({"timeout": 0}, "not a positive number"),
        ({"timeout": True}, "not a positive number"),
        ({"timeout": float("nan")}, "not a positive number"),
        ({"timeout": "5"}, "not a positive number"),
        ({"files": {"relative": b""}}, "not absolute"),
        ({"files": {"/x": "/no/such/file"}}, "cannot be read"),
        ({"files": {"/x": 5}}, "int is neither content nor a path"),
        ({"entrypoint": [["a"]]}, "separate arguments"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_created(
    options: dict[str, Any], message: str
) -> None:
    engine = FakeEngine()
    variant = make(engine)
    with pytest.raises(UsageError, match=message) as caught:
        variant.run("app", **options)
    assert "secret" not in str(caught.value)
    assert engine.count("create_container") == 0


def test_a_command_in_one_list() -> None:
    with pytest.raises(UsageError, match="separate arguments") as caught:
        make().run(["app", "x"])  # type: ignore[arg-type]
    assert "run('app', 'x')" in caught.value.cure
