"""Layouts of files: from a row to its responses or its gold.

w2s      {"id", "question", "response"} (+ "sample"); gold {"id", "answer"}
gair     the paper's files: {"id", "prompt", "response"}, {"id", "content", "output"}, {"id", "instruction", "input",
         "output": [texts]}; gold "gold", or {"question" | "problem", "answer" | "solution"}
trl      {"prompt", "completion"}, texts or messages
lm-eval  --log_samples of EleutherAI/lm-evaluation-harness
chat     {"messages": [...]}, or ShareGPT's "conversations"
batch    output of OpenAI's Batch API and of vLLM's run_batch
inspect  samples of an inspect_ai log
columns  any table with a column of `columns.RESPONSES`: a text, or a list of texts
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from w2s import answers
from w2s.answers import Style
from w2s.data import chats, columns
from w2s.data.responses import Layout, Name, RawResponse, question_of, without
from w2s.data.rows import Row
from w2s.errors import UserError, one_of

__all__ = [
    "Layout", "Name", "RawResponse", "as_w2s", "check", "gold_layout", "id_column", "layout", "question_of", "renamed",
]  # fmt: skip

Columns = Mapping[str, str]
"""A user's columns, by our name for them: {"question": "Problem text"}."""


def layout(name: Name, first: Row) -> Layout:
    """The layout `name`; "auto": by the first row.

    Raises:
        UserError: no such layout, or "auto" and a row of none.
    """
    check(name)
    return _LAYOUTS[_recognised(first) if name == "auto" else name]


def check(name: str) -> None:
    """UserError: no layout is called `name`."""
    one_of("layout", name, get_args(Name), "--layout")


def renamed(row: Row, names: Columns) -> Row:
    """The row with its columns in our names."""
    if not any(column in row.fields for column in names.values()):
        return row
    mapped = {name: row.fields[column] for name, column in names.items() if column in row.fields}
    return Row(row.file, row.line, {**without(row.fields, *names.values()), **mapped})


def id_column(fields: Mapping[str, Any]) -> str | None:
    """Where the id of a row is; None: it has none."""
    if "id" in fields and fields["id"] is not None:
        return "id"
    return next((name for name in columns.IDS if fields.get(name) is not None), None)


def as_w2s(layout: Layout, row: Row, raw: RawResponse, sample: int) -> Mapping[str, Any]:
    """The response as a w2s row, with its other fields; `row` as `renamed` gives it."""
    if layout.name == "w2s":
        return row.fields if row.fields.get("id") is not None else {"id": raw.id, **without(row.fields, "id")}
    numbered = {"sample": sample} if sample or raw.sample is not None else {}
    asked = {"question": raw.question} if raw.question or layout.name != "batch" else {}
    return {"id": raw.id, **asked, "response": raw.response, **numbered, **raw.rest}


def gold_layout(name: Name, first: Row) -> Callable[[Row, Style], Row]:
    """A function from a gold row to {"id"?, "question"?, "answer", ...}.

    Raises:
        UserError: a row without a known column for gold.
    """
    fields = first.fields
    if name == "w2s" or {"id", "answer"} <= fields.keys():
        return lambda row, style: row
    if "doc_id" in fields and ("doc" in fields or "target" in fields):
        return _lm_eval_gold
    if "target" in fields and isinstance(fields.get("output"), dict):
        return _inspect_gold
    source = next((field for field in columns.GOLDS if field in fields), None)
    if source is None:
        raise first.error(
            f"no column of the row is known to hold gold; it has {_keys(fields)}",
            "answer",
            expected=f"one of {', '.join(columns.GOLDS)}",
            hint="say which column it is: --column answer=NAME",
        )
    return lambda row, style: _column_gold(row, style, source)


def _recognised(first: Row) -> Name:
    fields = first.fields
    keys = fields.keys()
    if {"doc_id", "resps"} <= keys:
        return "lm-eval"
    if {"custom_id", "response"} <= keys and not isinstance(fields["response"], str):
        return "batch"
    if "input" in keys and (_is_output(fields.get("output")) or {"epoch", "target", "messages"} <= keys):
        return "inspect"
    if {"question", "response"} <= keys and not isinstance(fields["response"], list):
        return "w2s"
    if {"prompt", "completion"} <= keys or {"chosen", "rejected"} <= keys:
        return "trl"
    if any(isinstance(fields.get(name), list) for name in columns.CONVERSATIONS):
        return "chat"
    if any(pair <= keys for pair in ({"prompt", "response"}, {"content", "output"}, {"instruction", "output"})):
        return "gair"
    if any(name in fields for name in columns.RESPONSES):
        return "columns" if "response" not in keys else "w2s" if "question" in keys else "columns"
    raise first.error(
        f"no column of the row is known to hold a response; it has {_keys(fields)}",
        "response",
        expected="one of these layouts:\n    " + "\n    ".join(f"{name}: {text}" for name, text in _KNOWN.items()),
        hint="say which columns they are: --column question=NAME --column response=NAME",
    )


def _keys(fields: Mapping[str, Any]) -> str:
    return ", ".join(map(str, list(fields)[:20]))[:300] or "no columns"


def _is_output(value: object) -> bool:
    return isinstance(value, dict) and "choices" in value


def _w2s(row: Row, question_needed: bool) -> tuple[RawResponse]:
    row.identity()
    fields = row.fields
    question = row.text("question") if question_needed or fields.get("question") is not None else ""
    rest = without(fields, "id", "question", "response", "sample")
    response = row.text("response", may_be_empty=True)
    return (RawResponse(fields["id"], question, response, row.count("sample", 0), rest, row.cut),)


def _columns(row: Row, question_needed: bool, usual: str = "question") -> list[RawResponse]:
    """`usual`: the column of questions that an error names."""
    row.identity()
    fields = row.fields
    field = next((name for name in columns.RESPONSES if fields.get(name) is not None), None)
    field = field or next((name for name in columns.RESPONSES if name in fields), "response")
    prompt = next((name for name in columns.QUESTIONS if name in fields and name != field), usual)
    asked = chats.text_of(row, prompt, "user") if question_needed or prompt in fields else ""
    question = question_of(asked)
    if prompt == "instruction" and fields.get("input"):  # the input stands below the instruction
        question += "\n" + row.text("input")
    found = [(text, row.cut or cut) for text, cut in _texts(row, field)]
    if field == "generated_text" and asked:  # pipelines of transformers repeat the prompt
        found = [(text.removeprefix(asked), cut) for text, cut in found]
    rest = without(fields, "id", "sample", prompt, field, *(["input"] if prompt == "instruction" else []))
    rest = without(rest, "question", "response", "prompt", "content", "output") if usual == "prompt" else rest
    first = row.count("sample", 0) if "sample" in fields else None
    return [
        RawResponse(fields["id"], question, text, None if first is None else first + n, rest, cut)
        for n, (text, cut) in enumerate(found)
    ]


def _texts(row: Row, field: str) -> list[tuple[str, bool]]:
    """(text, whether it was cut) of each response: a text, a chat, or a list of texts or of objects with a text."""
    value = row.fields.get(field)
    if not isinstance(value, list):
        return [(row.text(field, may_be_empty=True), False)]
    if value and all(isinstance(each, dict) and "role" in each for each in value):
        return [(chats.text_of(row, field, "assistant"), False)]
    found = []
    for each in value:
        cut = isinstance(each, dict) and each.get("finish_reason") == "length"
        text = next((each[name] for name in ("text", "generated_text") if name in each), None) if isinstance(
            each, dict
        ) else each  # fmt: skip
        if not isinstance(text, str):
            raise _no_texts(row, field)
        found.append((text, cut))
    if not found:
        raise _no_texts(row, field)
    return found


def _no_texts(row: Row, field: str) -> UserError:
    return row.error(
        f"{field} is not a list of texts", field, expected='a string, a list of strings, or [{"text": ...}]'
    )


def _lm_eval(row: Row, question_needed: bool) -> list[RawResponse]:
    fields = row.fields
    identity = fields.get("doc_id")
    if not isinstance(identity, str | int):
        raise row.error(f"{identity!r:.80} is not an id", "doc_id", expected="an integer")
    question = _lm_eval_question(row, question_needed)
    resps = fields.get("resps")
    if isinstance(resps, list) and len(resps) == 1 and isinstance(resps[0], list):
        resps = resps[0]  # one request with its repeats
    if not isinstance(resps, list) or not resps or not all(isinstance(text, str) for text in resps):
        raise row.error(
            "resps holds no completions",
            "resps",
            expected='the log of a generation task: "resps": [["a text", ...]]',
            hint="choose the sample log of a task that generates, such as gsm8k",
        )
    rest = without(fields, "doc_id", "doc", "arguments", "resps", "filtered_resps")
    several = len(resps) > 1
    return [RawResponse(identity, question, text, n if several else None, rest) for n, text in enumerate(resps)]


def _lm_eval_question(row: Row, needed: bool) -> str:
    """Of the document, or of the prompt that was sent."""
    doc = row.fields.get("doc")
    doc = doc if isinstance(doc, dict) else {}
    field = next((name for name in ("question", "problem", "query") if name in doc), None)
    if field is None:
        sent = row.fields.get("arguments")
        sent = sent.get("gen_args_0") if isinstance(sent, dict) else None
        prompt = sent.get("arg_0") if isinstance(sent, dict) else None
        if doc and isinstance(prompt, str) and prompt.strip():
            return question_of(prompt)
    return Row(row.file, row.line, doc).text(field or "question") if needed or field else ""


def _column_gold(row: Row, style: Style, source: str) -> Row:
    fields = dict(row.fields)
    prompt = next((name for name in columns.QUESTIONS if name in fields), "")
    if prompt and isinstance(fields[prompt], str):
        fields["question"] = question_of(row.text(prompt))
    answer = fields.get(source)
    if source == "solution" and style != "gsm8k" and isinstance(answer, str):
        answer = answers.extract(answer, style)
        if answer is None:
            raise row.error("the solution states no answer", source, hint="add the field answer")
    if source == "gold":
        fields.pop("solution", None)
    return Row(row.file, row.line, {**fields, "answer": answer})


def _lm_eval_gold(row: Row, style: Style) -> Row:
    doc = row.fields.get("doc")
    doc = doc if isinstance(doc, dict) else {}
    target = row.fields.get("target")
    question = next((doc[name] for name in ("question", "problem", "query") if name in doc), None)
    answer = doc.get("answer") if target is None else target
    groups = {name: doc[name] for name in ("level", "subject") if name in doc}
    return Row(row.file, row.line, {"id": row.fields.get("doc_id"), "question": question, "answer": answer, **groups})


def _inspect_gold(row: Row, style: Style) -> Row:
    target, details = row.fields.get("target"), row.fields.get("metadata")
    if isinstance(target, list) and len(target) == 1:
        target = target[0]
    details = details if isinstance(details, dict) else {}
    groups = {name: details[name] for name in ("level", "subject") if name in details}
    asked = row.fields.get("input")
    question = chats.text_of(row, "input", "user") if chats.has_text(asked) else None
    return Row(row.file, row.line, {"id": row.fields.get("id"), "question": question, "answer": target, **groups})


_KNOWN: dict[Name, str] = {
    "w2s": '{"id", "question", "response"}',
    "gair": '{"id", "prompt", "response"}, {"id", "content", "output"}, {"id", "instruction", "output"}',
    "trl": '{"prompt", "completion"}',
    "lm-eval": '{"doc_id", "doc", "resps"} (--log_samples)',
    "chat": '{"messages"} or {"conversations"}',
    "batch": '{"custom_id", "response": {"body"}} (OpenAI, vLLM)',
    "inspect": '{"id", "epoch", "input", "target", "output"} (inspect_ai)',
    "columns": f"a column {', '.join(columns.RESPONSES)}",
}
_LAYOUTS: dict[Name, Layout] = {
    "w2s": Layout("w2s", _w2s, several=False),
    "gair": Layout("gair", lambda row, needed: _columns(row, needed, "prompt")),
    "trl": Layout("trl", chats.trl),
    "lm-eval": Layout("lm-eval", _lm_eval, own_ids=True),
    "chat": Layout("chat", chats.chat),
    "batch": Layout("batch", chats.batch, own_ids=True),
    "inspect": Layout("inspect", chats.inspect, own_ids=True),
    "columns": Layout("columns", _columns),
}
