"""The wheel is complete: apart from the checkout its commands answer and its shipped files are found."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

# Runs in an interpreter that sees the unpacked wheel in front of the checkout.
TRIAL = """
import sys

site = sys.argv[1]
sys.path.insert(0, site)

import ste_fairseq2
from ste_fairseq2.cli import lm, main
from ste_fairseq2.prompts import load_prompt
from ste_fairseq2.resources import resource_dir

assert ste_fairseq2.__file__.startswith(site), ste_fairseq2.__file__
for name, file in (
    ("prompts", "judge.prompt"),
    ("training_configs", "tiny/dpo.yaml"),
    ("data", "sample/pairs.jsonl"),
):
    path = resource_dir(name) / file
    assert str(path).startswith(site), path
    assert path.is_file(), path
load_prompt("judge")
assert main.dispatch(["--help"]) == 0
assert lm.dispatch(["lm", "--help"]) == 0
"""


def test_wheel_works_apart_from_the_checkout(repository: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist"],
        cwd=repository,
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    # -I keeps the working folder and PYTHONPATH out.
    subprocess.run([sys.executable, "-I", "-c", TRIAL, tmp_path / "site"], cwd=tmp_path, check=True)

    tops = {name.split("/")[0] for name in names}
    assert tops == {"ste_fairseq2", "recipes", f"{wheel.name.split('-py3')[0]}.dist-info"}
    assert "ste_fairseq2/py.typed" in names
    for page_file in ("page.html", "style.css", "browser.js"):
        assert f"ste_fairseq2/report/page/{page_file}" in names
