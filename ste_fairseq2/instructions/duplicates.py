"""Finds exact and near duplicates among instructions, in whatever order these come.

The instructions are gone through in the order of their ids; of several under one id, in the order of a
digest of their records. One is dropped where one that stays and stands before it

- has the same normal form (see ``wording.py``): an exact duplicate;
- has the same id, but another text;
- shares at least the threshold of its runs of three words with it (Jaccard index): a near duplicate.

So of two near duplicates the one with the smaller id stays, each one dropped has a near relative that
stays, and the order of files does not matter. MinHash (`datasketch`) finds the pairs worth comparing;
what is compared is then the texts themselves. At a threshold of 0.8 it misses one pair in twenty of an
index of exactly 0.8, and one in ten thousand of 0.9.

Memory: two arrays of 128 bytes an instruction, its bands as 64-bit hashes and its signature in bytes.
An index of Python objects takes twenty times that.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from ste_fairseq2.instructions.wording import normal_form

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXACT: Final = "exact_duplicate"
NEAR: Final = "near_duplicate"
SAME_ID: Final = "same_id"

_SHINGLE_WORDS: Final = 3
_PERMUTATIONS: Final = 128
_SEED: Final = 1
_WEIGHTS: Final = (0.05, 0.95)
"""False positives of the bands cost a comparison, false negatives a duplicate."""

_MARGIN: Final = 0.1
"""Three standard errors of the index that a signature estimates: what is further below the threshold is
not compared."""

_MOST_SHARING: Final = 256
_MOST_COMPARED: Final = 64
"""Thousands may share half of their words, as those do that one template made. So that the work stays
in proportion, a band leads to at most so many that stay, and an instruction is compared with at most so
many of them, the likeliest first."""
_CACHED_TEXTS: Final = 4096


class DuplicateFinder:
    """Takes instructions one by one, then says which of them to drop."""

    def __init__(self, threshold: float) -> None:
        """
        :param threshold: the Jaccard index from which on two are near duplicates; at 1 only exact ones
            are looked for.
        """
        # It has no type information.
        from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped]
        from xxhash import xxh3_64_intdigest, xxh32_intdigest

        self._threshold = threshold
        self._hash = xxh3_64_intdigest
        self._ids: list[str] = []
        self._records = array("Q")
        self._normal_forms = array("Q")
        self._bands = array("Q")
        """The hashes of the bands of each signature, one instruction after the other."""
        self._sketches = bytearray()
        """The lowest byte of each value of each signature."""
        if threshold < 1.0:
            index = MinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS, weights=_WEIGHTS)
            self._num_bands, self._band_size = index.b, index.r
        self._no_words = MinHash(num_perm=_PERMUTATIONS, seed=_SEED, hashfunc=xxh32_intdigest)

    def add(self, record_id: str, text: str, record: bytes) -> None:
        """
        :param record: the whole record; it decides between several under one id.
        """
        form = normal_form(text)
        self._ids.append(record_id)
        self._records.append(self._hash(record))
        self._normal_forms.append(self._hash(form.encode()))
        if self._threshold < 1.0:
            signature = self._no_words.copy()
            signature.update_batch(_shingles(form))
            values, size = signature.hashvalues, self._band_size
            self._sketches.extend(values.astype("uint8").tobytes())
            self._bands.extend(
                self._hash(values[band * size : (band + 1) * size].tobytes(), seed=band)
                for band in range(self._num_bands)
            )

    def find(self, text_of: Callable[[int], str]) -> list[str | None]:
        """Return for each instruction, in the order they were added, why to drop it, or ``None``.

        :param text_of: gives the text of the instruction of that number again.
        """
        reasons: list[str | None] = [None] * len(self._ids)
        order = sorted(range(len(reasons)), key=lambda i: (self._ids[i], self._records[i]))
        self._mark_equal(order, reasons)
        if self._threshold < 1.0:
            self._mark_near([i for i in order if reasons[i] is None], reasons, text_of)

        return reasons

    def _mark_equal(self, order: Sequence[int], reasons: list[str | None]) -> None:
        seen: set[int] = set()
        last_id: str | None = None
        for number in order:
            if self._normal_forms[number] in seen:
                reasons[number] = EXACT
            elif self._ids[number] == last_id:
                reasons[number] = SAME_ID
            else:
                seen.add(self._normal_forms[number])
                last_id = self._ids[number]

    def _mark_near(
        self, order: Sequence[int], reasons: list[str | None], text_of: Callable[[int], str]
    ) -> None:
        import numpy as np

        bands = np.frombuffer(self._bands, np.uint64).reshape(-1, self._num_bands)
        sketches = np.frombuffer(self._sketches, np.uint8).reshape(-1, _PERMUTATIONS)
        rows = np.array(order, np.int64)
        # Most share no band with any other, and need no entry in a table.
        is_shared = np.stack([_is_repeated(bands[rows, b]) for b in range(self._num_bands)], axis=1)

        @functools.lru_cache(maxsize=_CACHED_TEXTS)
        def shingles_of(place: int) -> frozenset[int]:
            return frozenset(map(self._hash, _shingles(normal_form(text_of(order[place])))))

        staying: dict[int, list[int]] = {}
        """The places of those that stay, by the hashes of their bands."""
        for place in np.flatnonzero(is_shared.any(axis=1)).tolist():
            hashes = bands[rows[place]][is_shared[place]].tolist()
            others = sorted({other for h in hashes for other in staying.get(h, ())})
            estimates = (sketches[rows[others]] == sketches[rows[place]]).mean(axis=1)
            likeliest = np.argsort(-estimates, kind="stable")[:_MOST_COMPARED]
            if any(
                _jaccard(shingles_of(place), shingles_of(others[i])) >= self._threshold
                for i in likeliest[estimates[likeliest] >= self._threshold - _MARGIN].tolist()
            ):
                reasons[order[place]] = NEAR
            else:
                for h in hashes:
                    sharing = staying.setdefault(h, [])
                    if len(sharing) < _MOST_SHARING:
                        sharing.append(place)


def _shingles(form: str) -> list[bytes]:
    """Return the runs of three words of a normal form; a shorter one is a run of its own."""
    parts = form.encode().split(b" ")
    if len(parts) <= _SHINGLE_WORDS:
        return [form.encode()]

    return [b" ".join(parts[i : i + _SHINGLE_WORDS]) for i in range(len(parts) - _SHINGLE_WORDS + 1)]


def _jaccard(first: frozenset[int], second: frozenset[int]) -> float:
    common = len(first & second)

    return common / (len(first) + len(second) - common)


def _is_repeated(values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Tell of each value whether it occurs again."""
    import numpy as np

    order = np.argsort(values, kind="stable")
    equals_next = np.zeros(len(values) + 1, np.bool_)
    equals_next[1:-1] = values[order[1:]] == values[order[:-1]]
    repeated = np.empty(len(values), np.bool_)
    repeated[order] = equals_next[1:] | equals_next[:-1]

    return repeated
