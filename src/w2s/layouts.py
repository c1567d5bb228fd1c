"""Whose file is it: pure functions from one row of a known layout to the responses, or the gold, that it holds.

w2s      {"id", "question", "response"} (+ "sample"); gold {"id", "answer"}
gair     the paper's released files: {"id", "prompt", "response"}, {"id", "content", "output"}, and pairs {"id",
         "instruction", "input", "output": [chosen, rejected]}, which are two responses; gold as "gold" beside the
         outputs, or raw as {"question" | "problem", "answer" | "solution"}
trl      {"prompt", "completion"}, texts or lists of messages, with or without "id"
lm-eval  sample logs of EleutherAI/lm-evaluation-harness (--log_samples): {"doc_id", "doc", "target", "resps", ...}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from w2s import answers, choices
from w2s.answers import Style
from w2s.tasks.rows import Row

Name = choices.Layout


class Given(NamedTuple):
    """One response of a row.

    `id` is as the user wrote it; a row of the layout `trl` without one has its line number. `question` is "" where it
    is missing and not needed. `sample` is None where the row does not number its response. `rest` holds the fields
    that are no part of the layout.
    """

    id: str | int
    question: str
    response: str
    sample: int | None
    rest: Mapping[str, Any]


class Layout(NamedTuple):
    """How to read a row: `read(row, question_needed)`.

    `passes`: whether fields that are no part of the layout may go on into training rows. `several`: a row may hold
    several responses, and repeated ids are numbered in file order.
    """

    name: Name
    read: Callable[[Row, bool], Sequence[Given]]
    passes: bool = True
    several: bool = True


def layout(name: Name, first: Row) -> Layout:
    """The layout called `name`; for "auto", the one that the first row of a responses file shows.

    Raises:
        UserError: the row holds a preference pair of TRL, which is no response.
    """
    if name != "auto":
        return _LAYOUTS[name]
    fields = first.fields.keys()
    if {"doc_id", "resps"} <= fields:
        return _LAYOUTS["lm-eval"]
    if {"question", "response"} <= fields:
        return _LAYOUTS["w2s"]
    if {"prompt", "completion"} <= fields or {"chosen", "rejected"} <= fields:
        return _LAYOUTS["trl"]
    if any(pair <= fields for pair in ({"prompt", "response"}, {"content", "output"}, {"instruction", "output"})):
        return _LAYOUTS["gair"]
    return _LAYOUTS["w2s"]


def shown(layout: Layout, row: Row, given: Given, sample: int) -> Mapping[str, Any]:
    """The response as a row in the layout w2s, with all fields that are no part of its own layout."""
    if layout.name == "w2s":
        return row.fields
    numbered = {"sample": sample} if sample or given.sample is not None else {}
    return {"id": given.id, "question": given.question, "response": given.response, **numbered, **given.rest}


def question_of(prompt: str) -> str:
    r"""The question of a prompt "Question: ...\nAnswer:", the last after demonstrations; any other prompt whole."""
    text = prompt.strip()
    if not (text.startswith("Question:") and text.endswith("\nAnswer:")):
        return text
    return text.removesuffix("Answer:").rpartition("\n\nQuestion:")[2].removeprefix("Question:").strip()


def gold_layout(name: Name, first: Row) -> Callable[[Row, Style], Row]:
    """A function from a row of a gold file to {"id"?, "question"?, "answer", ...}, chosen by the file's first row.

    Args:
        name: "w2s" leaves rows as they are; with any other the fields decide.
        first: the first row.
    """
    fields = first.fields
    if name == "w2s" or {"id", "answer"} <= fields.keys():
        return lambda row, style: row
    if "doc_id" in fields and ("doc" in fields or "target" in fields):
        return _lm_eval_gold
    source = next((field for field in ("gold", "answer", "solution") if field in fields), "answer")
    return lambda row, style: _gair_gold(row, style, source)


def _w2s(row: Row, question_needed: bool) -> tuple[Given]:
    row.identity()
    fields = row.fields
    question = row.text("question") if question_needed or fields.get("question") is not None else ""
    rest = {name: fields[name] for name in fields if name not in _W2S}
    given = Given(fields["id"], question, row.text("response", may_be_empty=True), row.count("sample", 0), rest)
    return (given,)


def _gair(row: Row, question_needed: bool) -> list[Given]:
    row.identity()
    fields = row.fields
    field = next((name for name in ("response", "output") if name in fields), "response")
    prompt = next((name for name in ("question", "prompt", "content", "instruction") if name in fields), "prompt")
    question = question_of(row.text(prompt)) if question_needed or prompt in fields else ""
    if question and fields.get("input"):  # instruction data: the input stands below the instruction
        question += "\n" + row.text("input")
    texts = fields[field] if isinstance(fields.get(field), list) else [row.text(field, may_be_empty=True)]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise row.error(f"{field} is not a list of texts", field, expected="a string, or a list of strings")
    rest = {name: fields[name] for name in fields if name not in _GAIR}
    first = row.count("sample", 0) if "sample" in fields else None
    return [
        Given(fields["id"], question, text, None if first is None else first + n, rest) for n, text in enumerate(texts)
    ]


def _trl(row: Row, question_needed: bool) -> tuple[Given]:
    fields = row.fields
    if "completion" not in fields and {"chosen", "rejected"} <= fields.keys():
        raise row.error(
            "the row is a preference pair and not a response",
            "chosen",
            expected='rows of {"prompt", "completion"}',
            mend='write each text you mean into a row of its own: {"id", "question", "response"}',
        )
    row.identity(default=str(row.line))
    prompt = _said(row, "prompt", "user") if question_needed or "prompt" in fields else ""
    rest = {name: fields[name] for name in fields if name not in _TRL}
    sample = row.count("sample", 0) if "sample" in fields else None
    identity = row.line if fields.get("id") is None else fields["id"]
    return (Given(identity, question_of(prompt), _said(row, "completion", "assistant"), sample, rest),)


def _said(row: Row, field: str, role: str) -> str:
    """A text, or the last message of `role` in a conversation."""
    value = row.fields.get(field)
    if not isinstance(value, list):
        return row.text(field, may_be_empty=role == "assistant")
    for message in reversed(value):
        if isinstance(message, dict) and message.get("role") == role:
            content = message.get("content")
            if not isinstance(content, str):
                raise row.error(f"the {role}'s message has no text", field, expected='{"role", "content": "a text"}')
            return content
    raise row.error(f"{field} has no message of the {role}", field, expected=f'[{{"role": "{role}", "content": ...}}]')


def _lm_eval(row: Row, question_needed: bool) -> list[Given]:
    fields = row.fields
    doc = fields.get("doc") if isinstance(fields.get("doc"), dict) else {}
    assert isinstance(doc, dict)
    identity = fields.get("doc_id")
    if not isinstance(identity, str | int):
        raise row.error(f"{identity!r:.80} is not an id", "doc_id", expected="an integer")
    source = Row(row.file, row.line, doc)
    field = next((name for name in ("question", "problem", "query") if name in doc), "question")
    question = source.text(field) if question_needed or field in doc else ""
    resps = fields.get("resps")
    if isinstance(resps, list) and len(resps) == 1 and isinstance(resps[0], list):
        resps = resps[0]  # one request with its repeats
    if not isinstance(resps, list) or not resps or not all(isinstance(text, str) for text in resps):
        raise row.error(
            "resps holds no generated texts",
            "resps",
            expected='the log of a generation task: "resps": [["a text", ...]]',
            mend="choose the sample log of a task that generates, such as gsm8k",
        )
    rest = {name: fields[name] for name in fields if name not in _LM_EVAL}
    several = len(resps) > 1
    return [Given(identity, question, text, n if several else None, rest) for n, text in enumerate(resps)]


def _gair_gold(row: Row, style: Style, source: str) -> Row:
    fields = dict(row.fields)
    prompt = next((name for name in ("question", "problem", "prompt", "content", "instruction") if name in fields), "")
    if prompt:
        fields["question"] = question_of(row.text(prompt))
    answer = fields.get(source)
    if source == "solution" and style != "gsm8k" and isinstance(answer, str):
        answer = answers.extract(answer, style)
        if answer is None:
            raise row.error("the solution states no answer", source, mend="add the field answer")
    if source == "gold":
        fields.pop("solution", None)
    return Row(row.file, row.line, {**fields, "answer": answer})


def _lm_eval_gold(row: Row, style: Style) -> Row:
    doc = row.fields.get("doc")
    doc = doc if isinstance(doc, dict) else {}
    target = row.fields.get("target")
    return Row(
        row.file,
        row.line,
        {
            "id": row.fields.get("doc_id"),
            "question": next((doc[name] for name in ("question", "problem", "query") if name in doc), None),
            "answer": doc.get("answer") if target is None else target,
        },
    )


_W2S = frozenset({"id", "question", "response", "sample"})
_GAIR = _W2S | {"prompt", "content", "instruction", "input", "output"}
_TRL = _W2S | {"prompt", "completion"}
_LM_EVAL = frozenset({"doc_id", "doc", "arguments", "resps", "filtered_resps"})
_LAYOUTS: dict[Name, Layout] = {
    "w2s": Layout("w2s", _w2s, several=False),
    "gair": Layout("gair", _gair),
    "trl": Layout("trl", _trl),
    "lm-eval": Layout("lm-eval", _lm_eval, passes=False),  # a task's own metrics have names nobody can list
}
