"""SFT examples: one right judgement of each prompt that qualifies, balanced and traceable."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.curation.config import PrepareSftConfig
from ste_fairseq2.curation.prepare import prepare_sft
from ste_fairseq2.errors import (
    ConfigError,
    EmptyDataError,
    InputError,
    QuarantineLimitError,
    ResumeMismatchError,
)
from ste_fairseq2.jsonl import read_rows
from ste_fairseq2.records import SftExample
from ste_fairseq2.store import Manifest

Sample = dict[str, Any]
Make = Callable[..., Sample]
Run = Callable[..., tuple[Manifest, list[Sample]]]


@pytest.fixture
def run(
    tmp_path: Path, write_jsonl: Callable[..., Path], read_jsonl: Callable[[Path], list[Sample]]
) -> Run:
    """Return a function that curates samples into `out` and returns manifest and examples."""

    def run_(samples: Iterable[Sample], **options: Any) -> tuple[Manifest, list[Sample]]:
        write_jsonl(tmp_path / "in" / "samples.jsonl", samples)
        config = PrepareSftConfig(
            generation_dir=(tmp_path / "in",),
            output_dir=tmp_path / "out",
            **{"workers": 1, **options},
        )
        config.validate()

        return prepare_sft(config), read_jsonl(tmp_path / "out")

    return run_


class TestExamples:
    def test_each_prompt_keeps_one_right_judgement(self, run: Run, mixed_samples: list[Sample]) -> None:
        manifest, examples = run(mixed_samples)
        by_id = {sample["id"]: sample for sample in mixed_samples}

        assert len(examples) == 80
        assert len({(e["pair_id"], e["order"]) for e in examples}) == 80
        for example in examples:
            source = by_id[example["sample_id"]]
            assert example["src"] == source["text"]
            assert example["tgt"] == source["vllm_output"]["output"]
            assert example["tgt"].endswith("[[A]]" if example["order"] == "0_1" else "[[B]]")
        assert sum(manifest.counts.values()) == len(mixed_samples)
        assert manifest.counts["kept"] == 80

    def test_rows_train(self, run: Run, tmp_path: Path, make_sample: Make) -> None:
        messages = [{"role": "user", "content": "Judge."}]
        run([make_sample("a", messages=messages), make_sample("b", "[[B]]", order="1_0")])
        rows = list(read_rows(tmp_path / "out" / "train-00000.jsonl"))
        examples = {example.extra["sample_id"]: example for example in map(SftExample.from_row, rows)}

        assert examples["a"].messages is not None
        assert examples["b"].messages is None

    def test_the_draw_depends_on_the_seed_alone(
        self, run: Run, mixed_samples: list[Sample], tmp_path: Path
    ) -> None:
        drawn = []
        for seed in (0, 0, 1):
            _, examples = run(mixed_samples, seed=seed)
            drawn.append(examples)
            (tmp_path / "out").rename(tmp_path / f"was-{len(drawn)}")

        assert drawn[0] == drawn[1]
        assert {e["sample_id"] for e in drawn[0]} != {e["sample_id"] for e in drawn[2]}

    def test_a_right_but_cut_judgement_is_never_a_target(self, run: Run, make_sample: Make) -> None:
        manifest, examples = run(
            [
                make_sample("cut", finish_reason="length"),
                make_sample("whole"),
                make_sample("only-cut", pair="q", finish_reason="length"),
            ],
            balance=False,
        )

        assert [e["sample_id"] for e in examples] == ["whole"]
        assert manifest.counts == {
            "malformed": 0,
            "cut_after_verdict": 1,
            "kept": 1,
            "nothing_chosen": 1,
        }

    def test_prompts_without_pair_are_told_apart_by_their_whole_text(
        self, run: Run, make_sample: Make
    ) -> None:
        texts = ["Be strict.\n\n[User Question]\nq", "Be kind.\n\n[User Question]\nq"]
        samples = [
            make_sample(f"{number}", pair=None, order=None, text=text)
            for number, text in enumerate(texts)
        ]
        _, examples = run([*samples, {**samples[0], "id": "again"}], balance=False)

        assert sorted(e["src"] for e in examples) == sorted(texts)

    def test_the_output_folder_of_a_stage_is_read_for_its_records_alone(
        self, run: Run, tmp_path: Path, make_sample: Make, write_jsonl: Callable[..., Path]
    ) -> None:
        folder = tmp_path / "in" / "annotated"
        write_jsonl(folder / "records-00000.jsonl", [make_sample("a"), make_sample("b", pair="q")])
        write_jsonl(folder / "dropped-00000.jsonl", [{"id": "c", "reason": "empty"}])
        write_jsonl(folder / "quarantine.jsonl", [{"source": "x.jsonl", "line": 1, "reason": "bad"}])
        (folder / "manifest.json").write_text("{}", "utf-8")
        manifest, examples = run([], balance=False)

        assert sorted(e["sample_id"] for e in examples) == ["a", "b"]
        assert manifest.counts == {"malformed": 0, "kept": 2}

    def test_shards_share_the_examples(
        self, run: Run, mixed_samples: list[Sample], tmp_path: Path, read_jsonl: Callable[..., Any]
    ) -> None:
        run(mixed_samples, num_shards=3)
        sizes = [len(read_jsonl(path)) for path in sorted((tmp_path / "out").glob("train-*.jsonl"))]

        assert sizes == [27, 27, 26]


class TestRules:
    def test_balance_drops_from_the_larger_side(self, run: Run, make_sample: Make) -> None:
        samples = [make_sample(f"a{n}", pair=f"a{n}") for n in range(5)]
        samples += [make_sample(f"b{n}", "[[B]]", pair=f"b{n}", order="1_0") for n in range(2)]
        manifest, examples = run(samples)

        assert sorted(e["gold"] for e in examples) == ["A", "A", "B", "B"]
        assert manifest.details["prompts"] == {"kept": 4, "trimmed_by_quota_balance_or_mix": 3}

    def test_majority_voting_counts_all_samples(self, run: Run, make_sample: Make) -> None:
        """Pair p: two of three right; pair q: one of three."""
        samples = [make_sample(f"p{n}", "[[A]]" if n < 2 else "[[B]]") for n in range(3)]
        samples += [make_sample(f"q{n}", "[[A]]" if n < 1 else "no", pair="q") for n in range(3)]
        manifest, examples = run(samples, majority_voting=0.5, balance=False)

        assert {e["pair_id"] for e in examples} == {"p"}
        assert manifest.details["prompts"] == {"kept": 1, "low_majority": 1}

    def test_min_agreement_asks_for_both_orders(self, run: Run, make_sample: Make) -> None:
        """p: half right in each; q: always and never; r: one order only; the last has no pair."""
        samples = [
            make_sample("p1", "[[A]]", pair="p"),
            make_sample("p2", "[[B]]", pair="p"),
            make_sample("p3", "[[B]]", pair="p", order="1_0"),
            make_sample("p4", "[[A]]", pair="p", order="1_0"),
            make_sample("q1", "[[A]]", pair="q"),
            make_sample("q2", "[[A]]", pair="q", order="1_0"),
            make_sample("r1", "[[A]]", pair="r"),
            make_sample("s1", "[[A]]", pair=None, order=None, text="no pair"),
        ]
        manifest, examples = run(samples, min_agreement=0.5)

        assert sorted(e["sample_id"] for e in examples) == ["p1", "p3"]
        assert manifest.details["prompts"] == {"kept": 2, "low_agreement": 2, "one_order_only": 2}
        assert sum(manifest.counts.values()) == len(samples)

    def test_a_prompt_whose_samples_disagree_on_the_ranks_is_dropped(
        self, run: Run, make_sample: Make
    ) -> None:
        other = make_sample("b")
        other["metadata"]["ranks"] = [2, 1]
        manifest, _ = run([make_sample("a"), other, make_sample("c", pair="q")], balance=False)

        assert manifest.counts == {"malformed": 0, "conflicting_ranks": 2, "kept": 1}

    def test_an_order_of_conflicting_ranks_agrees_with_nothing(
        self, run: Run, make_sample: Make
    ) -> None:
        other = make_sample("b")
        other["metadata"]["ranks"] = [2, 1]
        samples = [make_sample("a"), other, make_sample("c", "[[B]]", order="1_0")]
        with pytest.raises(EmptyDataError, match=r"conflicting_ranks: 1, correct: 2, one_order_only: 1"):
            run(samples, min_agreement=0.5, balance=False)

    def test_mix_holds_the_weights(
        self, tmp_path: Path, make_sample: Make, write_jsonl: Any, read_jsonl: Any
    ) -> None:
        for name, size in (("synthetic", 60), ("human", 10)):
            samples = [
                make_sample(f"{name}{n}", "[[B]]" if n % 2 else "[[A]]", pair=f"{name}{n}",
                            order="1_0" if n % 2 else "0_1")
                for n in range(size)
            ]  # fmt: skip
            write_jsonl(tmp_path / name / "x.jsonl", samples)
        config = PrepareSftConfig(
            generation_dir=(tmp_path / "synthetic", tmp_path / "human"),
            output_dir=tmp_path / "out",
            mix=(3, 1),
            workers=1,
        )
        manifest = prepare_sft(config)
        names = [e["pair_id"].rstrip("0123456789") for e in read_jsonl(tmp_path / "out")]

        assert manifest.details["examples"]["sets"] == [30, 10]
        assert (names.count("synthetic"), names.count("human")) == (30, 10)


class TestErrors:
    def test_zero_survivors_show_the_counts(self, run: Run, make_sample: Make) -> None:
        with pytest.raises(EmptyDataError, match=r"nothing_chosen: 2, tie: 1, wrong: 1"):
            run([make_sample("a", "[[B]]"), make_sample("b", "[[C]]", pair="q")])

    def test_too_many_malformed_rows_leave_only_the_quarantine(
        self, run: Run, make_sample: Make, tmp_path: Path
    ) -> None:
        samples = [make_sample("a"), {"text": "no judgement"}]
        with pytest.raises(QuarantineLimitError, match="1 of 2 rows"):
            run(samples)
        [row] = [json.loads(line) for line in (tmp_path / "out" / "quarantine.jsonl").open()]

        assert row["source"] == str(tmp_path / "in" / "samples.jsonl")
        assert row["line"] == 2
        assert not (tmp_path / "out" / "manifest.json").exists()

        manifest, examples = run(samples, quarantine_limit=0.5, balance=False)
        assert manifest.counts == {"malformed": 1, "kept": 1}
        assert len(examples) == 1

    def test_another_configuration_is_refused(self, run: Run, mixed_samples: list[Sample]) -> None:
        run(mixed_samples)
        with pytest.raises(ResumeMismatchError, match=r"`seed` \(0 then, 1 now\)"):
            run(mixed_samples, seed=1)

    def test_a_folder_of_something_else_is_refused(
        self, run: Run, tmp_path: Path, make_sample: Make
    ) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.txt").touch()
        with pytest.raises(InputError, match=r"holds `thesis.txt`"):
            run([make_sample("a")])

    def test_more_shards_than_examples_are_refused(self, run: Run, make_sample: Make) -> None:
        with pytest.raises(ConfigError, match="num_shards"):
            run([make_sample("a")], num_shards=2, balance=False)

    @pytest.mark.parametrize(
        ("options", "field"),
        [
            ({"majority_voting": 0}, "majority_voting"),
            ({"min_agreement": 1.5}, "min_agreement"),
            ({"mix": (1, 2)}, "mix"),
            ({"mix": (0,)}, "mix"),
            ({"num_shards": 0}, "num_shards"),
            ({"quarantine_limit": -1}, "quarantine_limit"),
            ({"workers": -1}, "workers"),
        ],
    )
    def test_impossible_values_are_named(self, run: Run, options: dict[str, Any], field: str) -> None:
        with pytest.raises(ConfigError, match=field):
            run([], **options)

    def test_sets_within_each_other_are_refused(self, tmp_path: Path) -> None:
        config = PrepareSftConfig(
            generation_dir=(tmp_path / "runs", tmp_path / "runs" / "first"), output_dir=tmp_path / "out"
        )
        with pytest.raises(ConfigError, match=r"generation_dir.*first` lies in"):
            config.validate()

    def test_output_inside_the_input_is_refused(self, tmp_path: Path) -> None:
        config = PrepareSftConfig(generation_dir=(tmp_path,), output_dir=tmp_path / "out")
        with pytest.raises(ConfigError, match="output_dir"):
            config.validate()


class TestAgain:
    def test_a_finished_run_is_left_alone(
        self, run: Run, mixed_samples: list[Sample], tmp_path: Path
    ) -> None:
        first, _ = run(mixed_samples)
        stamp = (tmp_path / "out" / "train-00000.jsonl").stat().st_mtime_ns
        config = PrepareSftConfig(
            generation_dir=(tmp_path / "in",), output_dir=tmp_path / "out", workers=1
        )
        again = prepare_sft(config)

        assert again == first
        assert (tmp_path / "out" / "train-00000.jsonl").stat().st_mtime_ns == stamp

    def test_a_training_file_that_is_gone_is_written_again(
        self, run: Run, mixed_samples: list[Sample], tmp_path: Path
    ) -> None:
        run(mixed_samples)
        path = tmp_path / "out" / "train-00000.jsonl"
        content = path.read_bytes()
        path.unlink()
        prepare_sft(
            PrepareSftConfig(generation_dir=(tmp_path / "in",), output_dir=tmp_path / "out", workers=1)
        )

        assert path.read_bytes() == content

    def test_what_a_killed_run_leaves_is_no_obstacle(
        self, run: Run, make_sample: Make, tmp_path: Path
    ) -> None:
        (tmp_path / "out" / ".work" / "staged").mkdir(parents=True)
        (tmp_path / "out" / ".work" / "staged" / "train-00007.jsonl").write_text("{", "utf-8")
        (tmp_path / "out" / ".config.json.tmp").write_text("{", "utf-8")
        (tmp_path / "out" / "quarantine.jsonl").touch()
        run([make_sample("a")], balance=False)

        assert [p.name for p in (tmp_path / "out").glob("train-*")] == ["train-00000.jsonl"]
        assert not (tmp_path / "out" / ".work").exists()

    def test_new_samples_replace_the_result(self, run: Run, mixed_samples: list[Sample]) -> None:
        run(mixed_samples[: len(mixed_samples) // 2], num_shards=2)
        manifest, examples = run(mixed_samples, num_shards=2)

        assert len(examples) == 80
        assert manifest.details["examples"]["written"] == 80
