r"""Canonical forms of final answers: equal answers get equal keys (ours).

- Numbers are exact: "0.50" is `\frac12`, "0.333" is not a third.
- Currency, percent sign and unit do not count, as in the released code. Bases and "at most 10" do.
- Expressions are equal if their values are, to 64 digits. Variables are real; a letter alone has no case.
- `x = 5` answers 5. Equations: `relation.equation`. Inequalities in one variable are intervals.
- A bare list is a set: "1 and 2", `1\pm\sqrt2`. `(1,2)` is ordered.
- Words are text, without case, spaces and articles; "(A)" is "a".
- "unread": it costs too much arithmetic, or is beyond the grammar.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from w2s.answers.math import cost
from w2s.answers.math.arithmetic import names
from w2s.answers.math.fingerprint import rational, short
from w2s.answers.math.form import Form, expression, has_names, interval, joined, kind_of, text_form, tree_of, union
from w2s.answers.math.grammar import Unreadable, Words
from w2s.answers.math.latex import fold, plain, strip, unwrap
from w2s.answers.math.number import number, oversized
from w2s.answers.math.qualifier import unqualified
from w2s.answers.math.relation import equation, named, symbol
from w2s.answers.math.systems import based, clock, likely
from w2s.answers.math.text import RELATION, encloses, quantities, sides_of, split, text_key

__all__ = ["Form", "canonical"]

_MAX_LENGTH = 1000  # `key` has cut off longer answers before
_MAX_LEVEL = 4  # a list of tuples of sums: deeper nesting is not read
_MAX_PARTS = 60
_MAX_COST = 100_000  # microseconds of a slow core, for all parts and sides of an answer together

_TEXT_CONNECTIVE = re.compile(r"\\(?:text|mbox|textrm|mathrm|textbf)\s?\{\s*,?\s*(and|or)\s*\}")
_BUILDER = re.compile(r"([A-Za-z])(?:\s?\\in\s?\\mathbb\{?R\}?)?\s?[:|]\s?(.+)")
_MATRIX = re.compile(r"(?P<factor>[^&]{0,60}?)\s?\*?\s?\\begin\{([pbvBV]?matrix)\}(.*)\\end\{\2\}")
_PLUS_MINUS = re.compile(r"\\(?:pm|mp)(?![A-Za-z])")


def canonical(answer: str) -> Form:
    """The canonical form of a final answer. Pure, bounded, never raises."""
    if len(answer) <= 60 and answer.isascii() and answer.isdigit():
        return Form(answer.lstrip("0") or "0", "number")
    return _canonical(answer)


@lru_cache(maxsize=4096)
def _canonical(answer: str) -> Form:
    text = plain(fold(answer[: _MAX_LENGTH + 1]))
    if len(answer) > _MAX_LENGTH:
        return Form(short(text_key(text)), "text")
    text = unqualified(_TEXT_CONNECTIVE.sub(r" \1 ", text))
    try:
        with cost.limit(_MAX_COST):
            form = _form(text, 0)
    except (ArithmeticError, ValueError, RecursionError, cost.OverBudget):
        form = None
    return form or text_form(text, readable=False)


def _form(text: str, level: int) -> Form | None:
    text = strip(text)
    if not text or level > _MAX_LEVEL:
        return None
    exact = number(text)
    if exact is not None:
        return Form(rational(exact), "number")
    if oversized(text):
        return Form(short(text_key(text)), "number")
    if likely(text):
        bare = unwrap(text)
        digits, time = based(bare), clock(bare)
        if digits is not None or time is not None:
            return Form(digits or str(time), "text" if digits is None else "number")
    for read in _READERS:
        form = read(text, level)
        if form is not None:
            return form
    return None


def _quantities(text: str, level: int) -> Form | None:
    key = quantities(unwrap(text))
    return None if key is None else Form(short(key), "text")


def _matrix(text: str, level: int) -> Form | None:
    matrix = _MATRIX.fullmatch(text)
    if matrix is None or matrix[2] in ("vmatrix", "Vmatrix"):
        return None
    factor = {"": "", "-": "-"}.get(matrix["factor"], f"({matrix['factor']})*")
    cells = [[cell.strip() for cell in row.split("&")] for row in matrix[3].split("\\\\") if row.strip()]
    if not cells or len({len(row) for row in cells}) != 1 or sum(map(len, cells)) > _MAX_PARTS:
        return None
    rows = [[_element(f"{factor}({cell})" if factor else cell, level) for cell in row] for row in cells]
    if len(rows[0]) == 1 and len(rows) > 1:
        return joined([row[0] for row in rows], "(", ")")
    return joined([joined(row, "[", "]") for row in rows], "[", "]")


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
        return text_form(text, readable=True)
    if any(re.match(r"0[0-9]", part) for part in parts):  # "1,000,00" is not the list 1, 0, 0
        return text_form(text, readable=True)
    assigned = [_assigned(part) for part in parts]
    labels = {each[0] for each in assigned if each}
    if len(labels) > 1 and all(assigned):
        pairs = sorted((each[0], _element(each[1], level)) for each in assigned if each)
        kind = kind_of([form for _, form in pairs])
        return Form(short(";".join(f"{name}={form.key}" for name, form in pairs)), kind)
    if len(labels) == 1:
        parts = [each[1] if each else part for each, part in zip(assigned, parts, strict=True)]
    forms = [form for part in parts for form in _signs(part, level)]
    alternatives = (
        not braces and re.search(r"\bor\b", inside) is not None and all(RELATION.search(part) for part in parts)
    )
    if alternatives and not labels and all(form.key[:1] in "([u" for form in forms):
        return union(forms)
    if braces or alternatives:
        forms = sorted(set(forms))
    return forms[0] if len(forms) == 1 and not braces else joined(sorted(forms), "{", "}")


def _assigned(part: str) -> tuple[str, str] | None:
    name, equals, rest = part.partition("=")
    name = re.sub(r"_\s?\{([^{}]*)\}", r"_\1", name).strip()
    return (name, rest) if equals and "=" not in rest and symbol(name) else None


def _union(text: str, level: int) -> Form | None:
    parts = re.split(r"\\cup|(?<=[)\]])\s?[Uu]\s?(?=[(\[])", text)
    return union([_element(part, level) for part in parts]) if 1 < len(parts) <= _MAX_PARTS else None


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
        return union(
            [
                Form(f"(-inf,{_element(sides[1], level).key})", "math"),
                Form(f"({_element(sides[1], level).key},inf)", "math"),
            ]
        )
    if all(sign in ("<", ">", r"\le", r"\ge") for sign in signs) and len(signs) <= 2:
        return interval([{r"\le": "<=", r"\ge": ">="}.get(sign, sign) for sign in signs], sides)
    return None


def _equation(sides: list[str], level: int) -> Form | None:
    if len(sides) != 2:
        return _form(sides[-1], level + 1) if sides else None
    left, right = sides
    variable = symbol(left) and "_" not in left  # z = x + y is an equation, a_n = 2n and f(x) = 2x only name one
    if named(left) and not (variable and has_names(right)):
        return _form(right, level + 1)
    if named(right) and number(left) is not None:
        return _form(left, level + 1)
    try:
        tree = tree_of(left)
    except Words:
        return _form(right, level + 1)
    except Unreadable:
        return None
    try:
        other = tree_of(right)
    except Unreadable:
        return None if names(tree) else _form(right, level + 1)
    if not names(tree) and not names(other):
        return _form(right, level + 1)
    key = equation(tree, other)
    return None if key is None else Form(key, "math")


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
        return text_form(text, readable=True)
    forms = [_element(part, level) for part in parts]
    if forms[0].key == "-inf":
        opening = "("
    if forms[-1].key == "inf":
        close = ")"
    return joined(forms, opening, close)


def _signs(text: str, level: int) -> list[Form]:
    if not _PLUS_MINUS.search(text):
        return [_element(text, level)]
    upper = _PLUS_MINUS.sub(lambda sign: "+" if sign[0] == r"\pm" else "-", text)
    lower = _PLUS_MINUS.sub(lambda sign: "-" if sign[0] == r"\pm" else "+", text)
    return [_element(upper, level), _element(lower, level)]


def _plus_minus(text: str, level: int) -> Form | None:
    return joined(sorted(set(_signs(text, level))), "{", "}") if _PLUS_MINUS.search(text) else None


def _expression(text: str, level: int) -> Form | None:
    return expression(text)


# SymPy would read matrices and unions more slowly, and not "(0,1) U (2,3)" or a matrix with an equation in it.
_READERS: tuple[Callable[[str, int], Form | None], ...] = (
    _quantities, _matrix, _union, _list, _relation, _bracketed, _plus_minus, _expression,
)  # fmt: skip


def _element(text: str, level: int) -> Form:
    return _form(text, level + 1) or text_form(strip(text), readable=False)
