"""How the rows of each benchmark become pairs: one ``PairReader`` (see ``benchmark.py``) for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from ste_fairseq2.evaluation.benchmark import BenchmarkPair
from ste_fairseq2.evaluation.items import BenchmarkItem, ItemRule
from ste_fairseq2.evaluation.rewardbench2 import TIES, is_ties_id
from ste_fairseq2.jsonl import Row
from ste_fairseq2.records import Message, read_messages
from ste_fairseq2.reward_models.protocol import Conversation
from ste_fairseq2.verdicts import Verdict

TIED: Final = "neither_answer_is_better"
NEEDS_RATINGS: Final = "needs_ratings"

_LLMBAR_SUBSETS: Final = {
    "Natural": "llmbar-natural",
    "Neighbor": "llmbar-adver-neighbor",
    "GPTInst": "llmbar-adver-GPTInst",
    "GPTOut": "llmbar-adver-GPTOut",
    "Manual": "llmbar-adver-manual",
}
_HELPSTEER_WEIGHTS: Final = {
    "helpfulness": 0.65,
    "correctness": 0.8,
    "coherence": 0.45,
    "complexity": 0.55,
    "verbosity": -0.4,
}


def read_chosen_rejected(
    split: str, rows: Iterable[Row], passed_over: Counter[str]
) -> Iterator[BenchmarkPair]:
    """RewardBench, the prior sets, and any file of `prompt`, `chosen`, `rejected`, optional `subset`."""
    ids = _Ids()
    for row in rows:
        yield _chosen_rejected(row, row.optional_text("subset") or split or None, ids)


def read_prior_sets(
    split: str, rows: Iterable[Row], passed_over: Counter[str]
) -> Iterator[BenchmarkPair]:
    """The prior preference sets: a split is a subset, whatever finer subsets its rows name."""
    ids = _Ids()
    for row in rows:
        yield _chosen_rejected(row, split or row.text("subset"), ids)


def read_rewardbench2(
    split: str, rows: Iterable[Row], passed_over: Counter[str]
) -> Iterator[BenchmarkPair]:
    """RewardBench 2 for a judge of pairs: the chosen answer against each rejected one.

    An item is won by winning all of its pairs. The Ties subset asks for ratings and has no pairs.
    """
    for row in rows:
        subset = row.text("subset")
        if subset == TIES:
            passed_over[NEEDS_RATINGS] += 1
            continue
        (chosen,), rejected = _chosen(row, 1), read_texts(row, "rejected")
        for number, answer in enumerate(rejected):
            yield BenchmarkPair(
                id=f"{row.require('id')}#{number}",
                prompt=row.non_empty_text("prompt"),
                answers=(chosen, answer),
                better=Verdict.A,
                subset=subset,
            )


def read_rewardbench2_items(
    split: str, rows: Iterable[Row], passed_over: Counter[str]
) -> Iterator[BenchmarkItem]:
    """RewardBench 2 by scores: all answers to a prompt, with those of the Ties subset."""
    for row in rows:
        subset, name = row.text("subset"), str(row.require("id"))
        is_ties = subset == TIES
        if is_ties and not is_ties_id(name):
            row.fail("id", f"must be ref:<n> or tied:<n>, but is {name!r}.")
        right, wrong = _chosen(row, None if is_ties else 1), read_texts(row, "rejected")
        if not wrong:
            row.fail("rejected", "must hold an answer.")
        prompt = Message("user", row.non_empty_text("prompt"))
        yield BenchmarkItem(
            id=f"{subset}/{name}",
            answers=tuple((prompt, Message("assistant", answer)) for answer in (*right, *wrong)),
            num_right=len(right),
            subset=subset,
            rule=ItemRule.TIES if is_ties else ItemRule.BEST_OF,
        )


def read_llmbar(split: str, rows: Iterable[Row], passed_over: Counter[str]) -> Iterator[BenchmarkPair]:
    """LLMBar as its authors store it, or as pairs of a chosen and a rejected answer; its subsets are
    called as RewardBench, which holds them, calls them."""
    ids = _Ids()
    for row in rows:
        subset = row.optional_text("subset") or _LLMBAR_SUBSETS.get(split, split) or None
        if "output_1" not in row.data:
            yield _chosen_rejected(row, subset, ids)
            continue
        label = row.require("label")
        if label not in (1, 2):
            row.fail("label", f"must be 1 or 2, but is {label!r}.")
        yield BenchmarkPair(
            id=ids.take(row, "id", subset),
            prompt=row.non_empty_text("input"),
            answers=(row.text("output_1"), row.text("output_2")),
            better=Verdict.A if label == 1 else Verdict.B,
            subset=subset,
        )


def read_judgebench(
    split: str, rows: Iterable[Row], passed_over: Counter[str]
) -> Iterator[BenchmarkPair]:
    """JudgeBench; its sources are grouped into the four categories of its paper."""
    ids = _Ids()
    for row in rows:
        label = row.text("label")
        if label not in ("A>B", "B>A"):
            row.fail("label", f"must be A>B or B>A, but is {label!r}.")
        subset = _judgebench_category(row.text("source"))
        yield BenchmarkPair(
            id=ids.take(row, "pair_id", subset),
            prompt=row.non_empty_text("question"),
            answers=(row.text("response_A"), row.text("response_B")),
            better=Verdict.A if label == "A>B" else Verdict.B,
            subset=subset,
        )


def read_helpsteer2(
    split: str, rows: Iterable[Row], passed_over: Counter[str]
) -> Iterator[BenchmarkPair]:
    """HelpSteer2: two rows in succession share a prompt, and the higher weighted sum of their five
    ratings is the better answer; equal sums are passed over."""
    first: Row | None = None
    for row in rows:
        if first is None:
            first = row
            continue
        prompt = first.non_empty_text("prompt")
        if row.text("prompt") != prompt:
            row.fail("prompt", f"must be that of line {first.line}; two rows in succession are a pair.")
        gap = _helpsteer_score(first) - _helpsteer_score(row)
        # The ratings are whole numbers and the weights multiples of 0.05, so a smaller gap is rounding.
        if abs(gap) < 0.01:
            passed_over[TIED] += 1
        else:
            yield BenchmarkPair(
                id=f"{first.line:05d}",
                prompt=prompt,
                answers=(first.text("response"), row.text("response")),
                better=Verdict.A if gap > 0 else Verdict.B,
            )
        first = None
    if first is not None:
        first.fail(None, "has no second row; two rows in succession are a pair.")


def read_mt_bench(split: str, rows: Iterable[Row], passed_over: Counter[str]) -> Iterator[BenchmarkPair]:
    """MT-Bench human judgements: every vote that is not a tie is a pair, so that accuracy is agreement
    with the voters. A vote on the second turn is on both turns of the conversations."""
    for row in rows:
        winner = row.text("winner")
        if winner.startswith("tie"):
            passed_over[TIED] += 1
            continue
        if winner not in ("model_a", "model_b"):
            row.fail("winner", f"must be model_a, model_b or tie, but is {winner!r}.")
        turn = row.require("turn")
        if turn not in (1, 2):
            row.fail("turn", f"must be 1 or 2, but is {turn!r}.")
        questions = _turns(row, "conversation_a", "user", turn)
        yield BenchmarkPair(
            id=f"{row.require('question_id')}/{row.line}",
            prompt=_numbered(questions),
            answers=(
                _numbered(_turns(row, "conversation_a", "assistant", turn)),
                _numbered(_turns(row, "conversation_b", "assistant", turn)),
            ),
            better=Verdict.A if winner == "model_a" else Verdict.B,
            subset=f"turn-{turn}",
            conversations=_up_to(row, turn) if turn > 1 else None,
        )


class _Ids:
    """Gives each row of a subset its id, made unique where the data repeats one."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str | None, str]] = Counter()

    def take(self, row: Row, field: str, subset: str | None) -> str:
        value = row.data.get(field)
        name = str(value) if value is not None else f"line {row.line}"
        self._seen[subset, name] += 1
        count = self._seen[subset, name]

        return name if count == 1 else f"{name}#{count}"


def _chosen_rejected(row: Row, subset: str | None, ids: _Ids) -> BenchmarkPair:
    turns = read_prompt(row)
    chosen, rejected = row.text("chosen"), row.text("rejected")
    conversations = (
        (*turns, Message("assistant", chosen)),
        (*turns, Message("assistant", rejected)),
    )

    return BenchmarkPair(
        id=ids.take(row, "id", subset),
        prompt=_written_out(turns),
        answers=(chosen, rejected),
        better=Verdict.A,
        subset=subset,
        conversations=conversations if len(turns) > 1 else None,
    )


def read_prompt(row: Row) -> tuple[Message, ...]:
    """Return a prompt that is text, or a conversation."""
    if isinstance(row.data.get("prompt"), str):
        return (Message("user", row.non_empty_text("prompt")),)
    messages = read_messages(row, "prompt")
    if messages is None:
        row.fail("prompt", "must be a string or a list of messages.")

    return messages


def _written_out(messages: tuple[Message, ...]) -> str:
    """Return a conversation as a judge is shown it."""
    if len(messages) == 1:
        return messages[0].content

    return "\n\n".join(f"{m.role.capitalize()}: {m.content}" for m in messages)


def _chosen(row: Row, count: int | None) -> list[str]:
    """Return the right answers: so many, or one at least where ``count`` is ``None``."""
    chosen = read_texts(row, "chosen")
    if not chosen or count not in (None, len(chosen)):
        row.fail("chosen", f"must hold {count or 'at least one'} answer, but has {len(chosen)}.")

    return chosen


def read_texts(row: Row, field: str) -> list[str]:
    values = row.require(field)
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        row.fail(field, "must be a list of strings.")

    return list(values)


def _judgebench_category(source: str) -> str:
    if source.startswith("mmlu-pro"):
        return "knowledge"
    if source.startswith("livebench-"):
        return source.removeprefix("livebench-")
    if source.startswith("livecodebench"):
        return "coding"

    return source


def _helpsteer_score(row: Row) -> float:
    score = 0.0
    for name, weight in _HELPSTEER_WEIGHTS.items():
        rating = row.optional_number(name)
        if rating is None:
            row.fail(name, "must be a rating from 0 to 4.")
        score += weight * rating

    return score


def _turns(row: Row, field: str, role: str, turn: int) -> list[str]:
    messages = read_messages(row, field) or ()
    texts = [m.content for m in messages if m.role == role][:turn]
    if len(texts) < turn:
        row.fail(field, f"must hold {turn} {role} message(s), but has {len(texts)}.")

    return texts


def _up_to(row: Row, turn: int) -> tuple[Conversation, Conversation]:
    """Return both conversations up to the answer of a turn that they have."""
    first, second = (
        _cut(read_messages(row, field) or (), turn) for field in ("conversation_a", "conversation_b")
    )

    return first, second


def _cut(messages: Conversation, turn: int) -> Conversation:
    answers = [place for place, message in enumerate(messages) if message.role == "assistant"]

    return messages[: answers[turn - 1] + 1]


def _numbered(texts: list[str]) -> str:
    if len(texts) == 1:
        return texts[0]

    return "\n\n".join(f"Turn {number}: {text}" for number, text in enumerate(texts, start=1))
