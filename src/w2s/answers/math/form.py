"""Canonical forms of a text, expression or inequality, and of several together (ours)."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from w2s.answers.math.arithmetic import Tree, names, value
from w2s.answers.math.fingerprint import fingerprint, short
from w2s.answers.math.grammar import Unreadable, Words, parse
from w2s.answers.math.latex import unwrap
from w2s.answers.math.number import without_unit
from w2s.answers.math.relation import DERIVATIVE, Bound, inequality, needs_dense, united
from w2s.answers.math.text import mathematical, prose, text_key

Kind = Literal["number", "math", "text", "unread"]

_RATIO = re.compile(r"[0-9.]+(?:\s?:\s?[0-9.]+)+")
_INFINITY = re.compile(r"([-+]?)\s?(?:\\infty|infinity|inf|oo)", re.IGNORECASE)


class Form(NamedTuple):
    """A canonical form."""

    key: str
    """Equal for equal answers; "" if nothing is left."""
    kind: Kind
    """"unread": mathematics beyond the grammar, with the key of its text."""


def expression(text: str) -> Form | None:
    """The form of one expression, word, ratio or choice, or None."""
    infinity = _INFINITY.fullmatch(text)
    if infinity:
        return Form("-inf" if infinity[1] == "-" else "inf", "math")
    if re.fullmatch(r"\\mathbb\s?\{?R\}?", text):
        return Form("(-inf,inf)", "math")
    if text == r"\emptyset":
        return Form("emptyset", "math")
    bare = unwrap(text).strip()
    if re.fullmatch(r"[A-Za-z]", bare) or _RATIO.fullmatch(bare):
        return Form(short(text_key(bare)), "text")
    if prose(bare):
        return text_form(text, readable=True)
    try:
        tree = tree_of(text)
    except Words:
        return text_form(text, readable=r"\begin" not in text)
    except Unreadable:
        return None
    free = names(tree)
    if (
        bare.isalpha()
        and bare.isascii()
        and free
        and not ((len(bare) == 2 and bare.islower()) or set(bare) <= set("xyz"))
    ):
        return text_form(text, readable=True)  # ABC is a triangle or a choice, xy a product
    used = sorted(free)
    key = fingerprint(used, lambda point: value(tree, point), exact=True, dense=needs_dense(tree, used))
    return None if key is None else Form(key, "math")


def has_names(text: str) -> bool:
    """Whether `text` is an expression with variables."""
    try:
        return bool(names(tree_of(text)))
    except Unreadable:
        return False


def interval(signs: list[str], sides: list[str]) -> Form | None:
    """The form of one inequality, or of two that bound one variable, or None."""
    try:
        trees = [tree_of(side) if not _INFINITY.fullmatch(side) else None for side in sides]
    except Unreadable:
        return None
    ends: list[Bound | None] = [None, None]
    several: list[str] = []
    for left, sign, right in zip(trees, signs, trees[1:], strict=False):
        if left is None or right is None:
            continue
        bounds = inequality(left, sign, right)
        if isinstance(bounds, str):
            several.append(bounds)
            continue
        if bounds is None or any(old is not None and new is not None for old, new in zip(ends, bounds, strict=True)):
            return None
        ends = [new or old for old, new in zip(ends, bounds, strict=True)]
    lower, upper = ends
    if several:  # p < q < r; nothing where one of the sides is a number's bound or infinite
        return Form(short("&".join(sorted(several))), "math") if len(several) == len(signs) else None
    if lower is None and upper is None:
        return None
    opening = "[" if lower and lower.closed else "("
    close = "]" if upper and upper.closed else ")"
    return Form(short(f"{opening}{lower.key if lower else '-inf'},{upper.key if upper else 'inf'}{close}"), "math")


def tree_of(text: str) -> Tree:
    """The tree of an expression, without a unit at its end.

    Raises:
        Unreadable: it is beyond the grammar.
    """
    text = text.strip()
    if DERIVATIVE.search(text):  # d is no factor there
        raise Unreadable(text)
    for _ in range(2):
        shorter = without_unit(text)
        if shorter == text or text.endswith("°") or not re.search(r"[0-9\\]", shorter):
            break
        text = shorter
    return parse(unwrap(text))


def text_form(text: str, readable: bool) -> Form:
    """The form of `text` as it stands; if `readable`, never "unread"."""
    bare = unwrap(text)
    return Form(short(text_key(bare)), "unread" if not readable and mathematical(bare) else "text")


def joined(forms: list[Form], opening: str, close: str) -> Form:
    """The form of ordered parts between brackets."""
    return Form(short(opening + ",".join(form.key for form in forms) + close), kind_of(forms))


def union(forms: list[Form]) -> Form:
    """The form of a union of sets and intervals."""
    keys = united([form.key for form in forms])
    return Form(short(keys[0] if len(keys) == 1 else "u" + ",".join(keys)), kind_of(forms))


def kind_of(forms: list[Form]) -> Kind:
    """The kind of an answer with the parts `forms`."""
    kinds = {form.kind for form in forms}
    return "unread" if "unread" in kinds else "text" if kinds == {"text"} else "math"
