"""Preference pairs: right against failed judgements, spread evenly, within quotas, in disjoint parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ste_fairseq2.curation import selection
from ste_fairseq2.curation.config import PrepareDpoConfig
from ste_fairseq2.curation.prepare import prepare_dpo
from ste_fairseq2.errors import ConfigError
from ste_fairseq2.jsonl import read_rows
from ste_fairseq2.records import PreferenceExample
from ste_fairseq2.store import Manifest

Sample = dict[str, Any]
Make = Callable[..., Sample]
Run = Callable[..., tuple[Manifest, list[Sample]]]


@pytest.fixture
def run(
    tmp_path: Path, write_jsonl: Callable[..., Path], read_jsonl: Callable[[Path], list[Sample]]
) -> Run:
    """Return a function that curates samples into `out` and returns manifest and pairs."""

    def run_(
        samples: Iterable[Sample], negatives: Iterable[Sample] | None = None, **options: Any
    ) -> tuple[Manifest, list[Sample]]:
        write_jsonl(tmp_path / "in" / "samples.jsonl", samples)
        if negatives is not None:
            options["negative_generation_dir"] = write_jsonl(tmp_path / "negatives.jsonl", negatives)
        config = PrepareDpoConfig(
            generation_dir=(tmp_path / "in",),
            output_dir=tmp_path / "out",
            **{"workers": 1, **options},
        )
        config.validate()

        return prepare_dpo(config), read_jsonl(tmp_path / "out")

    return run_


def one_prompt(make_sample: Make, num_right: int, num_wrong: int) -> list[Sample]:
    return [
        *(make_sample(f"r{n}", "[[A]]") for n in range(num_right)),
        *(make_sample(f"w{n}", "[[B]]") for n in range(num_wrong)),
    ]


class TestPairs:
    @pytest.mark.parametrize(
        ("num_right", "num_wrong", "num_pairs"),
        [
            (1, 1, 1),
            (3, 2, 6),
            (3, 2, 4),
            (4, 2, 6),
            (4, 6, 9),
            (2, 2, 4),
            (1, 5, 3),
            (6, 4, 24),
            (2, 3, 99),
        ],
    )
    def test_both_sides_are_used_evenly_and_no_pair_twice(
        self, run: Run, make_sample: Make, num_right: int, num_wrong: int, num_pairs: int
    ) -> None:
        _, pairs = run(one_prompt(make_sample, num_right, num_wrong), num_pairs=num_pairs, balance=False)
        expected = min(num_pairs, num_right * num_wrong)

        assert len({(p["tgt_chosen"], p["tgt_rejected"]) for p in pairs}) == len(pairs) == expected
        for side, size in (("chosen_sample_id", num_right), ("rejected_sample_id", num_wrong)):
            uses = Counter(pair[side] for pair in pairs)
            assert len(uses) == min(size, expected)
            assert max(uses.values()) - min(uses.values()) <= 1

    def test_a_pair_is_right_against_failed(self, run: Run, mixed_samples: list[Sample]) -> None:
        manifest, pairs = run(mixed_samples, num_pairs=2, rejected_share={})
        by_id = {sample["id"]: sample for sample in mixed_samples}

        assert pairs
        for pair in pairs:
            chosen, rejected = by_id[pair["chosen_sample_id"]], by_id[pair["rejected_sample_id"]]
            right = "[[A]]" if pair["order"] == "0_1" else "[[B]]"
            assert pair["src"] == chosen["text"] == rejected["text"]
            assert pair["tgt_chosen"] == chosen["vllm_output"]["output"]
            assert pair["tgt_rejected"] == rejected["vllm_output"]["output"]
            assert right in pair["tgt_chosen"]
            assert right not in pair["tgt_rejected"]
        assert sum(manifest.counts.values()) == len(mixed_samples)
        golds = Counter(pair["gold"] for pair in pairs)
        assert golds["A"] == golds["B"]
        assert manifest.details["examples"]["gold"] == dict(golds)

    def test_rows_train(self, run: Run, make_sample: Make, tmp_path: Path) -> None:
        run(one_prompt(make_sample, 1, 1), balance=False)
        [row] = read_rows(tmp_path / "out" / "train-00000.jsonl")
        example = PreferenceExample.from_row(row)

        assert example.extra["rejected_reason"] == "wrong"
        assert example.extra["pair_id"] == "p"

    def test_identical_texts_are_one(self, run: Run, make_sample: Make) -> None:
        samples = [make_sample(f"r{n}", output="Same. [[A]]") for n in range(3)]
        samples += [make_sample(f"w{n}", output="Same. [[B]]") for n in range(2)]
        manifest, pairs = run(samples, num_pairs=6, balance=False)

        assert len(pairs) == 1
        assert manifest.counts == {"malformed": 0, "duplicate": 3, "kept": 2}

    def test_the_length_report_is_in_the_manifest(self, run: Run, make_sample: Make) -> None:
        samples = [make_sample("a", output="Short. [[A]]"), make_sample("b", output="x " * 99 + "[[B]]")]
        manifest, _ = run(samples, balance=False)
        lengths = manifest.details["lengths"]

        assert lengths["chosen"]["words"]["mean"] == 2
        assert lengths["rejected"]["words"]["median"] == 100
        assert lengths["rejected"]["characters"]["mean"] == 203


class TestQuotas:
    def test_a_limited_reason_stays_within_its_share(self, run: Run, make_sample: Make) -> None:
        """Nine prompts with a wrong and six with a truncated judgement: one of ten may stay."""
        samples = []
        for number in range(15):
            samples.append(make_sample(f"r{number}", pair=f"{number}"))
            bad = {"output": "cut", "finish_reason": "length"} if number >= 9 else {"verdict": "[[B]]"}
            samples.append(make_sample(f"w{number}", pair=f"{number}", **bad))
        manifest, pairs = run(samples, rejected_share={"truncated": 0.1}, balance=False)

        assert Counter(p["rejected_reason"] for p in pairs) == {"wrong": 9, "truncated": 1}
        assert manifest.details["examples"]["rejected"] == {"wrong": 9, "truncated": 1}
        assert manifest.counts["trimmed_by_quota_balance_or_mix"] == 10

    def test_limited_reasons_serve_where_others_run_out(self, run: Run, make_sample: Make) -> None:
        samples = [make_sample("r"), make_sample("w", "[[B]]")]
        samples += [make_sample(f"u{n}", "no mark") for n in range(9)]
        _, pairs = run(samples, balance=False, rejected_share={"unparseable": 0.5})

        assert [p["rejected_reason"] for p in pairs] == ["wrong"]

    def test_a_share_of_zero_bars_a_reason(self, run: Run, make_sample: Make) -> None:
        samples = [make_sample("r"), make_sample("t", "[[C]]"), make_sample("w", "[[B]]")]
        manifest, pairs = run(samples, balance=False, num_pairs=2, rejected_share={"tie": 0})

        assert [p["rejected_reason"] for p in pairs] == ["wrong"]
        assert sum(manifest.counts.values()) == 3

    @pytest.mark.parametrize("shares", [{"long": 0.5}, {"tie": 2}])
    def test_impossible_shares_are_named(self, run: Run, shares: dict[str, float]) -> None:
        with pytest.raises(ConfigError, match="rejected_share"):
            run([], rejected_share=shares)


class TestPasses:
    def test_several_passes_come_to_the_same_as_one(
        self,
        run: Run,
        mixed_samples: list[Sample],
        make_sample: Make,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        negatives = [make_sample(f"n{n}", "[[B]]", pair=f"p{n}") for n in range(50)]
        results = []
        for pass_samples in (10**6, 30):
            monkeypatch.setattr(selection, "_PASS_SAMPLES", pass_samples)
            monkeypatch.setattr(selection, "_STRETCH_ROWS", pass_samples)
            manifest, pairs = run(mixed_samples, negatives, num_pairs=3, num_iter=2, num_shards=2)
            results.append((manifest.counts, manifest.details, pairs))
            (tmp_path / "out").rename(tmp_path / f"was-{pass_samples}")

        assert len(results[0][2]) > 100
        assert results[0] == results[1]


class TestParts:
    @pytest.mark.parametrize("num_iter", [2, 3, 7])
    def test_parts_are_disjoint_and_lose_nothing(
        self, run: Run, mixed_samples: list[Sample], tmp_path: Path, read_jsonl: Any, num_iter: int
    ) -> None:
        manifest, pairs = run(mixed_samples, num_iter=num_iter, num_shards=2, rejected_share={})
        parts = [read_jsonl(tmp_path / "out" / f"iter_{number}") for number in range(num_iter)]
        sides = [{pair["pair_id"] for pair in part} for part in parts]

        assert sum(map(len, parts)) == len(pairs) == manifest.details["examples"]["written"]
        assert len(set.union(*sides)) == sum(map(len, sides))
        assert max(map(len, sides)) - min(map(len, sides)) <= 1
        assert sorted(p.name for p in (tmp_path / "out").glob("iter_*")) == [
            f"iter_{number}" for number in range(num_iter)
        ]

    def test_more_parts_than_pairs_are_refused(self, run: Run, make_sample: Make) -> None:
        with pytest.raises(ConfigError, match="only 1 pairs are left"):
            run(one_prompt(make_sample, 2, 2), num_iter=2, num_pairs=4, balance=False)


class TestNegatives:
    def test_they_serve_as_rejected_side_only_and_are_counted_apart(
        self, run: Run, make_sample: Make
    ) -> None:
        negatives = [
            make_sample("n1", "[[B]]"),
            make_sample("n2", "[[A]]"),
            make_sample("n3", "[[B]]", pair="absent"),
            make_sample("n4", "[[B]]", pair="absent"),
        ]
        manifest, pairs = run([make_sample("r")], negatives, balance=False)

        assert [(p["chosen_sample_id"], p["rejected_sample_id"]) for p in pairs] == [("r", "n1")]
        assert manifest.counts == {"malformed": 0, "kept": 1}
        assert manifest.details["samples"] == {"correct": 1}
        assert manifest.details["negatives"]["counts"] == {
            "malformed": 0,
            "kept": 1,
            "judged_right": 1,
            "absent_prompt": 2,
        }

    def test_a_text_of_both_stands_for_the_main_sample(self, run: Run, make_sample: Make) -> None:
        samples = [make_sample("r"), make_sample("w", output="Same. [[B]]")]
        negatives = [make_sample(f"a{n}", output="Same. [[B]]") for n in range(3)]
        manifest, pairs = run(samples, negatives, num_pairs=2, balance=False)

        assert [p["rejected_sample_id"] for p in pairs] == ["w"]
        assert manifest.counts == {"malformed": 0, "kept": 2}
        assert manifest.details["negatives"]["counts"] == {"malformed": 0, "duplicate": 3}

    def test_they_do_not_vote(self, run: Run, make_sample: Make) -> None:
        negatives = [make_sample(f"n{n}", "[[B]]") for n in range(9)]
        _, pairs = run([make_sample("r")], negatives, majority_voting=0.9, balance=False)

        assert len(pairs) == 1

    def test_they_must_not_lie_among_the_samples(self, tmp_path: Path) -> None:
        config = PrepareDpoConfig(
            generation_dir=(tmp_path,),
            output_dir=tmp_path.parent / "out",
            negative_generation_dir=tmp_path / "hot",
        )
        with pytest.raises(ConfigError, match="negative_generation_dir"):
            config.validate()
