r"""Drops what only says which values a name takes: "7k, k \in \mathbb{Z}" is 7k (ours)."""

from __future__ import annotations

import re

from w2s.answers.math.latex import unwrap

_NAME = r"(?:[A-Za-z]|\\(?!in(?![a-z])|forall)[A-Za-z]+)(?:_(?:[A-Za-z0-9]|\{[A-Za-z0-9]+\}))?"
_NAMES = rf"{_NAME}(?:\s?(?:,|and|,\s?and)\s?{_NAME}){{0,3}}"
_SET = r"(?:\\math(?:bb|bf|rm)\s?\{?\s?(?P<set>[ZRC])\s?\}?|\\?(?P<bare>[ZRC])(?![A-Za-z]))"
_KIND = (
    r"(?:an?\s|any\s|arbitrary\s|fixed\s)*(?:(?P<{0}>integers?|constants?|complex numbers?|complex constants?)"
    r"|reals?(?:\s(?:numbers?|constants?))?|numbers?)"
)
_EACH = r"(?:all|any|every|each|some)"
_TAIL = re.compile(
    r"\s?(?:[,;]\s?|(?P<open>\()\s?|\s(?=for\b|where\b|with\b|when\b|\\forall)|(?=\\forall))"
    r"(?:(?:for|where|with|when|and)\s)?\s?(?:"
    rf"(?:{_EACH}\s|\\forall\s?)?(?P<in>{_NAMES})\s?\\in(?![a-z])\s?{_SET}"
    rf"|(?P<is>{_NAMES})\s(?:is\s|are\s|be\s)?{_KIND.format('k1')}"
    rf"|{_EACH}\s{_KIND.format('k2')}\s(?P<kind>{_NAMES})"
    rf"|(?:{_EACH}\s|\\forall\s?)(?P<all>{_NAMES})"
    r")\s?(?P<close>\))?"
)
_LIKELY = re.compile(
    r"\\in(?![a-z])|\\forall|\b(?:integer|real|constant|complex|number)s?\b|\b(?:all|any|every|each)\b"
)
_BOUND = re.compile(r"[<>:|]|\\(?:le|ge|ne|in)(?![A-Za-z])")
_MAX_LENGTH = 400


def unqualified(text: str) -> str:
    """`text` without a last part that makes its names integer, real, complex or constant.

    A narrower set stays. After an inequality only "real" goes.
    """
    if len(text) > _MAX_LENGTH or not _LIKELY.search(text):
        return text
    bare = unwrap(text)
    for begin in re.finditer(r"\s?[,;(]|\s(?=for\b|where\b|with\b|when\b)|\s?(?=\\forall)", bare):
        tail = _TAIL.fullmatch(bare, begin.start()) if begin.start() else None
        if tail is None or (tail["open"] is None) != (tail["close"] is None):
            continue
        main = bare[: begin.start()].strip()
        letters = re.sub(r"\\[A-Za-z]+|\b[A-Za-z]{4,}\b", lambda word: word[0] if word[0][0] == "\\" else "", main)
        names = re.findall(_NAME, next(filter(None, map(tail.group, ("in", "is", "kind", "all")))).replace("and", ","))
        real = (tail["set"] or tail["bare"] or "R") == "R" and not (tail["k1"] or tail["k2"])
        if all(name in letters for name in names) and (real or not _BOUND.search(main)):
            return main
    return text
