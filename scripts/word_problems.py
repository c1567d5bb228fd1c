"""Make the folder that the task `word_problems` reads, from the published sources (docs/word_problems.md).

    python scripts/word_problems.py SVAMP nlu-asdiv-dataset zero_shot_cot MWPToolkit --out word_problems

The four folders are clones of the repositories; nothing else is needed. Every equation is evaluated in fractions, and a
question whose equation does not give its answer is dropped. What is dropped is counted by reason.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

SETS = ("svamp", "asdiv", "multiarith", "addsub", "singleeq", "mawps")
"""A question that stands in several sets is kept in the first."""
ZERO_SHOT = {"multiarith": "MultiArith/MultiArith", "addsub": "AddSub/AddSub", "singleeq": "SingleEq/questions"}
PARTS = ("train", "valid", "test")  # of MWPToolkit's mawps-single
MOST_DECIMALS = 4
MOST_OPERATIONS = 3  # asked of MAWPS only, which has algebra among its problems

_PLAIN = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:\([^()]*\))?")  # an answer, and perhaps its unit: "9 (apples)"
_UNIT = re.compile(r"\(\s*[A-Za-z][A-Za-z ./]*\)")
_STEP = re.compile(r"(?P<left>[-+*/(). \d]+)=\s*(?P<value>-?[\d.]+)\s*(?:r\s*(?P<rest>\d+)|[a-z]+)?\s*")
_TOKEN = re.compile(r"(\d+\.?\d*|\.\d+|[-+*/()=]|[A-Za-z]+)")
_LEVEL = {"+": 1, "-": 1, "*": 2, "/": 2}
_INVERSE = {"+": "-", "-": "+", "*": "/", "/": "*"}

Tree = Any
"""A number (Fraction), the unknown ("x"), or (operation, left, right)."""
Raw = tuple[str, str, str, str, object]
"""Set, id, question, equation and answer of a problem as published."""


class Dropped(Exception):
    """A question that is not used; the text is the reason under which it is counted."""


class Problem(NamedTuple):
    """One question with an equation that gives the answer."""

    id: str
    question: str
    answer: str
    solution: str


def parse(text: str) -> Tree:
    """The tree of an expression or of an equation (operation "="); all letters are the unknown "x"."""
    tokens = [*_TOKEN.findall(text), ""]
    if "".join(tokens) != "".join(text.split()):
        raise Dropped("equation not parsed")

    def side(level: int) -> Tree:
        left = atom() if level == 3 else side(level + 1)
        while _LEVEL.get(tokens[0]) == level:
            left = (tokens.pop(0), left, side(level + 1))
        return left

    def atom() -> Tree:
        token = tokens.pop(0)
        if token == "(":
            inner = side(1)
            if tokens.pop(0) == ")":
                return inner
        elif token == "-" and isinstance(number := atom(), Fraction):
            return -number
        elif token[:1].isalpha():
            return "x"
        elif token[:1].isdigit() or token[:1] == ".":
            return Fraction(token.rstrip("."))
        raise Dropped("equation not parsed")

    tree = side(1)
    if tokens[0] == "=":
        tree = (tokens.pop(0), tree, side(1))
    if tokens == [""]:
        return tree
    raise Dropped("equation not parsed")


def parts(tree: Tree) -> Iterator[Tree]:
    """The tree and all that is in it."""
    yield tree
    if isinstance(tree, tuple):
        yield from (*parts(tree[1]), *parts(tree[2]))


def solve(equation: Tree) -> Tree:
    """What the unknown equals, by inverse operations: `70 - x = 27` gives `70 - 27`."""
    if [*parts(equation)].count("x") != 1:
        raise Dropped("equation not parsed")
    here, other = equation[1:] if "x" in parts(equation[1]) else equation[:0:-1]
    while here != "x":
        operation, left, right = here
        if "x" in parts(left):
            here, other = left, (_INVERSE[operation], other, right)
        elif operation in "+*":
            here, other = right, (_INVERSE[operation], other, left)
        else:
            here, other = right, (operation, left, other)
    return other


def value(tree: Tree) -> Fraction:
    """The exact value of a tree without unknown."""
    if not isinstance(tree, tuple):
        return Fraction(tree)
    operation, left, right = tree[0], value(tree[1]), value(tree[2])
    if operation != "/":
        return {"+": left + right, "-": left - right, "*": left * right}[operation]
    if not right:
        raise Dropped("equation not parsed")
    return left / right


def is_easy(tree: Tree) -> bool:
    """Few operations, and no division by a difference or a product, which tells a solved linear equation."""
    divisors = [part[2] for part in parts(tree) if isinstance(part, tuple) and part[0] == "/"]
    solved_for = any(isinstance(divisor, tuple) and divisor[0] in "-*" for divisor in divisors)
    return sum(isinstance(part, tuple) for part in parts(tree)) <= MOST_OPERATIONS and not solved_for


def decimal(number: Fraction) -> str:
    """A number as people write it, without a decimal point where it is whole."""
    if 10**MOST_DECIMALS % number.denominator:
        raise Dropped(f"number with more than {MOST_DECIMALS} decimals")
    text = f"{float(number):.{MOST_DECIMALS}f}"
    return str(number) if number.denominator == 1 else text.rstrip("0")


def expression(tree: Tree, above: int = 0, *, right: bool = False) -> str:
    """A tree with as few brackets as its order allows; those of a right operand of the same level stay."""
    if not isinstance(tree, tuple):
        return decimal(Fraction(tree))
    level = _LEVEL[tree[0]]
    text = f"{expression(tree[1], level)} {tree[0]} {expression(tree[2], level, right=True)}"
    return f"({text})" if level < above or (right and level == above) else text


def clean(text: str) -> str:
    """Plain quotes and spaces; none before punctuation, after $ and within words such as "isn't"."""
    text = text.translate(str.maketrans("\u2018\u2019\u201c\u201d", "''\"\""))
    text = re.sub(r"\s+([.,?!;:%])(?!\d)", r"\1", " ".join(text.split()))
    text = re.sub(r"(?<=[A-Za-z]) - (?=[A-Za-z])", "-", text)
    return re.sub(r" (n't|'s)\b", r"\1", re.sub(r"\$ (?=\d)", "$", text))


def join(body: str, question: str) -> str:
    """Body and question as one text; a body without an end gets a comma after "If ...", else a full stop."""
    body, question = clean(body), clean(question)
    if body and body[-1] not in ".,?!;:":
        last = re.split(r"[.?!]\s", body)[-1]
        body += "," if re.match(r"(?:if|when|since|as|after|because|while|given)\b", last, re.IGNORECASE) else "."
    return f"{body} {question}".strip()


def by_equation(identity: str, question: str, equation: str, answer: object, *, easy: bool = False) -> Problem:
    """A problem from an expression or an equation with one unknown, perhaps of easy arithmetic only; or Dropped."""
    expected = Fraction(str(answer)).limit_denominator(10**9)  # the files hold floats
    right = solve(parse(equation if "=" in equation else f"x = {equation}"))
    if easy and (expected < 0 or not is_easy(right) or re.search("%|percent|2 twice", question)):
        raise Dropped("not easy arithmetic")
    solution = f"{expression(right)} = {decimal(expected)}"
    for number in re.findall(r"\d+\.\d+", question):
        decimal(Fraction(number))
    if value(right) != expected:
        raise Dropped("equation and answer disagree")
    return Problem(identity, question, decimal(expected), solution)


def by_formula(identity: str, question: str, formula: str, answer: str) -> Problem:
    """A problem of ASDiv, or Dropped: steps between semicolons, units in brackets, a division with rest as `47/6=7 r5`.

    The answer of such a division may be the quotient, the rest, or one more than the quotient.
    """
    plain = _PLAIN.fullmatch(answer.strip())
    if plain is None:
        raise Dropped("answer is not one plain number")
    steps, answers = [], {Fraction(0)}
    for text in _UNIT.sub("", formula).split(";"):
        step = _STEP.fullmatch(text.strip())
        if step is None:
            raise Dropped("not plain arithmetic")
        left, result, rest = parse(step["left"]), Fraction(step["value"]), Fraction(step["rest"] or 0)
        answers, end = {result}, decimal(result)
        if step["rest"] is not None and isinstance(left, tuple):
            answers, end = {result, rest, result + 1}, f"{end} r {rest}"
            result += rest / value(left[2])
        if value(left) != result:  # a rounded one, for instance
            raise Dropped("not plain arithmetic")
        steps.append(f"{expression(left)} = {end}")
    if Fraction(plain[1]) not in answers:
        raise Dropped("equation and answer disagree")
    return Problem(identity, question, decimal(Fraction(plain[1])), ", ".join(steps))


def load(file: Path) -> list[dict[str, Any]]:
    """The problems of a file: JSON, or ASDiv's XML, which may declare no document type and so no entities."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix == ".json":
            return json.loads(text)
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ValueError("it declares a document type or entities, which the published file does not")
        problems = ElementTree.fromstring(text).iter("Problem")
        return [{"ID": row.get("ID"), **{field.tag: field.text or "" for field in row}} for row in problems]
    except OSError as error:
        sys.exit(f"{file}: cannot be opened ({error.strerror})\n  hint: give the clones in the order of --help")
    except (ValueError, ElementTree.ParseError) as error:
        sys.exit(f"{file}: cannot be read: {error}")


def read(svamp: Path, asdiv: Path, zero_shot: Path, toolkit: Path) -> Iterator[Raw]:
    """Every problem of every set, in order of precedence."""
    for row in load(svamp / "SVAMP.json"):
        yield "svamp", f"svamp-{row['ID']}", join(row["Body"], row["Question"]), row["Equation"], row["Answer"]
    for row in load(asdiv / "dataset/ASDiv.xml"):
        yield "asdiv", f"asdiv-{row['ID']}", join(row["Body"], row["Question"]), row["Formula"], row["Answer"]
    files = [(name, name, zero_shot / f"dataset/{place}.json") for name, place in ZERO_SHOT.items()]
    files += [("mawps", "mawps-single", toolkit / f"dataset/mawps-single/{part}set.json") for part in PARTS]
    for name, prefix, file in files:
        for row in load(file):
            question, equation = clean(row["sQuestion"]), ";".join(row["lEquations"])
            yield name, f"{prefix}-{row['iIndex']}", question, equation, row["lSolutions"][0]
    for row in load(toolkit / "dataset/mawps/MAWPS.json"):
        yield "mawps", f"mawps-{row['id']}", clean(row["original_text"]), row["equation"], row["ans"]


def key(question: str) -> str:
    """What makes two questions one: case, punctuation, `70.0` for `70` and `1,000` for `1000` do not count."""
    plain = re.sub(r"(?<=\d)(\.0+(?!\d)|,(?=\d{3}))", "", question.lower())
    return " ".join(re.findall(r"[a-z]+|\d+(?:\.\d+)?", plain))


def gather(rows: Iterable[Raw], dropped: Counter[tuple[str, str]]) -> dict[str, list[Problem]]:
    """The problems of each set that are used; the others are counted in `dropped` by set and reason."""
    first: dict[str, tuple[str, Problem]] = {}
    disputed: set[str] = set()
    for name, identity, question, equation, answer in rows:
        try:
            if name == "asdiv":
                problem = by_formula(identity, question, equation, str(answer))
            else:
                problem = by_equation(identity, question, equation, answer, easy=name == "mawps")
        except Dropped as reason:
            dropped[name, str(reason)] += 1
            continue
        _, earlier = first.setdefault(key(question), (name, problem))
        if earlier is not problem:
            dropped[name, "duplicate of an earlier question"] += 1
            if earlier.answer != problem.answer:
                disputed.add(earlier.id)
    used: dict[str, list[Problem]] = {name: [] for name in SETS}
    for name, problem in first.values():
        if problem.id in disputed:
            dropped[name, "another answer later on"] += 1
        else:
            used[name].append(problem)
    return used


def main(arguments: list[str] | None = None) -> None:
    """Write one file per set and print what was dropped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("svamp", type=Path, help="clone of arkilpatel/SVAMP")
    parser.add_argument("asdiv", type=Path, help="clone of chaochun/nlu-asdiv-dataset")
    parser.add_argument("zero_shot", type=Path, help="clone of kojima-takeshi188/zero_shot_cot")
    parser.add_argument("toolkit", type=Path, help="clone of LYH-YF/MWPToolkit")
    parser.add_argument("--out", type=Path, default=Path("word_problems"), help="folder to write [word_problems]")
    options = parser.parse_args(arguments)
    dropped: Counter[tuple[str, str]] = Counter()
    try:
        used = gather(read(options.svamp, options.asdiv, options.zero_shot, options.toolkit), dropped)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        sys.exit(f"a problem is not as published ({error!r})\n  hint: docs/word_problems.md names the commits")
    options.out.mkdir(parents=True, exist_ok=True)
    for name, problems in used.items():
        lines = [json.dumps(problem._asdict(), ensure_ascii=False) + "\n" for problem in problems]
        (options.out / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
        print(f"{name}: {len(problems):,} questions")
        for reason in sorted(reason for here, reason in dropped if here == name):
            print(f"  dropped, {reason}: {dropped[name, reason]:,}")


if __name__ == "__main__":
    main()
