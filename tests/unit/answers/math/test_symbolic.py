r"""Keys from SymPy are the keys that `canonical` gives to the same answer written plainly; values derived by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from w2s.answers.math.canonical import canonical
from w2s.answers.workers import pool
from w2s.answers.workers.pool import Pool, WorkerResult

pytestmark = pytest.mark.skipif(not pool.available(), reason="needs the extra `math`")


@pytest.fixture(scope="module")
def workers() -> Iterator[Pool]:
    with Pool(workers=1, seconds=20) as one:  # on a busy machine an integral may take a second
        yield one


@pytest.mark.parametrize(
    ("answer", "plain"),
    [
        (r"\int_0^1 x^2\,dx", "1/3"),
        (r"\int_0^{0.1} x\,dx", "0.005"),
        (r"\int_0^x 1\,dt", "x"),
        (r"\int_0^1 i x\,dx", r"\frac{i}{2}"),
        (r"\int_0^1 2\frac{1}{2}\,dx", "5/2"),
        (r"\sum_{k=1}^{10} k", "55"),
        (r"\sum_{i=1}^{n} i", r"\frac{n(n+1)}{2}"),
        (r"\sum_{k=1}^{\infty} \frac{1}{k^2}", r"\frac{\pi^2}{6}"),
        (r"\prod_{k=1}^{5} k", "120"),
        (r"\lim_{x\to 0}\frac{\sin x}{x}", "1"),
        (r"7 \mod 3", "1"),
        (r"\max(1,2)", "2"),
        (r"\gcd(12,18)", "6"),
        (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", "-2"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}^T", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"),
        (r"2\begin{pmatrix}1\\3\end{pmatrix}", r"\begin{pmatrix}2\\6\end{pmatrix}"),
        (r"x^2-3x+2<0", "(1,2)"),
        (r"x^2 \ge 4", r"(-\infty,-2]\cup[2,\infty)"),
        (r"1 < x^2 \le 4", r"[-2,-1)\cup(1,2]"),
        (r"(0,1)\cup(2,3)\cup\{\int_0^7\,dx\}", r"\{7\}\cup(2,3)\cup(0,1)"),
        (r"\{x : x^2 < 4\}", "(-2,2)"),
        (r"x\in\mathbb{R}\setminus\{0\}", r"x \ne 0"),
        (r"\{1,\int_0^1 x\,dx\}", "1, 1/2"),
        (r"(1,\int_0^1 x\,dx)", "(1, 0.5)"),
        (r"f'(x)=\int_0^x t\,dt", r"\frac{x^2}{2}"),
        (r"x_{12}+\int_0^1\,dt", "x_{12}+1"),
        (r"\alpha+A+\int_0^1\,dt", r"\alpha+A+1"),
        (r"a=\int_0^1\,dt, b=2", "b=2, a=1"),
    ],
)
def test_same_key_as_the_plain_spelling(workers: Pool, answer: str, plain: str) -> None:
    expected = canonical(plain)
    assert expected.kind in ("number", "math", "text")
    assert workers.read(answer) == WorkerResult(expected.key, True)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "area of the base",  # not a times r times e ...
        r"\text{area}+\int_0^1\,dt",
        "52_8 + 1",  # the parser drops the base
        "x4-x3",
        r"\int_0^1 2(3)\,dx",  # the parser reads 5
        r"\int_0^1 2\binom{4}{2}\,dx",  # and here 8
        "3 2",
        "f(3)",
        r"\mathbb{N}",
        r"x \notin \{1\}",
        "9" * 300,
        "(" * 100 + "x+1" + ")" * 100 + "!",
        "9^9^9^9",
        r"\int_0^1 9^{9^9}\,dx",
        r"\sum_{k=1}^{3} (10^{9})!",
        "1e999999999",
        "\x00\u202e\ud800",
        "x" * 1999,
    ],
)
def test_what_cannot_be_read_for_certain_has_no_key(workers: Pool, answer: str) -> None:
    assert workers.read(answer) == WorkerResult(None, True)


def test_text_is_never_evaluated(workers: Pool, tmp_path: Path) -> None:
    canary = tmp_path / "c"
    code = f"__import__('pathlib').Path('{canary}').touch()"
    for answer in (code, rf"\text{{{code}}}", rf"\operatorname{{{code}}}(1)", rf"x_{{{code}}}", f"{code}+\\int_0^1 dx"):
        assert workers.read(answer).key is None
    assert not canary.exists()
