from __future__ import annotations

from collections.abc import Callable

import pytest

from w2s.answers.math import cost
from w2s.answers.math.canonical import _canonical, canonical

ABSOLUTE = "+".join(f"|{name}+3|" for name in "zyABCD")
LEFT = "+".join(rf"\binom{{{a}+.5}}{{{b}}}" for a, b in ["ab", "ba"] * 6)
RIGHT = "+".join(rf"\binom{{{a}+.5}}{{{b}}}" for a, b in ["cd", "dh", "hj", "jk", "kl", "lm", "mn", "nc"])
EXPENSIVE = [
    f"{ABSOLUTE}+{LEFT}={RIGHT}",
    r"|z+3|+|y+3|+|A+3|+\binom{a+.5}{b}+\binom{b+.5}{c}+\binom{c+.5}{a}=\binom{d+.5}{h}+\binom{h+.5}{k}",
    ",".join([r"\sin x\cos y+z=\sqrt{a+b}"] * 14),
    ",".join([r"\sin(xyz)+\tan(abc)=y^z"] * 15),
    "+".join([r"\binom{ia+i}{ib}"] * 12),
    "+".join(f"(ix+{n})!" for n in range(20)),
    "+".join(rf"\frac{{1}}{{(x+{n})^{{99}}}}" for n in range(18)),
    r"\frac{(x+1)^{999}(y+1)^{999}(z+1)^{999}}{(x+2)^{999}(y+2)^{999}(z-2)^{999}}",
    r"x^{900}+y^{900}+(x+y)^{900}+(x-y)^{900}=z^{2}",
    ",".join([r"\lfloor\sin x\rfloor+\lceil e^y\rceil"] * 10),
    ",".join([r"|\arctan(x+z)|<\ln(y+3)"] * 12),
]


def test_a_budget_is_kept_and_ends_with_its_block() -> None:
    with cost.limit(10):
        cost.spend(10)
        with cost.limit(3), pytest.raises(cost.OverBudget):
            cost.spend(4)
        with pytest.raises(cost.OverBudget):
            cost.spend(1)
    cost.spend(10**9)


@pytest.mark.parametrize("answer", EXPENSIVE)
def test_no_structure_makes_an_answer_expensive(answer: str, calls: Callable[[Callable[[], object]], int]) -> None:
    """At most 750,000 calls on CPython 3.11; arithmetic on long integers inside a call is what `cost` limits."""
    assert len(answer) <= 400
    _canonical.cache_clear()
    forms = [canonical(answer)]
    _canonical.cache_clear()
    assert calls(lambda: forms.append(canonical(answer))) < 1_500_000
    assert forms[0] == forms[1]


def test_what_is_too_expensive_is_unread_and_not_wrongly_read() -> None:
    assert canonical(EXPENSIVE[0]).kind == "unread"
    assert canonical(EXPENSIVE[0]).key != canonical(EXPENSIVE[0].replace("B", "C")).key
