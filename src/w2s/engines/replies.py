"""Text, end and token count of a server's reply. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from w2s.engines.retry import UnusableReply
from w2s.errors import UserError

STOPS = frozenset({None, "", "stop", "eos", "eos_token", "stop_sequence", "stop_token", "end_turn", "complete"})
"""Finish reasons of a whole completion, in any case (OpenAI, TGI, llama.cpp, gateways to other hosts)."""

BROKEN = frozenset({"abort", "error"})
"""Finish reasons of a failing server (vLLM, SGLang); sent again."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A completion; `end` "filter": cut by a content filter; `tokens` None: not counted."""

    text: str
    end: Literal["stop", "length", "filter"]
    tokens: int | None


def read(body: Any, model: str, chat: bool, clean: Callable[[str], str] = str) -> Reply:
    """The completion in a reply's JSON; `clean` makes its words printable.

    Raises:
        UnusableReply: no text, or not one choice of index 0.
        UserError: another model answered, or the finish reason is unknown.
    """
    if not isinstance(body, dict):
        raise UnusableReply("no object")
    _check_model(body.get("model"), model, clean)
    choice = _first(body.get("choices"), "message.content" if chat else "text")
    text = _content(choice.get("message")) if chat else choice.get("text")
    if not isinstance(text, str):
        raise UnusableReply("no choices[0]." + ("message.content" if chat else "text"))
    tokens = usage.get("completion_tokens") if isinstance(usage := body.get("usage"), dict) else None
    counted = isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0
    text = text.encode(errors="replace").decode()  # JSON can hold half a surrogate pair, files cannot
    return Reply(text, _end(choice.get("finish_reason"), clean), tokens if counted else None)


def _first(choices: Any, content: str) -> dict[str, Any]:
    """Choice of index 0, or one without index."""
    rows = [row for row in choices if isinstance(row, dict)] if isinstance(choices, list) else []
    if not rows:
        raise UnusableReply(f"no choices[0].{content}")
    if len(rows) == 1 and rows[0].get("index") is None:
        return rows[0]
    first = [row for row in rows if type(row.get("index")) is int and row["index"] == 0]
    if len(first) != 1:
        raise UnusableReply(f"{len(first)} choices of index 0")
    return first[0]


def _content(message: Any) -> Any:
    """Text, or its parts; null is empty."""
    if not isinstance(message, dict) or "content" not in message:
        return None
    content = message["content"]
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "".join(part for part in parts if isinstance(part, str))
    return "" if content is None else content


def _end(reason: Any, clean: Callable[[str], str]) -> Literal["stop", "length", "filter"]:
    if reason == "length":
        return "length"
    if reason == "content_filter":
        return "filter"
    if reason is None or (isinstance(reason, str) and reason.casefold() in STOPS):
        return "stop"
    if isinstance(reason, str) and reason in BROKEN:
        raise UnusableReply(f"finish_reason {reason!r}")
    raise UserError(
        f"the server ended a completion with finish_reason {clean(str(reason))[:40]!r}",
        field="runtime.server",
        expected=f"length, content_filter, null, or a stop ({', '.join(sorted(filter(None, STOPS)))})",
        hint="use a server or model that answers in text alone, without tools",
    )


def _check_model(name: Any, model: str, clean: Callable[[str], str]) -> None:
    """Refuse another model; no name or a path passes."""
    if not isinstance(name, str) or not name.strip() or name == model:
        return
    path = re.match(r"[/~.]|[A-Za-z]:[\\/]", name) or name.casefold().endswith((".gguf", ".safetensors", ".bin"))
    if path or _last(name) == _last(model):
        return
    raise UserError(
        f"the server answered with the model {clean(name)[:100]!r}, not with {model!r}",
        field="model",
        expected="a reply of the model that was requested",
        hint="an alias that moves is no identity: give the name of the model that answers, if it is the right one",
    )


def _last(name: str) -> str:
    return name.rpartition("/")[2].casefold()
