"""Keys of what the grammar lacks, by Math-Verify's parser and SymPy: integrals, sums, limits (ours).

Only worker processes import this module: SymPy can take any time and memory. Its parsers call `eval`; `prepare` puts a
reader of plain numbers in its place.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import sympy
import sympy.parsing.sympy_parser
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, NormalizationConfig, _Latex2Sympy, normalize_latex
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational

from w2s.answers.extract import MAX_ANSWER
from w2s.answers.math.arithmetic import Tree, names, value
from w2s.answers.math.fingerprint import fingerprint, short
from w2s.answers.math.latex import fold, plain, unwrap
from w2s.answers.math.lexer import GREEK
from w2s.answers.math.relation import equation, needs_dense, united

_MAX_DEPTH = 12  # of brackets
_MAX_DIGITS = 40  # of one number
_MAX_SIGNS = 60  # of the powers, roots and fractions in all; and of matrix entries
_MAX_NODES = 400
_MAX_POWER = 1000  # of an exponent, factorial or binomial that SymPy would write out

_NORMAL_FORM = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
)
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\{[a-z]*matrix\}")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")  # the parser would read "area" as a r e a
_BUILDER = re.compile(r"\\\{\s?[A-Za-z](?:\s?\\in\s?\\mathbb\s?\{?R\}?)?\s?[:|](.+)\\\}")
_UNSAFE = re.compile(  # what the parser reads otherwise than it is meant, or not at all
    r"[0-9]\s*_|(?<![\\A-Za-z])[A-Za-z]{1,2}[0-9]|(?<![_^0-9.])[0-9.]+\s+[0-9.]"  # 52_8; x4, mangled x^4; 1 2
    r"|\\(?:gcd|lcm)[^)]*[A-Za-z]"  # to SymPy two variables have no common factor
    r"|:|°|\.\.\.|[^\x20-\x7e]|!\s*!|\^\s*\{?[^{}^]*\^[^{}^]*\^"
)
_LARGE = re.compile(r"\\(?:sum|prod|binom|int).*[0-9]{7}|[0-9]{7}.*\\(?:sum|prod|binom|int)")  # would be written out
_MIXED = re.compile(r"[0-9]+\\frac\{[0-9]+\}\{[0-9]+\}")
_LITERAL = re.compile(r"[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40}")
_EVALUATED = (sympy.Integral, sympy.Sum, sympy.Product, sympy.Limit, sympy.Derivative)
_FUNCTIONS = {
    **{name: name for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth", "exp", "erf")},
    **{"a" + name: "arc" + name for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh")},
    "Abs": "abs", "floor": "floor", "ceiling": "ceil", "factorial": "factorial", "binomial": "binomial",
}  # fmt: skip
_CONSTANTS = {sympy.pi: "pi", sympy.E: "e", sympy.I: "i", sympy.EulerGamma: "euler", sympy.Catalan: "catalan"}
_COMMON = (
    r"\int_0^1 x^2\,dx", r"\sum_{k=1}^{n} \frac{1}{k^2}", r"\lim_{x\to 0}\frac{\sin x}{x}", r"x^2-3x+2 < 0",
    r"(-\infty, 1) \cup [2, \sqrt{3}]", r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\{1, |x|, 3!\}",
    r"f(x) = \log_2 x", r"\prod_{i=1}^{3} i", r"1 \pm \binom{5}{2}", r"x \in \mathbb{R} \setminus \{0\}",
)  # fmt: skip


class _NoKey(Exception):
    """SymPy's object has no key."""


class _Parser(_Latex2Sympy):
    def __init__(self) -> None:
        super().__init__(is_real=True, config=ConversionConfig(lowercase_symbols=False))

    def convert_postfix_list(self, arr: list[Any], i: int = 0) -> Any:
        value = super().convert_postfix_list(arr, i)
        beside = i + 1 < len(arr) and isinstance(value, sympy.Rational)
        if beside and not _MIXED.fullmatch(arr[i].getText() + arr[i + 1].getText()):
            raise _NoKey  # any two numbers are a mixed number to the original: 2(3) is 5
        return value


def key(answer: str) -> str | None:
    """The key that `canonical` would give, or None.

    Raises:
        Exception: any of the libraries'.
    """
    text = unwrap(plain(fold(answer[: MAX_ANSWER + 1])))
    builder = _BUILDER.fullmatch(text)
    text = builder[1] if builder else text
    if not _bounded(text):
        return None
    text = normalize_latex(text, _NORMAL_FORM)
    if _WORD.search(_ENVIRONMENT.sub("", text)) or not _bounded(text):
        return None
    try:
        return _key(_reinterpreted(_Parser().parse(text)))
    except _NoKey:
        return None


def prepare() -> None:
    """Load SymPy and take `eval` out of it: once, in a process that only calls `key`."""
    import sympy.physics.units  # `simplify` imports it, and it uses `eval` on its own names

    for answer in _COMMON:
        with contextlib.suppress(Exception):  # only to warm up
            key(answer)
    sympy.parsing.sympy_parser.parse_expr = _literal
    sympy.parsing.sympy_parser.eval_expr = _literal


def _literal(text: str, *arguments: object, **options: object) -> Any:
    if not isinstance(text, str) or not _LITERAL.fullmatch(text):
        raise _NoKey
    return sympy.Rational(text)


def _bounded(text: str) -> bool:
    if not text or len(text) > MAX_ANSWER or _UNSAFE.search(text) or _LARGE.search(text):
        return False
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return (
        deepest <= _MAX_DEPTH
        and max(map(len, re.findall(r"[0-9.,]+", text)), default=0) <= _MAX_DIGITS
        and sum(map(text.count, ("^", r"\frac", r"\sqrt", "!"))) <= _MAX_SIGNS
        and sum(map(text.count, ("&", r"\\"))) <= _MAX_SIGNS
    )


def _reinterpreted(parsed: Any) -> Any:
    if not isinstance(parsed, (sympy.Basic, sympy.MatrixBase)):
        raise _NoKey
    bound = {symbol.name for part in parsed.atoms(*_EVALUATED) for symbol in _bound(part)}
    other: dict[Any, Any] = {
        sympy.I: sympy.Symbol("I", real=True),
        sympy.EulerGamma: sympy.Symbol("gamma", real=True),
    }
    if "i" not in bound:
        other[sympy.Symbol("i", real=True)] = sympy.I
    return parsed.xreplace(other)


def _key(node: Any) -> str:
    if isinstance(node, sympy.FiniteSet):
        return _set(node)
    if isinstance(node, (sympy.Tuple, tuple, list)):
        return _joined("(", map(_key, node), ")")
    if isinstance(node, sympy.Interval):
        return _joined(
            "(" if node.left_open else "[", [_key(node.start), _key(node.end)], ")" if node.right_open else "]"
        )
    if isinstance(node, sympy.Union):
        parts = united([_key(part) for part in _united(node)])
        return parts[0] if len(parts) == 1 else _joined("u", parts, "")
    if node in (sympy.S.Reals, sympy.S.EmptySet):
        return "(-inf,inf)" if node == sympy.S.Reals else "emptyset"
    if isinstance(node, (sympy.Complement, sympy.Intersection)):
        done = node.doit()
        if isinstance(done, (sympy.Complement, sympy.Intersection)):
            raise _NoKey
        return _key(done)
    if isinstance(node, sympy.MatrixBase):
        return _matrix(node)
    if isinstance(node, sympy.MatrixExpr):
        return _matrix(node.doit().as_explicit())
    if isinstance(node, (Relational, sympy.And)):
        return _relation(node)
    if node in (sympy.oo, -sympy.oo):
        return "inf" if node == sympy.oo else "-inf"
    if not isinstance(node, sympy.Expr):
        raise _NoKey
    tree = _tree(_evaluated(node))
    free = sorted(names(tree))
    return _known(fingerprint(free, lambda point: value(tree, point), exact=True, dense=needs_dense(tree, free)))


def _united(node: Any) -> list[Any]:
    return [part for each in node.args for part in (_united(each) if isinstance(each, sympy.Union) else [each])]


def _known(key: str | None) -> str:
    if key is None:
        raise _NoKey
    return key


def _joined(opening: str, keys: Iterable[str], close: str) -> str:
    return short(opening + ",".join(keys) + close)


def _set(node: Any) -> str:
    assigned = [(part.lhs, part.rhs) for part in node.args if isinstance(part, sympy.Eq) and part.lhs.is_Symbol]
    if len(assigned) < len(node.args):
        return _joined("{", sorted({_key(part) for part in node.args}), "}")
    labels = {_name(label) for label, _ in assigned}
    if len(labels) == 1:
        return _joined("{", sorted({_key(part) for _, part in assigned}), "}")
    if len(labels) < len(assigned):
        raise _NoKey
    return short(";".join(sorted(f"{_name(label)}={_key(part)}" for label, part in assigned)))


def _matrix(node: Any) -> str:
    rows = [[_key(entry) for entry in node.row(index)] for index in range(node.rows)]
    if node.cols == 1 and node.rows > 1:
        return _joined("(", (row[0] for row in rows), ")")
    return _joined("[", (_joined("[", row, "]") for row in rows), "]")


def _relation(node: Any) -> str:
    if isinstance(node, sympy.Eq):
        left, right = node.lhs, node.rhs
        if left.is_Symbol or isinstance(left, AppliedUndef) or not left.free_symbols:
            return _key(right)
        if not isinstance(right, sympy.Expr):
            raise _NoKey
        return _known(equation(_tree(_evaluated(left)), _tree(_evaluated(right))))
    if len(node.free_symbols) != 1:
        raise _NoKey
    return _key(node.as_set())


def _evaluated(node: Any) -> Any:
    """Integrals, sums, limits, derivatives worked out, unless a number explodes."""
    if not node.has(*_EVALUATED):
        return node
    bound = {symbol.name for part in node.atoms(*_EVALUATED) for symbol in _bound(part)}
    for symbol in node.atoms(sympy.Symbol):
        if not bound.isdisjoint(re.findall("[A-Za-z]", symbol.name.partition("_")[2])):
            raise _NoKey  # a_k is no constant of a sum over k
    for part in node.atoms(sympy.Derivative):
        free = part.expr.free_symbols
        if free and free.isdisjoint(part.variables):  # dy/dx is not 0: y is a function there
            raise _NoKey
    for part in sympy.preorder_traversal(node):
        if isinstance(part, (sympy.Pow, sympy.factorial, sympy.binomial)) and any(
            number.is_number and not abs(number) <= _MAX_POWER for number in part.args[part.is_Pow :]
        ):
            raise _NoKey
    done = node.doit()
    if done.has(*_EVALUATED):
        raise _NoKey
    return done


def _bound(part: Any) -> Iterable[Any]:
    return [part.args[1]] if isinstance(part, sympy.Limit) else part.variables


def _tree(node: Any, nodes_left: list[int] | None = None) -> Tree:
    nodes_left = nodes_left or [_MAX_NODES]
    nodes_left[0] -= 1
    if nodes_left[0] < 0:
        raise _NoKey
    if node.is_Rational:
        return ("number", Fraction(int(node.p), int(node.q)))
    if node.is_Symbol:
        return ("name", _name(node))
    if node in _CONSTANTS:
        return ("constant", _CONSTANTS[node])
    if isinstance(node, sympy.UnevaluatedExpr):  # 10\% is 10 times such a 1/100
        inside = node.args[0]
        return ("number", Fraction(1)) if inside == sympy.Rational(1, 100) else _tree(inside, nodes_left)
    parts = [_tree(part, nodes_left) for part in node.args]
    if node.is_Add or node.is_Mul:
        return ("sum" if node.is_Add else "product", *parts)
    if node.is_Pow:
        return ("power", *parts)
    if isinstance(node, sympy.log):
        logs: list[Tree] = [("ln", part) for part in parts]
        return logs[0] if len(logs) == 1 else ("product", logs[0], ("inverse", logs[1]))
    if isinstance(node, sympy.Mod):
        whole = ("floor", ("product", parts[0], ("inverse", parts[1])))
        return ("sum", parts[0], ("negative", ("product", parts[1], whole)))
    if isinstance(node, sympy.gamma):
        return ("factorial", ("sum", parts[0], ("number", Fraction(-1))))
    if isinstance(node, (sympy.Max, sympy.Min)) and len(parts) == 2:
        apart: Tree = ("abs", ("sum", parts[0], ("negative", parts[1])))
        both = ("sum", *parts, apart if isinstance(node, sympy.Max) else ("negative", apart))
        return ("product", both, ("number", Fraction(1, 2)))
    kind = _FUNCTIONS.get(type(node).__name__)
    if kind is None or isinstance(node, AppliedUndef):
        raise _NoKey
    return (kind, *parts)


def _name(symbol: Any) -> str:
    letter, _, index = symbol.name.partition("_")
    if len(letter) > 1 and letter not in GREEK:
        raise _NoKey
    letter = "\\" + letter if letter in GREEK else letter
    return f"{letter}_{index.strip('{}')}" if index else letter
