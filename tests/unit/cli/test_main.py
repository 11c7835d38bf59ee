"""The `ste` command: quick help, and an exit status that tells wrong input from failure."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from ste_fairseq2 import __version__
from ste_fairseq2.cli import main
from ste_fairseq2.errors import ConfigError, EngineError

HEAVY = {"torch", "transformers", "tokenizers", "vllm", "fairseq2", "fairseq2n", "datasets", "numpy"}

COMMANDS = sorted(main._COMMANDS)


def loaded_after(code: str) -> set[str]:
    """Return which heavy libraries a fresh interpreter has loaded after running ``code``."""
    report = f"import sys; print('loaded', *({HEAVY!r} & sys.modules.keys()))"
    output = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    return set(output.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("argv", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_loads_nothing_heavy(argv: list[str]) -> None:
    code = (
        "from ste_fairseq2.cli.main import dispatch\n"
        f"try: assert dispatch({argv!r}) == 0\n"
        "except SystemExit as ex: assert ex.code in (0, None), ex.code"
    )

    assert loaded_after(code) == set()


def test_package_itself_loads_nothing_heavy() -> None:
    assert loaded_after("import ste_fairseq2") == set()


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.dispatch(["--help"]) == 0

    text = capsys.readouterr().out
    assert all(f"\n  {name} " in text for name in COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.dispatch(["--version"]) == 0
    assert capsys.readouterr().out == f"ste {__version__}\n"


def test_no_command_shows_the_usage() -> None:
    assert main.dispatch([]) == 2


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.dispatch(["jugde"]) == 2
    assert "`jugde` is not a command; it has demo, select," in capsys.readouterr().err


def test_unknown_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.dispatch(["make-tiny-model", "--outptu", "x"])

    assert caught.value.code == 2


def test_missing_flag_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.dispatch(["make-tiny-model"]) == 2
    assert capsys.readouterr().err == (
        "ste make-tiny-model: `output` must be given; "
        "pass `--output` or set it in the `--config` file.\n"
    )


def _raising(error: BaseException) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


@pytest.mark.parametrize(
    ("call", "status", "message"),
    [
        (lambda: None, 0, ""),
        (lambda: 3, 3, ""),
        (_raising(ConfigError("seed", "must be positive.")), 2, "ste x: `seed` must be positive.\n"),
        (_raising(EngineError("the engine died.")), 1, "ste x: the engine died.\n"),
        (
            _raising(KeyboardInterrupt()),
            130,
            "ste x: interrupted; run the same command again to go on.\n",
        ),
    ],
)
def test_exit_status(
    call: Callable[[], int | None], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run_guarded("ste x", call) == status
    assert capsys.readouterr().err == message


def test_bug_keeps_its_trace() -> None:
    with pytest.raises(ZeroDivisionError):
        main.run_guarded("ste x", lambda: 1 // 0)


def test_reader_that_goes_away_is_no_failure_to_explain() -> None:
    """`ste … | head -1` ends quietly, as other tools do."""
    code = (
        "from ste_fairseq2.cli.main import run_guarded\n"
        "import sys\n"
        "def call():\n"
        "    for i in range(100_000): print(i)\n"
        "sys.exit(run_guarded('ste x', call))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()

    assert process.stderr.read() == ""
    assert process.wait() == 1
