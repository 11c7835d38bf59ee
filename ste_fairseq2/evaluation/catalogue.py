"""The benchmarks that come with the project."""

from __future__ import annotations

from typing import Final

from ste_fairseq2.errors import ConfigError
from ste_fairseq2.evaluation import mappings, ranked
from ste_fairseq2.evaluation.benchmark import Benchmark, HubSource, ScoredForm
from ste_fairseq2.evaluation.rewardbench import PRIOR_SECTIONS, REWARDBENCH_SECTIONS
from ste_fairseq2.evaluation.rewardbench2 import REWARDBENCH2_SECTIONS, TIES, combine_pairs

REWARDBENCH: Final = Benchmark(
    name="rewardbench",
    summary="RewardBench: 2,985 pairs in 23 subsets and four sections",
    source=HubSource("allenai/reward-bench", ("filtered",)),
    read=mappings.read_chosen_rejected,
    headline={"accuracy in upstream's way": "upstream", "accuracy, mean of orders": "mean"},
    sections=REWARDBENCH_SECTIONS,
)

_BENCHMARKS: Final = (
    REWARDBENCH,
    Benchmark(
        name="prior-sets",
        summary="the preference sets from before RewardBench",
        source=HubSource(
            "allenai/preference-test-sets",
            (
                "anthropic_harmless",
                "anthropic_helpful",
                "anthropic_hhh",
                "mtbench_gpt4",
                "mtbench_human",
                "shp",
                "summarize",
            ),
        ),
        read=mappings.read_prior_sets,
        sections=PRIOR_SECTIONS,
    ),
    Benchmark(
        name="rewardbench2",
        summary="RewardBench 2; judges see each right answer against its three wrong ones, and no Ties",
        source=HubSource("allenai/reward-bench-2", ("test",)),
        read=mappings.read_rewardbench2,
        combine=combine_pairs,
        headline={"best of four, mean of orders": "mean"},
        sections={name: w for name, w in REWARDBENCH2_SECTIONS.items() if name != TIES},
        scored=ScoredForm(mappings.read_rewardbench2_items, REWARDBENCH2_SECTIONS),
    ),
    Benchmark(
        name="llmbar",
        summary="LLMBar: 419 pairs, one natural and four adversarial subsets",
        # The Hub's own conversion: the repository itself is a loading script, which `datasets` refuses.
        source=HubSource(
            "princeton-nlp/LLMBar",
            ("Natural", "Neighbor", "GPTInst", "GPTOut", "Manual"),
            config="LLMBar",
            revision="refs/convert/parquet",
        ),
        read=mappings.read_llmbar,
        headline={
            "average accuracy": "mean",
            "positional agreement": "agreement",
        },
        sections={
            "Natural": {"llmbar-natural": 1},
            "Adversarial": {
                "llmbar-adver-neighbor": 1,
                "llmbar-adver-GPTInst": 1,
                "llmbar-adver-GPTOut": 1,
                "llmbar-adver-manual": 1,
            },
        },
    ),
    Benchmark(
        name="judgebench",
        summary="JudgeBench: 350 pairs of GPT-4o answers in four categories",
        source=HubSource("ScalerLab/JudgeBench", ("gpt",)),
        read=mappings.read_judgebench,
        headline={
            "vote of the two orders (JudgeBench)": "vote_of_orders",
            "both orders right (EvalPlanner, J1)": "both_right",
        },
    ),
    Benchmark(
        name="judgebench-claude",
        summary="JudgeBench: 270 pairs of Claude-3.5-Sonnet answers",
        source=HubSource("ScalerLab/JudgeBench", ("claude",)),
        read=mappings.read_judgebench,
        headline={
            "vote of the two orders (JudgeBench)": "vote_of_orders",
            "both orders right (EvalPlanner, J1)": "both_right",
        },
    ),
    Benchmark(
        name="helpsteer2",
        summary="HelpSteer2 validation: pairs by the weighted sum of their ratings",
        source=HubSource("nvidia/HelpSteer2", ("validation",)),
        read=mappings.read_helpsteer2,
        headline={
            "average accuracy": "mean",
            "position-consistent accuracy": "both_right",
        },
    ),
    Benchmark(
        name="mt-bench",
        summary="MT-Bench human judgements: agreement with every vote that is not a tie",
        source=HubSource("lmsys/mt_bench_human_judgments", ("human",)),
        read=mappings.read_mt_bench,
        headline={"agreement with the voters": "mean"},
    ),
    Benchmark(
        name="pairs",
        summary="your own file: prompt, chosen, rejected and, where wanted, subset",
        read=mappings.read_chosen_rejected,
    ),
    Benchmark(
        name="ranked",
        summary="your own file: input, response, rank and, where wanted, instruction_id and subset",
        read=ranked.read_ranked_pairs,
        scored=ScoredForm(ranked.read_ranked_items),
    ),
)

CATALOGUE: Final = {benchmark.name: benchmark for benchmark in _BENCHMARKS}


def find_benchmark(name: str) -> Benchmark:
    """
    :raises ConfigError: there is none of that name.
    """
    if name not in CATALOGUE:
        raise ConfigError("benchmark", f"must be one of {', '.join(CATALOGUE)}, but is {name!r}.")

    return CATALOGUE[name]
