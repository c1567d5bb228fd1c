"""The string normal form that the released code compares: rules of Lewkowycz et al. 2022 (Minerva), appendix on MATH.

Kept for `match="string"`, so that its decisions can be reproduced, oddities included ("a " is removed inside
words too, and "-615,000" keeps its comma).
"""

from __future__ import annotations

import re
from functools import lru_cache

_REWRITES = (
    ("an ", ""), ("a ", ""), (".$", "$"), (r"\$", ""), ("\\ ", ""), (r"\%", "%"), (" ", ""), ("mbox", "text"),
    (r",\text{and}", ","), (r"\text{and}", ","), (r"\text{m}", r"\text{}"),
)  # fmt: skip
_REMOVED = (
    "square", "ways", "integers", "dollars", "mph", "inches", "ft", "hours", "km", "units", r"\ldots", "sue",
    "points", "feet", "minutes", "digits", "cents", "degrees", "cm", "gm", "pounds", "meters", "meals", "edges",
    "students", "childrentickets", "multiples", r"\text{s}", r"\text{.}", "\\text{\ns}", r"\text{}^2", r"\text{}^3",
    "\\text{\n}", r"\text{}", r"\mathrm{th}", r"^\circ", r"^{\circ}", r"\;", r",\!", "{,}", '"', r"\dots",
)  # fmt: skip
_WRAPPERS = tuple(re.compile(rf"\\{name}\{{(.*?)\}}") for name in ("text", "textbf", "overline"))
_BOXED = re.compile(r"\\boxed\{(.*)\}")
_FRAC = re.compile(r"frac([^{])(.)")
_SQRT = re.compile(r"sqrt([^{])")


@lru_cache(maxsize=2**14)  # 50 us each, and many responses share few answers; 20 MB if all are of 400 characters
def normalise(answer: str) -> str:
    """The released code's string form of a final answer; may be empty. Source: released code."""
    answer = answer.rpartition("=")[2]
    for old, new in _REWRITES:
        answer = answer.replace(old, new)
    for old in _REMOVED:
        answer = answer.replace(old, "")
    if answer.count("$") >= 2:  # only the first piece of mathematics counts
        answer = answer.split("$")[1]
    for wrapper in _WRAPPERS:
        answer = wrapper.sub(r"\1", answer)
    answer = _BOXED.sub(r"\1", answer)
    answer = _SQRT.sub(r"sqrt{\1}", _FRAC.sub(r"frac{\1}{\2}", answer)).replace("$", "")
    if answer.replace(",", "").isdigit():
        answer = answer.replace(",", "")
    for ending in (".0", ".00", "%"):
        if answer.endswith(ending) and answer.removesuffix(ending).isdigit():
            answer = answer.removesuffix(ending)
    return answer.lower() if answer in ("A", "B", "C", "D", "E", "F", "G") else answer
