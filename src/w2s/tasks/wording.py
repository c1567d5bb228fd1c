"""The words of a question, as splits compare them (ours)."""

from __future__ import annotations

import html
import itertools
import re
import unicodedata

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]\w{1,31});")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f]")
_IGNORABLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Invisible, beside category Cf: Unicode's Default_Ignorable_Code_Point."""
_APOSTROPHES = str.maketrans(dict.fromkeys("'\u2019\u2018`\u00b4\uff07"))
_SIGNS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-") | {"\u2044": "/"})
_LABEL = re.compile(
    r"[\s#*]*(?:(?:question|problem|exercise|task|q)\s*(?:no\.?\s*|#\s*)?\d{0,6}[\s*]*[.)]?[\s*]*:[\s*]*"
    r"|(?:question|problem|exercise)\s*(?:no\.?\s*|#\s*)?(?:\d{1,6}\s*[.)][\s*]+|\d{0,6}[ \t*]*\n)"
    r"|\(?\d{1,3}[.)]\s+(?=[A-Z\"']))",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"</?(?:b|i|u|p|br|em|strong|span|div|sub)\s?/?>", re.IGNORECASE)
_BOLD = re.compile(r"(?<![\w*)])(\*{1,3})(?=[^\s*])([^*\n]{1,400}?)(?<=[^\s*])\1(?![\w*(])")
_CUE = re.compile(r"\s(?:answer|a)\s*:\s*$", re.IGNORECASE)
_GROUPING = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|-(?=\s*\d)|[^\w\s-]")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_OPERATORS = frozenset("-*/^%")  # with Unicode's mathematical symbols: "5 + 3" and "5 - 3" are different questions


def tokens(question: str) -> list[str]:
    """Words, numbers and operators in their case. What cannot be seen, punctuation and a label are left out."""
    return _tokens(_plain(question))


def normalise(question: str) -> str:
    """The form that is compared: operators, but no case, spacing or punctuation."""
    text = _plain(question)
    return " ".join(_tokens(text)).casefold() or text.casefold().strip()


def mask(form: str) -> str:
    """Without numbers: "3 apples" equals "7.5 apples"."""
    return " ".join("0" if is_number(token) else token for token in form.split(" "))


def is_number(token: str) -> bool:
    """In digits."""
    return _NUMBER.fullmatch(token) is not None


def _plain(question: str) -> str:
    text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), question) if "&" in question else question
    text = _CONTROL.sub("", text)
    text = _MARKUP.sub(" ", text) if "<" in text else text
    text = _BOLD.sub(r"\2", text) if "*" in text else text
    if not text.isascii():
        text = _compatible(text.translate(_APOSTROPHES)).translate(_SIGNS)
    text = text.translate(_APOSTROPHES)
    bare = _CUE.sub("", _LABEL.sub("", text, count=1) if _LABEL.match(text) else text)
    return bare if _TOKEN.search(bare) else text


def _compatible(text: str) -> str:
    """NFKC without what cannot be seen. Raised figures keep a sign: 5\u00b2 is not 52, and 2\u00bd is not 21/2."""
    pieces = []
    for tag, run in itertools.groupby(text, lambda sign: unicodedata.decomposition(sign).partition(" ")[0]):
        piece = "".join(run)
        if tag == "<super>":
            piece = "^" + piece
        elif tag in ("<sub>", "<fraction>", "<circle>"):
            piece = f" {' '.join(piece) if tag == '<fraction>' else piece} "
        pieces.append(piece)
    text = unicodedata.normalize("NFKC", _IGNORABLE.sub("", "".join(pieces)))
    return "".join(sign for sign in text if sign.isascii() or unicodedata.category(sign) not in ("Cf", "Cc"))


def _tokens(text: str) -> list[str]:
    return [token for token in _TOKEN.findall(_GROUPING.sub("", text)) if _counts(token)]


def _counts(token: str) -> bool:
    return token[0].isalnum() or token in _OPERATORS or unicodedata.category(token[0]) in ("Sm", "So")
