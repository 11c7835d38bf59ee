"""Mean, median and histogram of lengths are those of the texts."""

from __future__ import annotations

import statistics

from hypothesis import given
from hypothesis import strategies as st

from ste_fairseq2.curation.lengths import LengthTally, describe_lengths


class TestLengthTally:
    def test_counts_words_and_characters(self) -> None:
        report = LengthTally(["one two", "three", "word " * 60]).report()

        assert report["words"]["mean"] == 21.0
        assert report["words"]["median"] == 2.0
        assert report["words"]["histogram"]["<50"] == 2
        assert report["words"]["histogram"]["50-99"] == 1
        assert report["characters"]["median"] == 7.0

    @given(st.lists(st.text(max_size=30), min_size=1))
    def test_the_median_is_exact(self, texts: list[str]) -> None:
        assert LengthTally(texts).report()["characters"]["median"] == statistics.median(map(len, texts))

    def test_merged_tallies_are_one(self) -> None:
        whole, part = LengthTally(["a b", "c"]), LengthTally(["a b"])
        part.merge(LengthTally(["c"]))

        assert part.report() == whole.report()

    def test_nothing_has_no_length(self) -> None:
        assert LengthTally([]).report()["words"]["mean"] == 0.0

    def test_the_table_names_every_side(self) -> None:
        report = LengthTally(["a b"]).report()

        assert "rejected  mean 2, median 2" in describe_lengths({"chosen": report, "rejected": report})
