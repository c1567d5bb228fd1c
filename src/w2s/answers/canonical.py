r"""Canonical forms of final answers: equal answers get equal keys, so equality is symmetric and transitive (ours).

What counts as equal:

- Numbers are exact: "0.50", "1/2" and `\frac12` are one half; "0.333" is not a third, "3.14" is not pi. "1.000" is 1.
- A currency sign, a percent sign and a unit are not part of the value, as in the released code: "10%", "$10", "10 cm"
  and "10 apples" are 10. The base of `52_8` is.
- Expressions are equal where their values are: `\frac{\sqrt3}{2}` and `\frac{3}{2\sqrt3}`, `2x+1` and `1+2x`. Variables
  are real; capital and small variables differ, but a letter alone is folded, as a choice is: `n` is `N`. Values of
  functions are compared to 64 digits: `x+10^{-70}` is `x`.
- `x = 5` answers 5, and `f(x) = 2x` answers 2x. An equation of variables that is linear in one of them is solved for
  it (`relation.equation`): `y = 2x+1` and `2x-y+1 = 0` are both 2x+1. Another one counts up to a constant factor.
  Inequalities in one variable are intervals, `|x-5| < 3` too. `\frac{dy}{dx} = 2x` answers 2x.
- A bare list is unordered and equals a set: `1, 2`, `\{2, 1\}`, "1 and 2", `x = 1 or x = 2`. A set forgets repetition.
  `(1,2)` is ordered (a point or an open interval) and equals a column vector; `[1,2)` is an interval. `1\pm\sqrt2` is
  a list of two. `x=1, y=2` is ordered by its names. `(1,050)` is a number, `(1,50)` a point.
- Words are text, without case, spaces and articles; a choice "(A)" is "a". Number words ("3 fifths", "2 score") are
  text. In quantities of several units ("2 hours and 30 minutes", "3 apples, 2 pears") units count.
- What costs too much arithmetic, counted in operations, or is no expression of the grammar, is "unread".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple

from w2s.answers import cost
from w2s.answers.arithmetic import Tree, names, value
from w2s.answers.bends import bent
from w2s.answers.fingerprint import fingerprint, rational, short
from w2s.answers.grammar import Unreadable, Words, parse
from w2s.answers.latex import fold, plain, strip, unwrap
from w2s.answers.number import number, oversized, without_unit
from w2s.answers.parts import SIGN, encloses, sides_of, split
from w2s.answers.relation import DERIVATIVE, Bound, equation, inequality, named, symbol, united
from w2s.answers.words import mathematical, prose, quantities, text_key

Kind = Literal["number", "math", "text", "unread"]

_MAX_LENGTH = 1000  # `key` has cut off longer answers before
_MAX_LEVEL = 4  # a list of tuples of sums: deeper nesting is not read
_MAX_PARTS = 60
_MAX_COST = 100_000  # microseconds of a slow core, for all parts and sides of an answer together

_BASED = re.compile(r"([0-9A-Fa-f]+)\s?_\s?\{?\s?([0-9]{1,2})\s?\}?")
_RATIO = re.compile(r"[0-9.]+(?:\s?:\s?[0-9.]+)+")
_TEXT_CONNECTIVE = re.compile(r"\\(?:text|mbox|textrm|mathrm)\s?\{\s*,?\s*(and|or)\s*\}")
_INFINITY = re.compile(r"([-+]?)\s?(?:\\infty|infinity|inf|oo)", re.IGNORECASE)
_BUILDER = re.compile(r"([A-Za-z])(?:\s?\\in\s?\\mathbb\{?R\}?)?\s?[:|]\s?(.+)")
_MATRIX = re.compile(r"(?P<factor>[^&]{0,60}?)\s?\*?\s?\\begin\{([pbvBV]?matrix)\}(.*)\\end\{\2\}")
_PLUS_MINUS = re.compile(r"\\(?:pm|mp)(?![A-Za-z])")


class Form(NamedTuple):
    """The canonical form of an answer."""

    key: str
    """Equal for equal answers; "" where nothing is left of one."""
    kind: Kind
    """"unread": it looks like mathematics that this reader cannot decide; the key is then that of its text."""


def canonical(answer: str) -> Form:
    """The canonical form of a final answer. Pure, bounded in time and memory, never raises. Source: ours."""
    if len(answer) <= 60 and answer.isascii() and answer.isdigit():
        return Form(answer.lstrip("0") or "0", "number")
    return _canonical(answer)


@lru_cache(maxsize=4096)
def _canonical(answer: str) -> Form:
    text = plain(fold(answer[: _MAX_LENGTH + 1]))
    if len(answer) > _MAX_LENGTH:
        return Form(short(text_key(text)), "text")
    text = _TEXT_CONNECTIVE.sub(r" \1 ", text)
    try:
        with cost.limit(_MAX_COST):
            form = _form(text, 0)
    except (ArithmeticError, ValueError, RecursionError, cost.Spent):
        form = None
    return form or _words(text, readable=False)


def _form(text: str, level: int) -> Form | None:
    text = strip(text)
    if not text or level > _MAX_LEVEL:
        return None
    exact = number(text)
    if exact is not None:
        return Form(rational(exact), "number")
    if oversized(text):
        return Form(short(text_key(text)), "number")
    based = _BASED.fullmatch(text)
    if based:
        return Form(f"{based[1].upper()}_{based[2]}", "number")
    for read in _READERS:
        form = read(text, level)
        if form is not None:
            return form
    return None


def _quantities(text: str, level: int) -> Form | None:
    found = quantities(unwrap(text))
    return None if found is None else Form(short(found), "text")


def _matrix(text: str, level: int) -> Form | None:
    found = _MATRIX.fullmatch(text)
    if found is None or found[2] in ("vmatrix", "Vmatrix"):
        return None
    factor = {"": "", "-": "-"}.get(found["factor"], f"({found['factor']})*")
    cells = [[cell.strip() for cell in row.split("&")] for row in found[3].split("\\\\") if row.strip()]
    if not cells or len({len(row) for row in cells}) != 1 or sum(map(len, cells)) > _MAX_PARTS:
        return None
    rows = [[_element(f"{factor}({cell})" if factor else cell, level) for cell in row] for row in cells]
    if len(rows[0]) == 1 and len(rows) > 1:
        return _joined([row[0] for row in rows], "(", ")")
    return _joined([_joined(row, "[", "]") for row in rows], "[", "]")


def _list(text: str, level: int) -> Form | None:
    inside, braces = text, False
    if text.startswith(r"\{") and text.endswith(r"\}"):
        inside, braces = text[2:-2].strip(), True
        if not inside:
            return Form("emptyset", "math")
        builder = _BUILDER.fullmatch(inside)
        if builder:
            return _form(builder[2], level + 1)
    parts = split(inside)
    if len(parts) == 1 and not braces:
        return None
    if len(parts) > _MAX_PARTS or any(not part or part == "..." for part in parts):
        return _words(text, readable=True)
    if any(re.match(r"0[0-9]", part) for part in parts):  # "1,000,00" is not the list 1, 0, 0
        return _words(text, readable=True)
    assigned = [_assigned(part) for part in parts]
    labels = {each[0] for each in assigned if each}
    if len(labels) > 1 and all(assigned):
        pairs = sorted((each[0], _element(each[1], level)) for each in assigned if each)
        kind = _kind([form for _, form in pairs])
        return Form(short(";".join(f"{name}={form.key}" for name, form in pairs)), kind)
    if len(labels) == 1:
        parts = [each[1] if each else part for each, part in zip(assigned, parts, strict=True)]
    forms = [form for part in parts for form in _signs(part, level)]
    alternatives = not braces and re.search(r"\bor\b", inside) is not None and all(SIGN.search(part) for part in parts)
    if alternatives and not labels and all(form.key[:1] in "([u" for form in forms):
        return _united(forms)
    if braces or alternatives:
        forms = sorted(set(forms))
    return forms[0] if len(forms) == 1 and not braces else _joined(sorted(forms), "{", "}")


def _assigned(part: str) -> tuple[str, str] | None:
    name, equals, rest = part.partition("=")
    name = re.sub(r"_\s?\{([^{}]*)\}", r"_\1", name).strip()
    return (name, rest) if equals and "=" not in rest and symbol(name) else None


def _union(text: str, level: int) -> Form | None:
    parts = re.split(r"\\cup|(?<=[)\]])\s?[Uu]\s?(?=[(\[])", text)
    return _united([_element(part, level) for part in parts]) if 1 < len(parts) <= _MAX_PARTS else None


def _united(forms: list[Form]) -> Form:
    keys = united([form.key for form in forms])
    return Form(short(keys[0] if len(keys) == 1 else "u" + ",".join(keys)), _kind(forms))


def _relation(text: str, level: int) -> Form | None:
    signs, sides = sides_of(text)
    if not signs or len(signs) > 6:
        return None
    if signs == [r"\in"] and symbol(sides[0]):
        return _form(sides[1], level + 1)
    if r"\approx" in signs:
        exact = text[: text.index(r"\approx")]
        return _form(sides[-1] if named(exact.strip()) or not sides[0] else exact, level + 1)
    if all(sign == "=" for sign in signs):
        return _equation([side for side in sides if side], level)
    if signs == [r"\ne"] and symbol(sides[0]):
        return _united(
            [
                Form(f"(-inf,{_element(sides[1], level).key})", "math"),
                Form(f"({_element(sides[1], level).key},inf)", "math"),
            ]
        )
    if all(sign in ("<", ">", r"\le", r"\ge") for sign in signs) and len(signs) <= 2:
        return _inequality([{r"\le": "<=", r"\ge": ">="}.get(sign, sign) for sign in signs], sides)
    return None


def _equation(sides: list[str], level: int) -> Form | None:
    if len(sides) != 2:
        return _form(sides[-1], level + 1) if sides else None
    left, right = sides
    variable = symbol(left) and "_" not in left  # z = x + y is an equation, a_n = 2n and f(x) = 2x only name one
    if named(left) and not (variable and _has_names(right)):
        return _form(right, level + 1)
    if named(right) and number(left) is not None:
        return _form(left, level + 1)
    try:
        tree = _tree(left)
    except Words:
        return _form(right, level + 1)
    except Unreadable:
        return None
    try:
        other = _tree(right)
    except Unreadable:
        return None if names(tree) else _form(right, level + 1)
    if not names(tree) and not names(other):
        return _form(right, level + 1)
    key = equation(tree, other)
    return None if key is None else Form(key, "math")


def _has_names(text: str) -> bool:
    try:
        return bool(names(_tree(text)))
    except Unreadable:
        return False


def _inequality(signs: list[str], sides: list[str]) -> Form | None:
    try:
        trees = [_tree(side) if not _INFINITY.fullmatch(side) else None for side in sides]
    except Unreadable:
        return None
    ends: list[Bound | None] = [None, None]
    for left, sign, right in zip(trees, signs, trees[1:], strict=False):
        if left is None or right is None:
            continue
        found = inequality(left, sign, right)
        if isinstance(found, str):
            return Form(short(found), "math") if len(signs) == 1 else None
        if found is None or any(old is not None and new is not None for old, new in zip(ends, found, strict=True)):
            return None
        ends = [new or old for old, new in zip(ends, found, strict=True)]
    lower, upper = ends
    if lower is None and upper is None:
        return None
    opening = "[" if lower and lower.closed else "("
    close = "]" if upper and upper.closed else ")"
    return Form(short(f"{opening}{lower.key if lower else '-inf'},{upper.key if upper else 'inf'}{close}"), "math")


def _bracketed(text: str, level: int) -> Form | None:
    if text[0] not in "([" or text[-1] not in ")]" or len(text) < 3 or not encloses(text):
        return None
    opening, close, inside = text[0], text[-1], text[1:-1]
    parts = split(inside, tight=True)
    if (
        len(parts) > 1
        and all(re.fullmatch("[0-9]{3}", part) for part in parts[1:])
        and any(part[0] == "0" for part in parts[1:])
    ):
        return _form(inside, level + 1)  # (1,000) is a number
    if len(parts) == 1:
        letter = re.fullmatch(r"[A-Za-z]", inside.strip())
        return Form(inside.strip().casefold(), "text") if letter else None
    if len(parts) > _MAX_PARTS or not all(parts):
        return _words(text, readable=True)
    forms = [_element(part, level) for part in parts]
    if forms[0].key == "-inf":
        opening = "("
    if forms[-1].key == "inf":
        close = ")"
    return _joined(forms, opening, close)


def _signs(text: str, level: int) -> list[Form]:
    r"""The forms of `text`: two where it has a `\pm`."""
    if not _PLUS_MINUS.search(text):
        return [_element(text, level)]
    upper = _PLUS_MINUS.sub(lambda sign: "+" if sign[0] == r"\pm" else "-", text)
    lower = _PLUS_MINUS.sub(lambda sign: "-" if sign[0] == r"\pm" else "+", text)
    return [_element(upper, level), _element(lower, level)]


def _plus_minus(text: str, level: int) -> Form | None:
    return _joined(sorted(set(_signs(text, level))), "{", "}") if _PLUS_MINUS.search(text) else None


def _expression(text: str, level: int) -> Form | None:
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
        return _words(text, readable=True)
    try:
        tree = _tree(text)
    except Words:
        return _words(text, readable=r"\begin" not in text)
    except Unreadable:
        return None
    free = names(tree)
    if (
        bare.isalpha()
        and bare.isascii()
        and free
        and not ((len(bare) == 2 and bare.islower()) or set(bare) <= set("xyz"))
    ):
        return _words(text, readable=True)  # ABC is a triangle or a choice, xy a product
    used = sorted(free)
    key = fingerprint(used, lambda point: value(tree, point), exact=True, dense=bent(tree, used))
    return None if key is None else Form(key, "math")


_READERS: tuple[Callable[[str, int], Form | None], ...] = (
    _quantities, _matrix, _union, _list, _relation, _bracketed, _plus_minus, _expression,
)  # fmt: skip


def _tree(text: str) -> Tree:
    """The tree of an expression, without a unit at its end."""
    text = text.strip()
    if DERIVATIVE.search(text):  # d is no factor there
        raise Unreadable(text)
    for _ in range(2):
        shorter = without_unit(text)
        if shorter == text or text.endswith("°") or not re.search(r"[0-9\\]", shorter):
            break
        text = shorter
    return parse(unwrap(text))


def _element(text: str, level: int) -> Form:
    return _form(text, level + 1) or _words(strip(text), readable=False)


def _joined(forms: list[Form], opening: str, close: str) -> Form:
    return Form(short(opening + ",".join(form.key for form in forms) + close), _kind(forms))


def _kind(forms: list[Form]) -> Kind:
    kinds = {form.kind for form in forms}
    return "unread" if "unread" in kinds else "text" if kinds == {"text"} else "math"


def _words(text: str, readable: bool) -> Form:
    """The text form. `readable`: it is known to be no mathematics, or no other kind than text."""
    bare = unwrap(text)
    return Form(short(text_key(bare)), "unread" if not readable and mathematical(bare) else "text")
