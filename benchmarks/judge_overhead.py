"""What `ste judge` costs over raw `LLM.generate` on the same prompts.

Run by hand::

    python benchmarks/judge_overhead.py --model DIR --inputs pairs.jsonl

Each round starts both in processes of their own, one after the other. Counted is the time from the
loaded engine to the last completion: for vLLM, one call with prompts that are tokenised already; for
`ste judge`, rendering, tokenising, parsing and writing every row as well. CPU seconds are shown beside
the wall clock, since they suffer less from what else the machine does (they hold the engine's work only
where it runs in the same process, as on a CPU).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple


class Cost(NamedTuple):
    """What a generation of all prompts took."""

    wall: float
    cpu: float
    tokens: int


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--inputs", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["vllm", "ste"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only is not None:
        run = run_vllm if args.only == "vllm" else run_ste
        print(json.dumps(run(args.model, args.inputs, args.limit, args.max_tokens)))
        return

    costs: dict[str, list[Cost]] = {"vllm": [], "ste": []}
    for number in range(args.rounds):
        # Who comes first changes from round to round, so that a drift of the machine hits both.
        for name in sorted(costs, reverse=number % 2 == 0):
            command = [sys.executable, __file__, *sys.argv[1:], "--only", name]
            result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            costs[name].append(Cost(*json.loads(result.stdout.splitlines()[-1])))
    print_table(costs)


def run_vllm(model: Path, inputs: Path, limit: int, max_tokens: int) -> Cost:
    """Generate with vLLM alone."""
    from ste_fairseq2.chat import ChatRenderer
    from ste_fairseq2.engines.prompting import TokenPrompter
    from ste_fairseq2.engines.vllm_engine import VllmSettings, engine_arguments
    from ste_fairseq2.prompts import load_prompt
    from ste_fairseq2.synthesis.judge_inputs import judge_inputs
    from ste_fairseq2.synthesis.judging import render_task

    arguments = engine_arguments(VllmSettings(model=model, options=_OPTIONS))

    from vllm import LLM, SamplingParams

    renderer, template = ChatRenderer.from_folder(model), load_prompt("judge")
    prompter = TokenPrompter(renderer)
    prompts = [
        {"prompt_token_ids": list(render_task(task, "0_1", template, prompter).ids or ())}
        for task in judge_inputs(str(inputs), limit=limit).records(on_error=_refuse)
    ]
    params = SamplingParams(temperature=0.0, max_tokens=max_tokens, stop_token_ids=[renderer.eot_id])
    llm = LLM(**arguments)
    wall, cpu = time.perf_counter(), time.process_time()
    outputs = llm.generate(prompts, params, use_tqdm=False)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu

    return Cost(wall, cpu, sum(len(output.outputs[0].token_ids) for output in outputs))


def run_ste(model: Path, inputs: Path, limit: int, max_tokens: int) -> Cost:
    """Do the same as `ste judge` does it."""
    from ste_fairseq2.progress import WorkProgress
    from ste_fairseq2.synthesis import judge, stage

    class Stopwatch(WorkProgress):
        wall = cpu = 0.0

        def __enter__(self) -> WorkProgress:
            Stopwatch.wall, Stopwatch.cpu = time.perf_counter(), time.process_time()
            return super().__enter__()

        def __exit__(
            self,
            kind: type[BaseException] | None,
            error: BaseException | None,
            trace: TracebackType | None,
        ) -> None:
            super().__exit__(kind, error, trace)
            Stopwatch.wall = time.perf_counter() - Stopwatch.wall
            Stopwatch.cpu = time.process_time() - Stopwatch.cpu

    stage.WorkProgress = Stopwatch  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        outcome = judge.run_judge(
            judge.JudgeConfig(
                inputs=str(inputs),
                model=str(model),
                output=Path(folder) / "judged",
                limit=limit,
                max_tokens=max_tokens,
                engine_options=_OPTIONS,
            )
        )

    return Cost(Stopwatch.wall, Stopwatch.cpu, outcome.summary.num_output_tokens)


def print_table(costs: dict[str, list[Cost]]) -> None:
    print(f"{'':24}{'wall s (median)':>18}{'wall s (best)':>16}{'cpu s (median)':>16}{'tokens':>10}")
    for name, label in (("vllm", "LLM.generate"), ("ste", "ste judge")):
        rounds = costs[name]
        print(
            f"{label:24}{statistics.median(c.wall for c in rounds):18.2f}"
            f"{min(c.wall for c in rounds):16.2f}"
            f"{statistics.median(c.cpu for c in rounds):16.2f}{rounds[0].tokens:10}"
        )
    ratios = [
        statistics.median(c.wall for c in costs["ste"])
        / statistics.median(c.wall for c in costs["vllm"]),
        min(c.wall for c in costs["ste"]) / min(c.wall for c in costs["vllm"]),
        statistics.median(c.cpu for c in costs["ste"]) / statistics.median(c.cpu for c in costs["vllm"]),
    ]
    print(f"{'ste judge more by':24}{ratios[0] - 1:18.1%}{ratios[1] - 1:16.1%}{ratios[2] - 1:16.1%}")


# The same numbers in another order of addition are other tokens; wider floats make that rare.
_OPTIONS = {"dtype": "float32"}


def _refuse(error: Exception) -> None:
    raise error


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
