"""Questions that are one problem told again: other numbers, other names, a word or two more (ours).

Sets of word problems are full of them: SVAMP was written as variations on ASDiv, and MultiArith's sentences come
back with other numbers. A model that was trained on the twin of a test question may have learnt its equation by heart.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

from w2s.tasks import splits

ALIKE = 0.75
"""Questions are twins where at least this share of the different words of both together stands in both (ours)."""

_NAME = re.compile(r"\b[A-Z]\w*")
_SPELLED = re.compile(
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|"
    "(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundred|thousand|million"
)
_PRONOUNS = {"he": "they", "she": "they", "him": "them", "her": "them", "his": "them"}


def words(question: str) -> frozenset[str]:
    """The different words of a question; all numbers are one word, and all words with a capital, which names have."""
    tokens = splits.mask(splits.normalise(_NAME.sub("Name", unicodedata.normalize("NFC", question)))).split()
    return frozenset("0" if _SPELLED.fullmatch(token) else _PRONOUNS.get(token, token) for token in tokens)


def groups(questions: Sequence[str], alike: float = ALIKE) -> list[int]:
    """For each question the position of the first one of its group: twins, and twins of twins, are one group.

    Args:
        questions: texts; in another order they fall into the same groups.
        alike: share of words, above 0 and up to 1; at 1 only the sets of words have to be equal.
    """
    sets = [words(question) for question in questions]
    counts = Counter(word for found in sets for word in found)
    root = list(range(len(sets)))

    def first(place: int) -> int:
        while root[place] != place:
            root[place] = place = root[root[place]]
        return place

    seen: dict[str, list[int]] = defaultdict(list)
    for here in sorted(range(len(sets)), key=lambda place: len(sets[place])):
        mine = sets[here]
        # Sets that share enough also share one of their rarest words, so only those few have to be looked up.
        enough = math.ceil(alike * len(mine) - 1e-9)
        rare = sorted(mine, key=lambda word: (counts[word], word))[: len(mine) - enough + 1]
        for there in {place for word in rare for place in seen[word]}:
            shared = len(mine & sets[there])
            if shared >= alike * (len(mine) + len(sets[there]) - shared):
                low, high = sorted((first(here), first(there)))
                root[high] = low
        for word in rare:
            seen[word].append(here)
    return [first(place) for place in range(len(sets))]
