"""The part of a text that is the response (ours)."""

from __future__ import annotations

import re

_MAX_READ = 1_000_000  # what follows is never looked at: a response of 128k tokens is about 500,000 characters
_MAX_TEXT = 20_000  # only the end of a longer response is read: 1024 tokens are about 4,000 characters

_THINK = re.compile(r"<(?P<end>/?)think(?:ing)?>")
_NEXT_QUESTION = re.compile(r"^[#*_> \t]{0,8}(?P<next>Q(?:uestion|UESTION)\b|question[*_]{0,2}:)", re.MULTILINE)
_NEXT_PROBLEM = re.compile(
    r"\n[#*_> \t]{0,8}(?:(?:Q|User|Human|Instruction|Problem|PROBLEM|Exercise)(?:\s[0-9]{1,3})?[*_]{0,2}:"
    r"|(?:Problem|Exercise)\s[0-9]{1,3}[*_]{0,2}$|(?:[Nn]ext|[Nn]ew)\s(?:question|problem|Question|Problem)[*_]{0,2}:"
    r"|You are participating in an international )"
    r"|</s>|<\|(?:im_end|eot_id|end_of_text|endoftext)\|>|<end_of_turn>|<eos>|\[INST\]",
    re.MULTILINE,
)


def own_part(text: str) -> str:
    """What may state the answer: after the last `</think>`, before a new problem; at most 20,000 characters."""
    return _one_problem(_after_thinking(text[:_MAX_READ].strip()))[-_MAX_TEXT:].strip()


def _after_thinking(text: str) -> str:
    start, opened = 0, -1
    for mark in _THINK.finditer(text):
        if not mark["end"]:
            if opened < 0:
                opened = mark.start()
        else:
            before = text[start:opened].strip() if opened > start else ""
            if len(_one_problem(before)) < len(before):
                break  # the answer, then a new problem and its reasoning
            start, opened = mark.end(), -1
    return "" if opened == start == 0 else text[start:]


def _one_problem(text: str) -> str:
    text = text.partition("Question:")[0].strip()
    for pattern, group in ((_NEXT_QUESTION, "next"), (_NEXT_PROBLEM, 0)):
        match = pattern.search(text)
        text = text[: match.start(group)].strip() if match else text
    return text
