"""`ste judge` as a user runs it; the last test starts vLLM on the tiny model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.cli.main import dispatch
from ste_fairseq2.jsonl import read_rows

_STE = (sys.executable, "-c", "from ste_fairseq2.cli.main import main; main()")


def _write(path: Path, *lines: str) -> Path:
    path.write_text("".join(line + "\n" for line in lines))
    return path


def _pair(**fields: Any) -> str:
    return json.dumps({"input": "q", "response_a": "a", "response_b": "b"} | fields)


def _rows(folder: Path) -> dict[str, dict[str, Any]]:
    rows = [dict(row.data) for row in read_rows(folder / "records-00000.jsonl")]
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row for row in rows}


class TestInputThatIsWrong:
    """Each is one sentence on standard error, exit status 2, and leaves nothing half-written."""

    def _fail(
        self, capsys: pytest.CaptureFixture[str], output: Path, inputs: Path, model: Path, *flags: str
    ) -> str:
        command = ["judge", "--inputs", str(inputs), "--model", str(model), "--output", str(output)]

        assert dispatch([*command, *flags]) == 2

        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("ste judge: ")
        assert captured.err.count("\n") == 1
        assert not output.exists() or [p.name for p in output.iterdir()] == ["quarantine.jsonl"]
        return captured.err

    def test_a_folder_that_is_no_model(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        inputs = _write(tmp_path / "in.jsonl", _pair())

        message = self._fail(capsys, tmp_path / "out", inputs, tmp_path)

        assert "it has no `config.json`" in message

    def test_a_file_that_is_not_there(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_model: Path
    ) -> None:
        message = self._fail(capsys, tmp_path / "out", tmp_path / "in.jsonl", tiny_model)

        assert "in.jsonl` does not exist" in message

    def test_an_empty_file(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_model: Path
    ) -> None:
        message = self._fail(capsys, tmp_path / "out", _write(tmp_path / "in.jsonl"), tiny_model)

        assert "holds no usable record" in message

    @pytest.mark.parametrize("line", ["{", "[1]", '{"input": "q"}', _pair(label="C")])
    def test_a_file_of_broken_rows(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_model: Path, line: str
    ) -> None:
        inputs = _write(tmp_path / "in.jsonl", _pair(), line)

        message = self._fail(capsys, tmp_path / "out", inputs, tiny_model)

        assert "1 of 2 rows are malformed" in message
        assert f"the first is {inputs}:2: " in message

    def test_a_prompt_that_is_not_known(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_model: Path
    ) -> None:
        inputs = _write(tmp_path / "in.jsonl", _pair())

        message = self._fail(capsys, tmp_path / "out", inputs, tiny_model, "--prompt", "jury")

        assert "prompt `jury` is neither a file nor one of judge" in message

    def test_samples_that_would_all_be_the_same(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_model: Path
    ) -> None:
        inputs = _write(tmp_path / "in.jsonl", _pair())

        message = self._fail(capsys, tmp_path / "out", inputs, tiny_model, "--samples", "3")

        assert "`samples` above 1 are all the same at temperature 0" in message


def test_help_does_not_import_torch() -> None:
    code = (
        "import sys; from ste_fairseq2.cli.main import dispatch\n"
        "try: dispatch(['judge', '--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'vllm', 'transformers', 'datasets'} & set(sys.modules)"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "--both-orders" in result.stdout


def test_a_killed_run_ends_like_one_that_was_not(tmp_path: Path, tiny_model: Path, sample: Path) -> None:
    def command(output: str) -> list[str]:
        # Few prompts at a time, so that there is a middle to kill the run in.
        options = ["--engine-options", "dtype=float32", "max_num_seqs=2", "--max-tokens", "32"]
        inputs = ["--inputs", str(sample / "pairs.jsonl"), "--model", str(tiny_model), "--both-orders"]
        return [*_STE, "judge", *inputs, "--output", str(tmp_path / output), *options]

    def start(output: str, **pipes: Any) -> subprocess.Popen[str]:
        # Threads that wait for each other are slow where processes share few cores.
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            command(output), text=True, start_new_session=True, env=environment, **pipes
        )

    unbroken = start("unbroken", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    killed = start("killed", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    records = tmp_path / "killed" / "records-00000.jsonl"
    while not (records.exists() and records.read_bytes().count(b"\n") >= 4):
        assert killed.poll() is None
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    with records.open("ab") as stream:
        stream.write(b'{"id": "half a li')
    num_survivors = records.read_bytes().count(b"\n")

    resumed = start("killed", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    table, _ = unbroken.communicate(timeout=300)

    num_rows = 2 * len(list(read_rows(sample / "pairs.jsonl")))
    assert (unbroken.returncode, resumed.wait(timeout=300)) == (0, 0)
    assert num_survivors < num_rows
    assert len(_rows(tmp_path / "killed")) == num_rows
    assert _rows(tmp_path / "killed") == _rows(tmp_path / "unbroken")
    assert f"{num_rows} judgements" in table
    assert "same answer in both orders" in table

    again = subprocess.run(command("killed"), capture_output=True, text=True, timeout=60, check=True)
    assert "is complete; nothing was left to do" in again.stdout
