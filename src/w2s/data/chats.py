"""Layouts of chats and of servers: messages, TRL's rows, batch output, inspect_ai's samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.data.responses import RawResponse, question_of, without
from w2s.data.rows import Row

_ROLES = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bing": "assistant"}
"""ShareGPT's names."""
_CUT = ("length", "max_tokens", "model_length")
_OWN = ("id", "question", "response", "sample")


def text_of(row: Row, field: str, role: str) -> str:
    """The text of a field, or of the last message of `role` in it."""
    value = row.fields.get(field)
    if not isinstance(value, list):
        return row.text(field, may_be_empty=role == "assistant")
    for message in reversed(value):
        if isinstance(message, dict) and message.get("role") == role:
            return content(row, message, field, role)
    raise row.error(f"{field} has no message of the {role}", field, expected=f'[{{"role": "{role}", "content": ...}}]')


def content(row: Row, message: Mapping[str, Any], field: str, role: str) -> str:
    """The text of a message: a string, or the texts of its parts; "" if an assistant has said nothing."""
    value = message.get("content")
    if isinstance(value, list):
        texts = [part.get("text") for part in value if isinstance(part, dict) and _is_text(part)]
        if texts and len(texts) == len([part for part in value if not _is_reasoning(part)]):
            value = "".join(texts)  # type: ignore[arg-type]
    if value is None and role == "assistant":
        return ""  # a refusal or a call of a tool
    if not isinstance(value, str):
        raise row.error(f"the {role}'s message has no text", field, expected='{"role", "content": "a text"}')
    return value


def trl(row: Row, question_needed: bool) -> tuple[RawResponse]:
    """{"prompt", "completion"}: texts or messages."""
    fields = row.fields
    if "completion" not in fields and {"chosen", "rejected"} <= fields.keys():
        raise row.error(
            "the row is a preference pair and not a response",
            "chosen",
            expected='rows of {"prompt", "completion"}',
            hint='write each response into a row of its own: {"id", "question", "response"}',
        )
    row.identity()
    prompt = text_of(row, "prompt", "user") if question_needed or "prompt" in fields else ""
    rest = without(fields, *_OWN, "prompt", "completion")
    sample = row.count("sample", 0) if "sample" in fields else None
    response = text_of(row, "completion", "assistant")
    return (RawResponse(fields["id"], question_of(prompt), response, sample, rest, row.cut),)


def chat(row: Row, question_needed: bool) -> tuple[RawResponse]:
    """{"messages": [...]}, or ShareGPT's "conversations": the last answer, and the question before it."""
    row.identity()
    field = "messages" if "messages" in row.fields else "conversations"
    messages = _messages(row, field)
    if not messages or messages[-1][0] != "assistant":
        raise row.error(
            f"{field} does not end in an answer",
            field,
            expected='[{"role": "user", "content": ...}, {"role": "assistant", "content": ...}]',
        )
    asked = next((message for role, message in reversed(messages) if role == "user"), None)
    if asked is None and question_needed:
        raise row.error(
            f"{field} has no message of the user", field, expected='[{"role": "user", "content": ...}, ...]'
        )
    question = "" if asked is None else question_of(content(row, asked, field, "user"))
    answer = content(row, messages[-1][1], field, "assistant")
    sample = row.count("sample", 0) if "sample" in row.fields else None
    return (RawResponse(row.fields["id"], question, answer, sample, without(row.fields, *_OWN, field), row.cut),)


def batch(row: Row, question_needed: bool) -> list[RawResponse]:
    """The output of OpenAI's Batch API and of vLLM's run_batch, which have no questions."""
    fields = row.fields
    named = Row(row.file, row.line, {"id": fields.get("custom_id")})
    if not isinstance(named.fields["id"], str) or not named.fields["id"].strip():
        raise row.error(f"{fields.get('custom_id')!r:.80} is not an id", "custom_id", expected="a string")
    named.check_unicode("id")
    answer = fields.get("response")
    status = answer.get("status_code", 200) if isinstance(answer, dict) else None
    if fields.get("error") or status != 200:
        reason = fields.get("error") or (answer.get("body") if isinstance(answer, dict) else answer)
        raise row.error(
            f"the request {named.fields['id']!r:.80} failed ({reason!r:.200})",
            "error",
            expected="a response with status 200",
            hint="send the request again; or delete the row, and leave its question out with --only-shared",
        )
    assert isinstance(answer, dict)
    body = answer.get("body", answer)  # vLLM's early versions had no "body"
    found = _choices(body) if isinstance(body, dict) else None
    if not found or not all(isinstance(text, str) for text, _ in found):
        raise row.error(
            "the response holds no completions",
            "response",
            expected='"body": {"choices": [{"message": {"content": "a text"}}]}, or {"text": "a text"} as choice',
            hint="give the output of /v1/chat/completions, /v1/completions or /v1/responses",
        )
    several = len(found) > 1
    rest = without(fields, *_OWN, "custom_id", "error")
    identity = named.fields["id"]
    return [RawResponse(identity, "", text, n if several else None, rest, cut) for n, (text, cut) in enumerate(found)]


def inspect(row: Row, question_needed: bool) -> list[RawResponse]:
    """A sample of inspect_ai: an epoch is a sample of ours."""
    row.identity()
    fields = row.fields
    asked = fields.get("input")
    attached = fields.get("attachments") if isinstance(fields.get("attachments"), dict) else {}
    assert isinstance(attached, dict)
    question = text_of(row, "input", "user") if question_needed or has_text(asked) else ""
    output = fields.get("output")
    choices = output.get("choices") if isinstance(output, dict) else None
    if not isinstance(choices, list) or not choices:
        reason = fields.get("error")
        reason = reason.get("message") if isinstance(reason, dict) else reason
        raise row.error(
            f"sample {row.identity()!r:.80} has no output" + (f" ({reason!r:.200})" if reason else ""),
            "output",
            expected='{"choices": [{"message": {"content": ...}}]}',
            hint="run it again (inspect eval-retry); or delete it, and leave its question out with --only-shared",
        )
    first = row.count("epoch", 1)
    texts = []
    for choice in choices:
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            raise row.error("a choice has no message", "output", expected='{"message": {"content": ...}}')
        text = content(row, message, "output", "assistant")
        texts.append((str(attached.get(text.removeprefix("attachment://"), text)), choice.get("stop_reason") in _CUT))
    question = str(attached.get(question.removeprefix("attachment://"), question))
    begin = max(first - 1, 0) * len(texts)
    rest = {name: fields[name] for name in ("target", "scores", "metadata") if name in fields}
    return [
        RawResponse(fields["id"], question_of(question), text, begin + n, rest, cut)
        for n, (text, cut) in enumerate(texts)
    ]


def _choices(body: Mapping[str, Any]) -> list[tuple[Any, bool]] | None:
    """(text, whether it was cut) of each choice, in the order of their indexes."""
    if isinstance(body.get("output"), list):  # /v1/responses
        messages = [each for each in body["output"] if isinstance(each, dict) and each.get("type") == "message"]
        parts = [part for each in messages for part in each.get("content") or () if isinstance(part, dict)]
        texts = [part.get("text") for part in parts if part.get("type") == "output_text"]
        if not all(isinstance(text, str) for text in texts):
            return None
        return [("".join(map(str, texts)), body.get("status") == "incomplete")]
    choices = body.get("choices")
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        return None
    found = []
    for choice in choices:
        message = choice.get("message")
        text = message.get("content") if isinstance(message, dict) else choice.get("text")
        if text is None and isinstance(message, dict):
            text = ""  # a refusal or a call of a tool: no answer
        index = choice.get("index")
        found.append((index if isinstance(index, int) else 0, text, choice.get("finish_reason") in _CUT))
    return [(text, cut) for _, text, cut in sorted(found, key=lambda each: each[0])]


def _messages(row: Row, field: str) -> list[tuple[str, Mapping[str, Any]]]:
    """(role, message) of each; ShareGPT's names become the usual ones."""
    value = row.fields.get(field)
    if not isinstance(value, list) or not all(isinstance(message, dict) for message in value):
        raise row.error(f"{field} is not a list of messages", field, expected='[{"role", "content"}, ...]')
    messages: list[tuple[str, Mapping[str, Any]]] = []
    for message in value:
        role = message.get("role", message.get("from"))
        text = message.get("content", message.get("value"))
        messages.append((_ROLES.get(str(role), str(role)), {"content": text}))
    return messages


def has_text(asked: object) -> bool:
    """Whether a question is text, and not an image with text, which may be left out where nothing needs it."""
    if isinstance(asked, str):
        return bool(asked.strip())
    messages = asked if isinstance(asked, list) else []
    last = next((each for each in reversed(messages) if isinstance(each, dict) and each.get("role") == "user"), {})
    parts = last["content"] if isinstance(last.get("content"), list) else [last.get("content")]
    return all(isinstance(part, str) or (isinstance(part, dict) and _is_text(part)) for part in parts)


def _is_text(part: Mapping[str, Any]) -> bool:
    return part.get("type", "text") in ("text", "output_text") and isinstance(part.get("text"), str)


def _is_reasoning(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") in ("reasoning", "thinking")
