"""Near duplicates: one problem with a word or a name changed, or with other numbers (ours)."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, TypeVar

from w2s.tasks import wording

T = TypeVar("T", str, tuple[str, int])

SHARE = 0.75
"""The least share of common words of two near duplicates (ours)."""

Word = tuple[str, int]
"""A word, and how many equal ones are before it."""

_SMALL = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6}
_NAME = re.compile(r"\b[A-Z]\w*")
_SPELLED = re.compile("|".join((*_SMALL.keys() - {"zero"}, *_TENS, *_SCALES)))
_PRONOUNS = {"he": "they", "she": "they", "him": "them", "her": "them", "his": "them"}
_LOOKALIKES = str.maketrans(
    "аесорхуіјѕԁһԛԝѵӏвкмнтгαβεηικμνορτυχωѡօսոհցզյ",
    "aecopxyijsdhqwvlbkmhtrabenikuvoptuxwwounhgqj",
)
"""Cyrillic, Greek and Armenian letters as the Latin ones that they look like (of Unicode's confusables)."""


class Form(NamedTuple):
    """What is compared: the numbers and operators in order, and the other words, each with its count.

    A capitalised word is a name, and any name equals any other; "one" may be a pronoun, so it is neither, as 1.
    """

    figures: tuple[str, ...]
    words: frozenset[Word]


def form(question: str) -> Form:
    """The form of a question. Numbers in words are numbers."""
    cased = wording.tokens(question)
    shouted = 2 * sum(token[0].isupper() for token in cased) > len(cased)  # case says nothing there
    figures: list[str] = []
    words: Counter[str] = Counter()
    folded = [_folded(token) for token in cased]
    at = 0
    while at < len(folded):
        token, end = folded[at], at + 1
        value = None
        if token in _SMALL or token in _TENS:
            value, end = _spelled(folded, at)
        elif wording.is_number(token):
            value, end = _digits(folded, at)
        if value is not None:
            figures += [value] if value != "1" else []
        elif token == "%":
            words["percent"] += 1
        elif not token[0].isalnum():
            figures.append(token)
        else:
            words["Name" if cased[at][0].isupper() and not shouted else _PRONOUNS.get(token, token)] += 1
        at = end
    return Form(tuple(figures), frozenset((word, n) for word in words for n in range(words[word])))


def pairs(
    mine: Mapping[str, Form], theirs: Mapping[str, Form], *, masked: bool = False, share: float = SHARE
) -> Iterator[tuple[str, str]]:
    """Ids of `mine`, each with the first of `theirs` that is a near duplicate. `masked`: numbers are ignored."""
    one, other = (
        {identity: Form(() if masked else figures, words) for identity, (figures, words) in forms.items()}
        for forms in (mine, theirs)
    )
    counts = Counter(word for forms in (one, other) for form in forms.values() for word in form.words)
    first: dict[Form, str] = {}
    for identity, form in other.items():
        first.setdefault(form, identity)
    seen: dict[tuple[tuple[str, ...], Word], list[int]] = defaultdict(list)
    different = list(first)  # one of each: a template without numbers costs its square otherwise
    for place, form in enumerate(different):
        for word in _rare(form.words, counts, share):
            seen[form.figures, word].append(place)
    found: dict[Form, str | None] = {}
    for identity, form in one.items():
        if form not in found:
            places = {
                place for word in _rare(form.words, counts, share) for place in seen.get((form.figures, word), ())
            }
            near = [place for place in places if _similar(form.words, different[place].words, share)]
            found[form] = first[different[min(near)]] if near else None
        partner = found[form]
        if partner is not None:
            yield identity, partner


def words(question: str) -> frozenset[str]:
    """The different words of a question; numbers are one, capitalised words another."""
    tokens = wording.mask(wording.normalise(_NAME.sub("Name", unicodedata.normalize("NFC", question)))).split()
    return frozenset("0" if _SPELLED.fullmatch(token) else _PRONOUNS.get(token, token) for token in tokens)


def groups(questions: Sequence[str], share: float = SHARE) -> list[int]:
    """For each question, the position of the first in its group, whatever the numbers."""
    sets = [words(question) for question in questions]
    counts = Counter(word for each in sets for word in each)
    root = list(range(len(sets)))

    def first(place: int) -> int:
        while root[place] != place:
            root[place] = place = root[root[place]]
        return place

    seen: dict[str, list[int]] = defaultdict(list)
    for here in sorted(range(len(sets)), key=lambda place: len(sets[place])):
        mine = sets[here]
        rare = _rare(mine, counts, share)
        for there in {place for word in rare for place in seen[word]}:
            if _similar(mine, sets[there], share):
                low, high = sorted((first(here), first(there)))
                root[high] = low
        for word in rare:
            seen[word].append(here)
    return [first(place) for place in range(len(sets))]


def _rare(words: frozenset[T], counts: Counter[T], share: float) -> list[T]:
    """Sets that share enough also share one of their rarest words: only those few are looked up."""
    enough = math.ceil(share * len(words) - 1e-9)
    return sorted(words, key=lambda word: (counts[word], str(word)))[: len(words) - enough + 1]


def _similar(one: frozenset[T], other: frozenset[T], share: float) -> bool:
    shared = len(one & other)
    return shared >= share * (len(one) + len(other) - shared)


def _folded(token: str) -> str:
    token = token.casefold()
    return token if token.isascii() else token.translate(_LOOKALIKES)


def _spelled(tokens: Sequence[str], at: int) -> tuple[str, int]:
    """The number in words that begins here, and where it ends."""
    total = current = 0
    before = ""
    while at < len(tokens):
        token = tokens[at]
        fresh = before in ("", "and") or before in _SCALES
        if token in _SMALL and (fresh or (before in _TENS and 0 < _SMALL[token] < 10)):
            current += _SMALL[token]
        elif token in _TENS and fresh:
            current += _TENS[token]
        elif token == "hundred" and 0 < current < 100:
            current *= 100
        elif token in _SCALES and token != "hundred" and current:
            total, current = total + current * _SCALES[token], 0
        elif not (token == "and" and before in _SCALES and tokens[at + 1 : at + 2] and _begins(tokens[at + 1])):
            break
        before, at = token, at + 1
    return str(total + current), at


def _begins(token: str) -> bool:
    return token in _SMALL or token in _TENS


def _digits(tokens: Sequence[str], at: int) -> tuple[str, int]:
    """The number in digits here, perhaps with "thousand" after it; 2.50 is 2.5."""
    whole, _, fraction = tokens[at].partition(".")
    value = (whole.lstrip("0") or "0") + (f".{fraction.rstrip('0')}" if fraction.rstrip("0") else "")
    scale = _SCALES.get(tokens[at + 1]) if at + 1 < len(tokens) and len(value) < 16 else None
    return (value, at + 1) if scale is None else (f"{(Decimal(value) * scale).normalize():f}", at + 2)
