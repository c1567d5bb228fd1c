"""The grammar of final answers: one expression in plain spelling as a small tree (ours).

It refuses integrals, indexed sums, unknown functions and whatever is too large.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from w2s.answers.math.arithmetic import Tree, names
from w2s.answers.math.lexer import Token, Unreadable, Words, tokens

_MAX_NODES = 200
_MAX_COSTLY = 24  # functions, factorials and powers: 0.1 to 1 ms each
_MAX_NAMES = 8
_MAX_DEPTH = 40
_MAX_DIGITS = 1000

_CHEAP = frozenset(["sum", "product", "negative", "inverse", "number", "name", "constant", "abs", "degrees"])
_INVERSES = {name: "arc" + name for name in ("sin", "cos", "tan", "cot", "sec", "csc")}

__all__ = ["Unreadable", "Words", "parse"]


def parse(text: str) -> Tree:
    r"""The tree of one expression in plain spelling: no "=", no list, no `\pm`.

    Raises:
        Words: a run of letters that is no product.
        Unreadable: anything else beyond the grammar.
    """
    reader = _Reader(tokens(text))
    tree = reader.sum()
    if reader.peek() or len(names(tree)) > _MAX_NAMES:
        raise Unreadable(text)
    return tree


class _Reader:
    """Recursive descent; every level and node is counted."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._at, self._depth, self._nodes = tokens, 0, 0, 0
        self._bars = 0  # open |
        self._costly = 0

    def peek(self) -> str:
        return self._ahead(0)

    def _ahead(self, by: int) -> str:
        if self._at + by >= len(self._tokens):
            return ""
        kind, text = self._tokens[self._at + by]
        return text if kind == "sign" else kind

    def sum(self) -> Tree:
        self._deeper()
        terms = [self._product()]
        while self.peek() in ("+", "-"):
            minus = self._next() == "-"
            term = self._product()
            terms.append(("negative", term) if minus else term)
        self._depth -= 1
        return self._node("sum", *terms) if len(terms) > 1 else terms[0]

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise Unreadable("end")
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _take(self, sign: str) -> None:
        if self.peek() != sign:
            raise Unreadable(sign)
        self._at += 1

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise Unreadable("depth")

    def _node(self, *parts: Any) -> Tree:
        self._nodes += 1
        self._costly += parts[0] not in _CHEAP
        if self._nodes > _MAX_NODES or self._costly > _MAX_COSTLY:
            raise Unreadable("nodes")
        return parts

    def _product(self) -> Tree:
        factors = [self._signed()]
        while True:
            ahead = self.peek()
            if ahead == "*":
                self._next()
                factors.append(self._signed())
            elif ahead == "/":
                self._next()
                factors.append(self._node("inverse", self._signed()))
            elif self._begins():
                factors.append(self._beside(factors[-1]))
            else:
                return self._node("product", *factors) if len(factors) > 1 else factors[0]
            if factors[-1][0] == "mixed":
                factors[-2:] = [("sum", *factors[-1][1:])]

    def _beside(self, left: Tree) -> Tree:
        fraction = self._tokens[self._at] == ("command", "frac")
        after_number = self._tokens[self._at - 1][0] == "number"
        after_power = left[0] == "power" and after_number and self._ahead(1) == "^"  # 2^2 3^2, but not 2^1 0
        if (
            self.peek() == "number"
            and not after_power
            and (after_number or left[0] in ("number", "name") or left[1] in ("e", "i"))
        ):
            raise Unreadable("a number beside another, or x2, or 1e5")
        right = self._power()
        if fraction and after_number and left[0] == "number" and left[1].denominator == 1 and right[0] == "product":
            over, under = right[1], right[2][1]
            if over[0] == under[0] == "number" and 0 < over[1] < under[1]:
                return ("mixed", left, right)
        return right

    def _begins(self) -> bool:
        ahead = self.peek()
        if ahead == "|":
            return self._bars == 0
        return ahead in ("number", "letter", "command", "function", "(", "[", "{") and not (
            ahead == "command" and self._tokens[self._at][1] in ("rfloor", "rceil")
        )

    def _signed(self) -> Tree:
        negative, count = False, 0
        while self.peek() in ("+", "-"):
            negative ^= self._next() == "-"
            count += 1
            if count > 3:
                raise Unreadable("signs")
        power = self._power()
        return self._node("negative", power) if negative else power

    def _power(self) -> Tree:
        self._deeper()
        base = self._postfix(self._atom())
        if self.peek() == "^":
            self._next()
            base = self._postfix(self._node("power", base, self._exponent()))
            if self.peek() == "^":
                raise Unreadable("double exponent")
        self._depth -= 1
        return base

    def _postfix(self, base: Tree) -> Tree:
        while self.peek() in ("!", "°", "%"):
            sign = self._next()
            if sign == "!":
                if self.peek() == "!":
                    raise Unreadable("!!")
                base = self._node("factorial", base)
            elif sign == "°":
                base = self._node("degrees", base)
        return base

    def _exponent(self) -> Tree:
        if self.peek() in ("+", "-"):
            return self._signed()
        if self.peek() == "{":
            return self._group("{", "}")
        base = self._postfix(self._atom())
        if self.peek() == "^":  # 2^3^4: read from the right, as a programmer writes it
            self._deeper()
            self._next()
            base = self._node("power", base, self._exponent())
            self._depth -= 1
        return base

    def _group(self, opening: str, close: str) -> Tree:
        self._take(opening)
        bars, self._bars = self._bars, 0
        inside = self.sum()
        self._bars = bars
        self._take(close)
        return inside

    def _argument(self) -> Tree:
        return self._group("{", "}") if self.peek() == "{" else self._atom()

    def _atom(self) -> Tree:
        ahead = self.peek()
        if ahead in ("(", "[", "{"):
            return self._group(ahead, {"(": ")", "[": "]", "{": "}"}[ahead])
        if ahead == "|":
            self._next()
            self._bars += 1
            inside = self.sum()
            self._bars -= 1
            self._take("|")
            return self._node("abs", inside)
        text = self._next()
        if ahead == "number":
            digits = text.replace(",", "")
            if len(digits) > _MAX_DIGITS:
                raise Unreadable("digits")
            return self._node("number", Fraction(digits.rstrip(".")))
        if ahead == "letter":
            return self._letter(text)
        if ahead == "function":
            return self._function(text)
        if ahead == "command":
            return self._command(text)
        raise Unreadable(text)

    def _letter(self, text: str) -> Tree:
        if self.peek() == "_":
            self._next()
            text += "_" + self._index()
        elif text in ("e", "i"):
            return self._node("constant", text)
        elif text in ("f", "g", "h", "P", "F", "G") and self.peek() == "(":
            raise Unreadable("unknown function")
        return self._node("name", text)

    def _index(self) -> str:
        if self.peek() != "{":
            return self._next()
        self._next()
        parts = []
        while self.peek() != "}":
            parts.append(self._next())
        self._next()
        return "".join(parts)

    def _command(self, name: str) -> Tree:
        if name == "frac":
            return self._node("product", self._argument(), self._node("inverse", self._argument()))
        if name == "sqrt":
            degree = self._group("[", "]") if self.peek() == "[" else ("number", Fraction(2))
            return self._node("power", self._argument(), self._node("inverse", degree))
        if name == "pi":
            return self._node("constant", "pi")
        if name == "binom":
            return self._node("binomial", self._argument(), self._argument())
        if name == "abs":
            return self._node("abs", self._group("(", ")"))
        if name in ("lfloor", "lceil"):
            inside = self.sum()
            if self._next() != ("rfloor" if name == "lfloor" else "rceil"):
                raise Unreadable(name)
            return self._node(name[1:], inside)
        raise Unreadable(name)

    def _function(self, name: str) -> Tree:
        base: Tree | None = None
        power: Tree | None = None
        if self.peek() == "_":
            if name != "log":
                raise Unreadable(name)
            self._next()
            base = self._argument()
        if self.peek() == "^":
            self._next()
            power = self._exponent()
            if power == ("negative", ("number", Fraction(1))):
                if name not in _INVERSES:
                    raise Unreadable(name)
                name, power = _INVERSES[name], None
        argument = self._atom() if self.peek() in ("(", "[") else self._operand()
        if base is not None:
            value = self._node("product", self._node("ln", argument), self._node("inverse", self._node("ln", base)))
        else:
            value = self._node(name, argument)
        return value if power is None else self._node("power", value, power)

    def _operand(self) -> Tree:
        negative = self.peek() == "-"
        if negative:
            self._next()
        factors = [self._power()]
        while self._begins() and self.peek() != "function":
            factors.append(self._beside(factors[-1]))
            if factors[-1][0] == "mixed":
                factors[-2:] = [("sum", *factors[-1][1:])]
        argument = self._node("product", *factors) if len(factors) > 1 else factors[0]
        return self._node("negative", argument) if negative else argument
