"""Groups the samples by prompt, keeps the prompts that qualify and draws their examples, all in SQL.

Tables, each made from the ones before::

    pool      samples of the sets, and the negatives that share a prompt with them
    texts     the different judgements of each prompt, identical ones counted as votes
    prompts   each prompt with its votes, its first draws of either side, and what became of it
    examples  the target of a kept prompt, or its pairs
    selected  the examples that quotas, balance and mix leave, dealt to parts and put in order

A sample is named by the row number it has in `samples`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ste_fairseq2.curation.balance import Counts, Kind, plan_sets
from ste_fairseq2.curation.files import NEGATIVES
from ste_fairseq2.curation.index import SampleIndex
from ste_fairseq2.curation.outcomes import CHOSEN, VOTED_RIGHT, Outcome
from ste_fairseq2.errors import ConfigError, EmptyDataError

KEPT: Final = "kept"
TRIMMED: Final = "trimmed_by_quota_balance_or_mix"

_STRETCH_ROWS: Final = 1 << 16

_PASS_SAMPLES: Final = 4_000_000
"""Samples, about, whose texts are grouped at once. DuckDB groups on disk where it must, but not without
bound: its memory was too little from about 25 million samples on."""


@dataclass(frozen=True, kw_only=True)
class SelectionRules:
    """What a prompt must have, and which of its judgements become examples."""

    rejected: Sequence[Outcome]
    """What may stand on the rejected side; empty where examples have no rejected side."""
    limits: Mapping[Outcome, float]
    """The largest share of the examples for some of ``rejected``."""
    num_examples: int
    """Examples drawn for each prompt."""
    num_parts: int
    num_shards: int
    majority_voting: float | None
    min_agreement: float
    balance: bool
    mix: Sequence[float]
    salt: int


class Selection:
    """Runs the rules on an index."""

    def __init__(self, index: SampleIndex, rules: SelectionRules, *, num_sets: int) -> None:
        self._index = index
        self._rules = rules
        self._num_sets = num_sets
        self._rejected = [reason for reason in rules.rejected if rules.limits.get(reason, 1) > 0]

    def run(self) -> None:
        """
        :raises EmptyDataError: no example is left.
        :raises ConfigError: there are more parts or shards than can be filled.
        """
        self._collect_texts()
        self._judge_prompts()
        self._draw_examples()
        self._trim()
        self._arrange()

    def _collect_texts(self) -> None:
        # Of identical judgements one stands for all, whatever file each is in; the highest bit lets the
        # sets go before the negatives.
        self._index.run(f"""
            CREATE VIEW pool AS
            SELECT source, false AS is_negative, rowid AS sample, line // 2 AS preference,
                prompt, pair, gold_b, outcome, draw
            FROM samples WHERE source <> {NEGATIVES}
            UNION ALL
            SELECT first.source, true, samples.rowid, line // 2 + {1 << 63},
                prompt, pair, gold_b, outcome, draw
            FROM samples JOIN (
                SELECT prompt, min(source) AS source FROM samples
                WHERE source <> {NEGATIVES} GROUP BY prompt
            ) AS first USING (prompt)
            WHERE samples.source = {NEGATIVES} AND outcome NOT IN ({_listed(VOTED_RIGHT)})
        """)
        self._index.run("""
            CREATE TABLE texts (
                source UTINYINT, prompt UBIGINT, outcome UTINYINT, draw UBIGINT, pair UBIGINT,
                golds UTINYINT, copies BIGINT, votes BIGINT, sample BIGINT
            )
        """)
        num_passes = self._index.num_samples // _PASS_SAMPLES + 1
        for number in range(num_passes):
            self._index.run(f"""
                INSERT INTO texts
                SELECT source, prompt, outcome, draw, any_value(pair), bit_or(gold_b + 1::UTINYINT),
                    count(*), count(*) FILTER (NOT is_negative), arg_min(sample, preference)
                FROM pool WHERE prompt % {num_passes} = {number}
                GROUP BY source, prompt, outcome, draw
            """)

    def _judge_prompts(self) -> None:
        rules = self._rules
        self._index.run(f"""
            CREATE TABLE grouped AS
            -- golds: 1 for A, 2 for B, 3 where the samples of a prompt disagree
            SELECT source, prompt, any_value(pair) AS pair, bit_or(golds) AS golds,
                sum(votes) AS votes,
                coalesce(sum(votes) FILTER (outcome IN ({_listed(VOTED_RIGHT)})), 0) AS votes_right,
                count(*) FILTER (outcome = {CHOSEN:d}) AS num_chosen,
                count(*) FILTER (outcome IN ({_listed(self._rejected)})) AS num_rejected
            FROM texts GROUP BY source, prompt
        """)
        self._index.run("""
            CREATE TABLE agreement AS
            SELECT source, pair, count(*) AS orders, min(share) AS share
            FROM (
                SELECT source, pair, golds, sum(votes_right) / sum(votes) AS share
                FROM grouped WHERE pair <> 0 AND golds <> 3 GROUP BY source, pair, golds
            ) GROUP BY source, pair
        """)
        checks = [("golds = 3", "conflicting_ranks")]
        if rules.majority_voting is not None:
            checks.append((f"votes_right < {rules.majority_voting!r} * votes", "low_majority"))
        if rules.min_agreement:
            checks.append(("orders IS DISTINCT FROM 2", "one_order_only"))
            checks.append((f"share < {rules.min_agreement!r}", "low_agreement"))
        checks.append(("num_chosen = 0", "nothing_chosen"))
        if rules.rejected:
            checks.append(("num_rejected = 0", "nothing_rejected"))
        cases = " ".join(f"WHEN {condition} THEN '{status}'" for condition, status in checks)
        self._index.run(f"""
            CREATE TABLE prompts AS
            SELECT grouped.*, CASE {cases} ELSE '{KEPT}' END AS status
            FROM grouped LEFT JOIN agreement USING (source, pair)
        """)

    def _draw_examples(self) -> None:
        """Walk over both sides at once: each text is used once before any is used twice.

        After `lcm` steps the walk would meet the same pairs again; one step aside it meets new ones,
        until it has met all.
        """
        rules = self._rules
        # Unlimited reasons come first, so a limited one serves only where the others run out. (A list
        # of the first few by `min_by` would be shorter to write, but does not spill to disk.)
        self._index.run(f"""
            CREATE TABLE slots AS
            SELECT source, prompt, outcome, sample, row_number() OVER (
                PARTITION BY source, prompt, outcome = {CHOSEN:d}
                ORDER BY outcome IN ({_listed(list(rules.limits))}), draw, outcome
            ) - 1 AS slot
            FROM texts SEMI JOIN (SELECT * FROM prompts WHERE status = '{KEPT}') AS kept
                USING (source, prompt)
            WHERE outcome IN ({_listed([CHOSEN, *self._rejected])})
            QUALIFY slot < {rules.num_examples}
        """)
        if rules.rejected:
            rounds = f"least({rules.num_examples}, num_chosen * num_rejected)"
            columns = "other.sample AS rejected, other.outcome AS reason"
            partner = f"""
                JOIN slots AS other ON other.source = walk.source AND other.prompt = walk.prompt
                    AND other.outcome <> {CHOSEN:d}
                    AND other.slot = (round + round // lcm(num_chosen, num_rejected)) % num_rejected
            """
        else:
            rounds, partner = "1", ""
            columns = "NULL::BIGINT AS rejected, NULL::UTINYINT AS reason"
        self._index.run(f"""
            CREATE TABLE examples AS
            SELECT walk.source, walk.prompt, if(pair = 0, walk.prompt, pair) AS unit,
                golds - 1 AS gold_b, round, target.sample AS chosen, {columns},
                {self._draw("walk.prompt", "round")} AS draw
            FROM (
                SELECT *, unnest(generate_series(0, {rounds} - 1)) AS round
                FROM prompts WHERE status = '{KEPT}'
            ) AS walk
            JOIN slots AS target ON target.source = walk.source AND target.prompt = walk.prompt
                AND target.outcome = {CHOSEN:d} AND target.slot = round % num_chosen
            {partner}
        """)

    def _trim(self) -> None:
        rules = self._rules
        plan = plan_sets(
            [self._kinds("examples", number) for number in range(self._num_sets)],
            limits=rules.limits,
            balance=rules.balance,
            mix=rules.mix,
        )
        if not any(sum(counts.values()) for counts in plan):
            raise EmptyDataError(
                "the input", {**self.count_outcomes(), **self.count_prompts(trimmed=False)}
            )
        sizes = ", ".join(
            f"({number}, {kind.gold_b:d}, {'NULL' if kind.reason is None else int(kind.reason)}, {size})"
            for number, counts in enumerate(plan)
            for kind, size in counts.items()
        )
        # Later rounds are taken away first, so that as many prompts as possible stay.
        self._index.run(f"""
            CREATE TABLE trimmed AS
            SELECT examples.* FROM (
                SELECT *, row_number() OVER (
                    PARTITION BY source, gold_b, reason ORDER BY round, draw, prompt
                ) AS rank
                FROM examples
            ) AS examples JOIN (VALUES {sizes}) AS plan (source, gold_b, reason, size)
                ON plan.source = examples.source AND plan.gold_b = examples.gold_b
                AND plan.reason IS NOT DISTINCT FROM examples.reason AND rank <= size
        """)
        self._index.run(f"""
            CREATE TABLE ends AS
            SELECT source, prompt,
                if(status = '{KEPT}' AND left_over.prompt IS NULL, '{TRIMMED}', status) AS status
            FROM prompts LEFT JOIN (SELECT DISTINCT source, prompt FROM trimmed) AS left_over
                USING (source, prompt)
        """)

    def _arrange(self) -> None:
        """Deal whole units to the parts, those with both orders apart from those with one."""
        rules = self._rules
        self._index.run(f"""
            CREATE TABLE selected AS
            SELECT trimmed.*, part,
                count(*) OVER (PARTITION BY part) AS part_size,
                row_number() OVER (
                    PARTITION BY part ORDER BY draw, prompt, source, round
                ) - 1 AS position
            FROM trimmed JOIN (
                SELECT unit, (row_number() OVER (
                    ORDER BY min(gold_b), max(gold_b), {self._draw("unit", "'unit'")}, unit
                ) - 1) % {rules.num_parts} AS part
                FROM trimmed GROUP BY unit
            ) USING (unit)
        """)
        [(units, smallest)] = self._index.rows(
            "SELECT count(DISTINCT unit), min(part_size) FROM selected"
        )
        if units < rules.num_parts:
            raise ConfigError(
                "num_iter",
                f"is {rules.num_parts}, but only {units} pairs are left to deal; ask for fewer.",
            )
        if smallest < rules.num_shards:
            raise ConfigError(
                "num_shards",
                f"is {rules.num_shards}, but a part has only {smallest} examples; ask for fewer.",
            )

    def batches(self) -> Iterator[list[tuple[Any, ...]]]:
        """Yield part, shard, rejected reason and the places of the two samples, in order.

        A place is file, start, length and line hash; the second is empty where nothing is rejected.
        """
        # A query's result is held whole, a table is not: hence tables, fetched by stretches.
        self._index.run("""
            CREATE TABLE spots AS
            SELECT samples.rowid AS sample, file, start, length, line
            FROM samples SEMI JOIN (
                SELECT chosen AS sample FROM selected UNION SELECT rejected FROM selected
            ) AS used ON used.sample = samples.rowid
        """)
        self._index.run(f"""
            CREATE TABLE places AS
            SELECT part, position, position * {self._rules.num_shards} // part_size AS shard, reason,
                a.file, a.start, a.length, a.line, b.file, b.start, b.length, b.line
            FROM selected JOIN spots AS a ON a.sample = chosen
            LEFT JOIN spots AS b ON b.sample = rejected
        """)
        for part in range(self._rules.num_parts):
            first = 0
            while rows := self._index.rows(
                f"SELECT * EXCLUDE (position) FROM places WHERE part = {part} "
                f"AND position >= {first} AND position < {first + _STRETCH_ROWS} ORDER BY position"
            ):
                yield rows
                first += len(rows)

    def count_outcomes(self, *, negatives: bool = False) -> dict[str, int]:
        """Return the samples by outcome."""
        comparison = "=" if negatives else "<>"
        rows = self._index.rows(
            "SELECT outcome, count(*) FROM samples "
            f"WHERE source {comparison} {NEGATIVES} GROUP BY outcome"
        )

        return {Outcome(outcome).name.lower(): count for outcome, count in sorted(rows)}

    def count_prompts(self, *, trimmed: bool = True) -> dict[str, int]:
        """Return the prompts by what became of them."""
        table = "ends" if trimmed else "prompts"
        rows = self._index.rows(f"SELECT status, count(*) FROM {table} GROUP BY status ORDER BY status")

        return dict(rows)

    def count_examples(self) -> list[Counts]:
        """Return the selected examples of each set by kind."""
        return [self._kinds("selected", number) for number in range(self._num_sets)]

    def count_drawn(self) -> int:
        """Return the examples drawn before quotas, balance and mix."""
        return int(self._index.rows("SELECT count(*) FROM examples")[0][0])

    def count_fates(self, *, negatives: bool = False) -> dict[str, int]:
        """Return the samples by what became of them; together they are all well-formed samples."""
        copies = "copies - texts.votes" if negatives else "texts.votes"
        stands = "texts.votes = 0" if negatives else "texts.votes > 0"
        rows = self._index.rows(f"""
            WITH used AS (
                SELECT source, chosen AS sample FROM selected
                UNION SELECT source, rejected FROM selected
            )
            SELECT status, outcome, used.sample IS NOT NULL, sum({copies}), count(*) FILTER ({stands})
            FROM texts JOIN ends USING (source, prompt)
            LEFT JOIN used ON used.source = texts.source AND used.sample = texts.sample
            GROUP BY ALL
        """)
        counts: Counter[str] = Counter()
        for status, outcome, is_used, num_copies, num_standing in rows:
            if status != KEPT:
                counts[status] += num_copies
            elif outcome not in (CHOSEN, *self._rejected):
                counts[Outcome(outcome).name.lower()] += num_copies
            else:
                counts["duplicate"] += num_copies - num_standing
                counts[KEPT if is_used else "not_drawn"] += num_standing
        if negatives:
            counts.update(self._count_idle_negatives())

        return {fate: int(count) for fate, count in sorted(counts.items()) if count}

    def _count_idle_negatives(self) -> dict[str, int]:
        [(absent, right)] = self._index.rows(f"""
            SELECT count(*) FILTER (NOT is_known),
                count(*) FILTER (is_known AND outcome IN ({_listed(VOTED_RIGHT)}))
            FROM (
                SELECT outcome, prompt IN (SELECT prompt FROM prompts) AS is_known
                FROM samples WHERE source = {NEGATIVES}
            )
        """)

        return {name: n for name, n in (("absent_prompt", absent), ("judged_right", right)) if n}

    def _kinds(self, table: str, source: int) -> Counts:
        rows = self._index.rows(
            "SELECT gold_b, reason, count(*) "
            f"FROM {table} WHERE source = {source} GROUP BY gold_b, reason"
        )

        return {
            Kind(bool(gold_b), None if reason is None else Outcome(reason)): count
            for gold_b, reason, count in sorted(rows, key=repr)
        }

    def _draw(self, *columns: str) -> str:
        """Return an expression that puts rows into a random order, always the same."""
        return f"md5_number_lower(concat_ws(':', {self._rules.salt}, {', '.join(columns)}))"


def _listed(outcomes: Sequence[Outcome]) -> str:
    return ", ".join(str(int(outcome)) for outcome in outcomes) or "NULL"
