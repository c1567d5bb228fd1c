"""Answer rules that others published, oddities included.

Released code (Lewkowycz et al. 2022, Minerva, appendix on MATH). EleutherAI/lm-evaluation-harness,
lm_eval/tasks/gsm8k/gsm8k.yaml (`version: 3.0`), commit 4e7e0d4.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

LmEvalFilter = Literal["strict-match", "flexible-extract"]

_MAX_NUMBERS = 20_000  # characters in which the released code's number is looked for (ours)
_MAX_READ = 1_000_000  # characters that lm-eval's rule reads (ours; the harness has no bound)
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
_UNTIL = ("Question:", "</s>", "<|im_end|>")
_STRICT = re.compile(r"#### (\-?[0-9\.\,]+)")
_FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")


def released_answer(text: str, mark: str) -> str:
    """The final answer that the released code reads, perhaps empty; on the last line, after `mark`."""
    line = text.partition("Question")[0].strip().rpartition("\n")[2]
    answer = line.partition(mark + " ")[2]
    if not answer:
        numbers = re.findall(r"-?[0-9]+\.?[0-9]*", line.partition("The answer is ")[2].replace(",", "")[:_MAX_NUMBERS])
        answer = numbers[0].rstrip(".") if numbers else ""
    return answer[:-4] if "</s>" in answer else answer


@lru_cache(maxsize=2**14)  # 50 us each, and many responses share few answers; 20 MB if all are of 400 characters
def normalise(answer: str) -> str:
    """The string form that the released code compares, perhaps empty."""
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


def lm_eval_answer(text: str, filter: LmEvalFilter) -> str | None:
    """The answer that lm-eval compares; None where it has "[invalid]".

    "strict-match" takes the first `#### x`, "flexible-extract" the last number.
    """
    text = text[:_MAX_READ]
    for stop in _UNTIL:
        text = text.partition(stop)[0]
    if filter == "strict-match":
        match = _STRICT.search(text)
        return None if match is None else match[1]
    match = None
    for match in _FLEXIBLE.finditer(text):  # noqa: B007 (the last match, without a list of all)
        pass
    return None if match is None else match[1] or match[2]


def lm_eval_correct(prediction: str | None, target: str) -> bool:
    """Whether lm-eval's `exact_match` is 1; `target`: GSM8K's `answer` field or its number."""
    return prediction is not None and _compared(prediction) == _compared(target)


def _compared(text: str) -> str:
    # regexes_to_ignore in the task's order. The harness keeps the texts in a numpy array after each, and that drops
    # NULs at the end. "(?s).*#### " is greedy: what follows the last mark stays.
    text = text.replace(",", "").rstrip("\0").replace("$", "").rstrip("\0")
    text = text.rpartition("#### ")[2].rstrip("\0")
    return re.sub(r"\.$", "", text).rstrip("\0").lower()
