"""Thousands of hostile answers: no crash, no hang, no code run. A seeded generator; a failure prints the string."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from w2s import answers
from w2s.answers.extract import MAX_ANSWER
from w2s.answers.workers import pool
from w2s.config.choices import Style

COUNTS = (1_000, pytest.param(10_000, marks=pytest.mark.nightly))
LIMIT = 30.0  # seconds of processor time: a call takes less than one, and quadratic or exponential work minutes
GOLD = (r"\frac{1}{2}", "18", "x^2+1", r"\int_0^1 x\,dx")
STYLES: tuple[Style, ...] = ("gsm8k", "math", "number", "text", "olympicarena")

REAL = (
    r"\frac{\sqrt{3}}{2}", r"(-\infty, 1) \cup [2, \infty)", r"\begin{pmatrix} 1 & -2 \\ \frac{1}{3} & 4 \end{pmatrix}",
    r"x^2 - 3x + 2", r"\left(\frac{3}{2}, -1\right)", r"\$1{,}234.50", r"\{1, 2, 3\}", r"2\pi r + 10\%", r"y = 2x + 1",
    r"\binom{10}{3}", r"\log_2 8", r"\sin 30^\circ", r"3 \le x < 7", r"\sum_{k=1}^{n} k^2", r"\int_0^1 x^2\,dx",
    r"1 \pm \sqrt{5}", r"\text{(A)}", r"\boxed{42}", "#### 1,200", "The answer is: 3.50 dollars.", r"52_8",
    r"\lim_{x \to 0} \frac{\sin x}{x}", r"|x - 3| \ge 2", r"\lfloor \sqrt{17} \rfloor", r"10!",
)  # fmt: skip
TOKENS = (
    r"\frac", r"\sqrt", r"\left", r"\right", r"\left(", r"\right]", r"\binom", r"\int", r"\sum_{k=1}", r"\lim_{x\to0}",
    r"\begin{pmatrix}", r"\end{pmatrix}", r"\begin{matrix}", r"\text{", r"\boxed{", r"\pm", r"\cup", r"\in", r"\infty",
    r"\le", r"\{", r"\}", r"\\", r"\%", r"\$", "{", "}", "(", ")", "[", "]", "|", "^", "_", "!", "&", ",", ";", "=",
    "<", ">", "+", "-", "*", "/", ".", "$", "#### ", "%", "°", "1", "2", "9", "0", "007", "1,000", ".5", "x", "y", "e",
    "i", "pi", "sin", "log", "and", "or", "infinity", "The answer is ", "Question: ", " ", "\n", "\\", "'", '"', "`",
    "~", r"\frac12", r"\log_", r"\operatorname{lcm}", r"\overline{3}", r"\mathbb{R}", r"\setminus", r"\mod", r"\det",
)  # fmt: skip
CHARACTERS = "\x00\x01\x1b\x7f\x85\u200b\u200d\u2060\ufeff\u202a\u202e\u2066\u2069\u0301\ud800\udfff\U000e0041\uffff"
DIGITS = "０１２３４５６７８９٠١٢٣٤٥٦٧٨٩०१२३𝟎𝟏𝟐𝟘𝟙⁰¹²³₀₁₂①②ⅣⅫOolI|"
CODE = (
    "__import__('os').system('touch {0}')", "open('{0}','w')", "exec(\"open('{0}','w')\")", "{{0.__class__}}", "%s%n%x",
    "lambda: open('{0}','w')", "().__class__.__bases__[0].__subclasses__()", r"\write18{{touch {0}}}", "$(touch {0})",
    r"\input{{{0}}}", "sympify(\"__import__('os').system('touch {0}')\")", "`touch {0}`",
    "'; import os; os.mkdir('{0}')",
    r"\operatorname{{__import__('os').mkdir('{0}')}}(1)", r"x_{{__import__('os').mkdir('{0}')}} + \int_0^1 x\,dx",
)  # fmt: skip


def towers(dice: random.Random) -> str:
    base = dice.choice(["9", "10", "2", "x", "-9", ".5", r"\pi", "(9!)"])
    kind = dice.choice(["^{", "^", "**", "^("])
    depth = dice.randrange(2, 120)
    close = {"^{": "}", "^(": ")"}.get(kind, "") * depth
    return (base + kind) * depth + base + close


def literals(dice: random.Random) -> str:
    size = int(10 ** dice.uniform(1, 6))
    digits = dice.choice("123456789") + "".join(dice.choices("0123456789", k=min(size, 400))) + "7" * max(0, size - 400)
    return dice.choice(
        ["{0}", "1.{0}", "1e{0}", "1e-{0}", "-{0}", r"\frac{{1}}{{{0}}}", "2^{{{0}}}", "{0}!", "{0}%"]
    ).format(digits)


def nests(dice: random.Random) -> str:
    depth = int(10 ** dice.uniform(0.5, 5))
    left, right = dice.choice(
        [("{", "}"), ("(", ")"), ("[", "]"), (r"\frac{1}{", "}"), (r"\sqrt{", "}"), (r"\left(", r"\right)"), ("|", "|"),
         (r"\boxed{", "}"), (r"\text{", "}"), (r"\{", r"\}"), ("-", ""), ("\\left", ""), (r"\frac", ""), ("1/", "")]
    )  # fmt: skip
    return left * depth + "1" + right * dice.choice([depth, depth - 1, 0, depth // 2])


def factorials(dice: random.Random) -> str:
    return (
        dice.choice(["9", "99999", "(3!)", "x", "10^{10}"])
        + "!" * dice.randrange(1, 200)
        + dice.choice(["", "/2", "^9"])
    )


def binomials(dice: random.Random) -> str:
    name = dice.choice([r"\binom", r"\frac", r"\sum_{k=1}^", r"\prod_{k=1}^", r"\int_0^"])
    over, under = 10 ** dice.randrange(1, 30), 10 ** dice.randrange(1, 29)
    return f"{name}{{{over}}}{{{under}{dice.choice(['', '!', ' k', ' x dx'])}}}"


def matrices(dice: random.Random) -> str:
    rows, columns = dice.randrange(1, 60), dice.randrange(1, 60)
    kind = dice.choice(["pmatrix", "bmatrix", "vmatrix", "matrix", "cases", "array"])
    body = r" \\ ".join(" & ".join([str(dice.randrange(99))] * columns) for _ in range(rows))
    return rf"\begin{{{kind}}}{body}\end{{{kind}}}" + dice.choice(["", "^{-1}", "^{99}", "^T", r"\cdot 2"])


def invisible(dice: random.Random) -> str:
    return "".join(letter + dice.choice(CHARACTERS) for letter in dice.choice(REAL)) * dice.randrange(1, 4)


def digits(dice: random.Random) -> str:
    return "".join(dice.choices(DIGITS + ".,-/", k=dice.randrange(1, 40)))


def code(dice: random.Random) -> str:
    wrap = dice.choice(["{0}", r"\text{{{0}}}", r"${0}$", r"\frac{{{0}}}{{2}}", r"\int_0^1 {0} dx", "#### {0}"])
    return wrap.format(dice.choice(CODE).format("CANARY"))


def glued(dice: random.Random) -> str:
    return "".join(dice.choices(TOKENS, k=dice.randrange(1, dice.choice([8, 40, 150]))))


def mutated(dice: random.Random) -> str:
    text = list(dice.choice(REAL) * dice.choice([1, 1, 1, 2, 20]))
    for _ in range(dice.randrange(1, 8)):
        at = dice.randrange(len(text) + 1)
        text[at : at + dice.randrange(2)] = dice.choice(["", *TOKENS, *CHARACTERS])
    return "".join(text)


def separators(dice: random.Random) -> str:
    return dice.choice(
        [",", ";", " and ", " or ", "=", "<", r"\cup", ":", "|", "&", r"\pm", "$", " ", "\n", "1,"]
    ) * dice.randrange(1, 5000)


def equations(dice: random.Random) -> str:
    """Sums of what costs most, in many variables, on both sides of a sign; and lists of them."""

    def name() -> str:
        return dice.choice("abcdhjklmnpqrstuvwxyzABCD")

    def term() -> str:
        return dice.choice(
            [r"\binom{{{0}+.5}}{{{1}}}", "|{0}+3|", "({0}+{1})!", r"\sin({0}{1})", "{0}^{{{1}}}", r"\sqrt{{{0}+{1}}}",
             r"\lfloor {0}{1} \rfloor", "e^{{{0}}}", r"\frac{{1}}{{({0}+2)^{{99}}}}", "({0}+1)^{{999}}", "i{0}",
             "(i{0})!", r"\log_{{{0}}} {1}", "2^{{999}}", "{0}", "3{0}{1}"]
        ).format(name(), name())  # fmt: skip

    def total() -> str:
        return "+".join(term() for _ in range(dice.randrange(1, 9)))

    signs = ["=", "=", "=", "<", r"\ge", "", r"\pm"]
    each = [
        total() + (sign := dice.choice(signs)) + (total() if sign else "") for _ in range(dice.choice([1, 1, 2, 6]))
    ]
    return dice.choice([",", ";", r" \text{ or } "]).join(each)[:400]


FAMILIES: tuple[Callable[[random.Random], str], ...] = (
    towers, literals, nests, factorials, binomials, matrices, invisible, digits, code, separators, glued, glued,
    mutated, mutated, equations,
)  # fmt: skip


def peak() -> int:
    """The most that this process has held since the last call, in MiB."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def used(text: str, style: Style, gold: str) -> float:
    """What users call on a string; the processor seconds that the slowest call takes."""
    calls: list[Callable[[], str | None]] = [
        lambda: answers.extract(text, style),
        lambda: answers.extract(text, style, flexible=False),
        lambda: answers.extract(r"The answer is: \boxed{" + text, "math"),
        lambda: answers.key(text, "string"),
        lambda: answers.key(text[:MAX_ANSWER]),
        lambda: answers.grade(text, gold),
    ]
    worst = 0.0
    for call in calls:
        start = time.process_time()
        found = call()
        worst = max(worst, time.process_time() - start)
        assert found is None or isinstance(found, str), text
    return worst


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("count", COUNTS)
def test_hostile_strings(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No call keeps this process busy; the workers' own limits are in `workers/test_pool.py`."""
    monkeypatch.chdir(tmp_path)
    pool.read("1")
    peak()
    before = peak()
    dice = random.Random(20240713)
    worst = (0.0, "")
    for index in range(count):
        text = FAMILIES[index % len(FAMILIES)](dice)
        style, gold = STYLES[index // len(FAMILIES) % len(STYLES)], GOLD[index // 3 % len(GOLD)]
        worst = max(worst, (used(text, style, gold), text[:400]))
    assert worst[0] < LIMIT, f"{worst[0]:.2f} s for {worst[1]!r}"
    assert os.listdir(tmp_path) == []
    assert peak() - before < 500


@pytest.mark.skipif(not pool.available(), reason="needs the extra `math`")
def test_a_worker_answers_for_any_hostile_string() -> None:
    """In a second, or in what a busy machine makes of one; a minute would be a hang."""
    dice = random.Random(4)
    worst = (0.0, "")
    with pool.Pool(workers=1) as workers:
        workers.read("1")
        for index in range(20 * len(FAMILIES)):
            text = FAMILIES[index % len(FAMILIES)](dice)[: pool.MAX_LENGTH]
            start = time.monotonic()
            workers.read(text)
            worst = max(worst, (time.monotonic() - start, text[:200]))
    assert worst[0] < 60, f"{worst[0]:.2f} s for {worst[1]!r}"
