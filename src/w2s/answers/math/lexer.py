"""The tokens of an expression in plain spelling (ours)."""

from __future__ import annotations

import re

_MAX_TOKENS = 400

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+|\.(?![0-9.]))?|\.[0-9]+)"
    r"|(?P<command>\\(?:[A-Za-z]+|[{}|]))|(?P<word>[A-Za-z]+)|(?P<sign>\*\*|[-+*/^!_()\[\]{}|°%]))"
)
_NAMED_FUNCTIONS = """sin cos tan cot sec csc sinh cosh tanh coth sech csch arcsin arccos arctan arccot arcsec
    arccsc asin acos atan log ln lg exp sqrt abs"""
_NAMED_LETTERS = """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon
    phi chi psi omega Gamma Delta Theta Lambda Xi Sigma Upsilon Phi Psi Omega ell"""
_SHORT_WORDS = """am an and are as at be but by can cm day do for ft go had has he her him his if in is it its km me
    mg mm mod my nd no non not nor now of off on one or our out per pm rd row set so st sum ten th the to too top
    two up us was way we yes you all any base even odd"""
_FUNCTIONS = frozenset(_NAMED_FUNCTIONS.split())
GREEK = frozenset(_NAMED_LETTERS.split())
_WORDS = frozenset(_SHORT_WORDS.split())
_SAME = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "lg": "log"}
_SPELLED = re.compile("(" + "|".join(sorted(_FUNCTIONS | {"pi"}, key=len, reverse=True)) + ")")


Token = tuple[str, str]
"""Kind ("number", "letter", "function", "command", "sign") and spelling."""


class Unreadable(Exception):
    """No expression of this grammar, or too large."""


class Words(Unreadable):
    """Words that are no mathematics."""


def tokens(text: str) -> list[Token]:
    """The tokens of `text`, at most 400.

    Raises:
        Words: a run of letters that is no product.
        Unreadable: a character that no token has.
    """
    result: list[Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        token = _TOKEN.match(text, position)
        if token is None or len(result) > _MAX_TOKENS:
            raise Unreadable(text)
        position = token.end()
        kind = str(token.lastgroup)
        spelling = token[kind]
        if kind == "word":
            result += _letters(spelling)
        elif kind == "sign":
            result.append(("sign", "^" if spelling == "**" else spelling))
        elif kind == "command":
            result.append(_command(spelling[1:]))
        else:
            result.append((kind, spelling))
    return result


def _command(name: str) -> Token:
    if name in ("{", "}"):
        raise Unreadable(name)
    if name == "|":
        return "sign", "|"
    if name in _FUNCTIONS and name not in ("sqrt", "abs"):
        return "function", _SAME.get(name, name)
    if name in GREEK:
        return "letter", "\\" + name
    return "command", name


def _letters(run: str) -> list[Token]:
    if len(run) == 1:
        return [("letter", run)]
    if run in _FUNCTIONS:
        return [("command", run) if run in ("sqrt", "abs") else ("function", _SAME.get(run, run))]
    if run == "pi":
        return [("command", "pi")]
    if run in GREEK:
        return [("letter", "\\" + run)]
    if run.casefold() in _WORDS:
        raise Words(run)
    pieces = [piece for piece in _SPELLED.split(run) if piece]
    if len(pieces) > 1 and all(len(piece) <= 2 for piece in pieces if not _SPELLED.fullmatch(piece)):  # xsin, 2pir
        return [
            token for piece in pieces for token in (_letters(piece) if _SPELLED.fullmatch(piece) else _single(piece))
        ]
    if len(run) > 4:
        raise Words(run)
    return _single(run)


def _single(run: str) -> list[Token]:
    return [("letter", letter) for letter in run]
