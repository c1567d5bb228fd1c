"""GSM8K scored as the task `gsm8k` of EleutherAI/lm-evaluation-harness scores it, for figures that can be compared.

Followed: lm_eval/tasks/gsm8k/gsm8k.yaml (`metadata: version: 3.0`), with the filters of lm_eval/filters/extraction.py
and the metric `exact_match` of lm_eval/api/metrics.py, at commit 4e7e0d4 (0.4.13.dev0). Its oddities are kept: "18.00"
and "18" differ, "$18." and "18" do not, "10-5" gives "-5", and of "7 it is ..." the flexible reading takes "...".
"""

from __future__ import annotations

import re
from typing import Literal

Filter = Literal["strict-match", "flexible-extract"]

_MAX_READ = 1_000_000  # ours: what follows is not read; the harness has no bound
_UNTIL = ("Question:", "</s>", "<|im_end|>")
_STRICT = re.compile(r"#### (\-?[0-9\.\,]+)")
_FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")


def extract(text: str, filter: Filter) -> str | None:
    """The prediction that the harness compares, or None where it has "[invalid]", which no gold answer equals.

    Args:
        text: a response. It is cut at the task's stop sequences, as generation would have stopped there.
        filter: "strict-match" takes the first `#### x`, "flexible-extract" the last thing that looks like a number.
    """
    text = text[:_MAX_READ]
    for stop in _UNTIL:
        text = text.partition(stop)[0]
    if filter == "strict-match":
        found = _STRICT.search(text)
    else:
        found = None
        for found in _FLEXIBLE.finditer(text):  # noqa: B007 (the last match, without a list of all)
            pass
    return None if found is None else (found[1] or found[2] if filter == "flexible-extract" else found[1])


def correct(prediction: str | None, target: str) -> bool:
    """Whether the harness's `exact_match` is 1 for this pair; False for no prediction.

    Args:
        prediction: as `extract` gives it.
        target: GSM8K's `answer` field, the worked solution that ends in `#### 72`; the bare "72" does as well.
    """
    return prediction is not None and _compared(prediction) == _compared(target)


def _compared(text: str) -> str:
    # regexes_to_ignore in the task's order. The harness keeps the texts in a numpy array after each, and that drops
    # NULs at the end. "(?s).*#### " is greedy: what follows the last mark stays.
    text = text.replace(",", "").rstrip("\0").replace("$", "").rstrip("\0")
    text = text.rpartition("#### ")[2].rstrip("\0")
    return re.sub(r"\.$", "", text).rstrip("\0").lower()
