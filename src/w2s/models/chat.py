"""A model's chat template as a prompt builder (ours). Needs neither torch nor transformers.

A template is foreign code: it runs in `w2s.models.sandbox`.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from jinja2 import Template, TemplateError

from w2s.config.schema import Prompt
from w2s.data import disk
from w2s.errors import UserError, first_line, one_of
from w2s.models import files, sandbox
from w2s.models.kinds import Served, ServedChat
from w2s.models.model import Model
from w2s.prompting import PLAIN, Builder, Demonstration, digest

TODAY = datetime(2024, 7, 26)
"""For templates, fixed so that prompts stay the same."""

CONFIG, TEMPLATE, TOKENS = "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json"
"""Of a hub model only these are fetched."""

_QUESTION, _ANSWER = "What is asked?", "This is said."
_THINKING = re.compile(r"\s*[<\[][^<>\[\]\s]*(?:think|reason|thought)[^<>\[\]\s]*[>\]]\s*", re.IGNORECASE)
"""An opening that only prompts end with."""


@dataclass(frozen=True)
class Chat:
    """The builder of one chat template; `load` makes it.

    Args:
        template: Jinja text.
        tokens: by name; "eos_token" is required.
        source: for messages.

    Raises:
        UserError: no EOS, or the template fails, drops answers, or changes prompts.
    """

    template: str
    tokens: Mapping[str, str]
    source: str = field(default="the model", compare=False)

    def __post_init__(self) -> None:
        if not self.tokens.get("eos_token"):
            raise UserError(
                "has no eos_token, so the end of an answer is unknown",
                file=self.source,
                field="eos_token",
                hint=f"set it in the model folder's {CONFIG}",
            )
        if _ANSWER not in self._after(_ANSWER):
            raise self._unusable("leaves out the assistant's message", "a template that shows every message")

    @property
    def hash(self) -> str:
        named = {name: text for name, text in self.tokens.items() if name in self.template or name == "eos_token"}
        return digest("chat", self.template, named, TODAY.isoformat())

    def prompt(self, question: str, demonstrations: Sequence[Demonstration] = ()) -> str:
        """Up to the answer; demonstrations are earlier turns."""
        return self._render(_turns(question, demonstrations), answering=True)

    def completion(self, response: str) -> str:
        """The templated answer without EOS, always with its thinking."""
        rest, text = self._after(response), response.strip()
        return rest if text in rest else self._after(_ANSWER).replace(_ANSWER, text)

    def stop(self, demonstrated: bool) -> tuple[str, ...]:
        """The end-of-turn mark, if not EOS."""
        return tuple(self._after(_ANSWER).rpartition(_ANSWER)[2].split()[:1])

    def _after(self, response: str) -> str:
        """The text after a prompt (and its `<think>`), without EOS."""
        question = [_turn("user", _QUESTION)]
        prompt = self._render(question, answering=True)
        whole = self._render([*question, _turn("assistant", response)], answering=False)
        if not whole.startswith(prompt):
            tried = self._render([*question, _turn("assistant", _ANSWER)], answering=False)
            stem = os.path.commonprefix((prompt, tried))  # noqa: RUF071 - of texts, not of paths
            if _THINKING.fullmatch(prompt, len(stem)):
                prompt = stem
        if not whole.startswith(prompt):
            raise self._unusable(
                "changes a prompt when its answer follows, so a model would be trained on other prompts than it "
                "is asked with",
                f"a conversation that starts with its prompt, {prompt[-80:]!r} at its end",
            )
        return whole[len(prompt) :].rstrip().removesuffix(self.tokens["eos_token"]).rstrip()

    def _render(self, messages: Sequence[Mapping[str, str]], answering: bool) -> str:
        try:
            return sandbox.render(
                _compiled(self.template),
                sum(len(message["content"]) for message in messages),
                {
                    **self.tokens,
                    "messages": messages,
                    "tools": None,
                    "documents": None,
                    "add_generation_prompt": answering,
                },
            )
        except Exception as error:  # foreign code
            reason = first_line(error)
            raise self._unusable(f"fails ({type(error).__name__}: {reason:.300})") from error

    def _unusable(self, problem: str, expected: str | None = None) -> UserError:
        return UserError(
            f"its chat template {problem}",
            file=self.source,
            field="prompt",
            expected=expected,
            hint=f"use prompt=plain, or correct the template in {TEMPLATE} or {CONFIG}",
        )


@dataclass(frozen=True, slots=True)
class Turns:
    """The builder for chat servers: turns as JSON."""

    @property
    def hash(self) -> str:
        return digest("turns", self.prompt("?"), self.completion("!"))

    def prompt(self, question: str, demonstrations: Sequence[Demonstration] = ()) -> str:
        return json.dumps(_turns(question, demonstrations), ensure_ascii=False)

    def completion(self, response: str) -> str:
        return response.strip()

    def stop(self, demonstrated: bool) -> tuple[str, ...]:
        return ()


TURNS = Turns()


def turns(prompt: str) -> list[dict[str, str]]:
    """The turns of a prompt of `Turns`.

    Raises:
        ValueError: other text, or an empty question.
    """
    read = json.loads(prompt)
    match read:
        case [*_, {"role": "user", "content": str(question)}] if question:
            if all(isinstance(turn, dict) and turn.keys() == {"role", "content"} for turn in read):
                return read
    raise ValueError("no chat turns")


def builder(prompt: Prompt, model: Model) -> Builder:
    """The builder of a prompt format; for chat servers `Turns`.

    Raises:
        UserError: as `load`.
    """
    one_of("prompt", prompt, get_args(Prompt), "prompt")
    if isinstance(model.kind, ServedChat):
        return TURNS
    return PLAIN if prompt == "plain" else load(model)


def load(model: Model) -> Chat:
    """The chat template of a model. Fetches only small files.

    Raises:
        UserError: no model, or no usable template.
    """
    if isinstance(model.kind, Served):
        raise UserError(
            f"{str(model)!r} has no chat template here",
            field="prompt",
            expected="plain, for a model on a server or a script",
            hint="use prompt=plain, another engine with the model's folder, or openai-chat:NAME for a chat server",
        )
    pinned = model.pinned()  # all files from one commit
    config = _object(pinned.file(CONFIG))
    file = pinned.file(TEMPLATE)
    template = _default(config.get("chat_template")) if file is None else _text(file)
    if not template:
        raise UserError(
            f"{model} has no chat template: it is a base model, or its template was not saved with it",
            field="prompt",
            expected=f"{TEMPLATE}, or chat_template in {CONFIG}",
            hint="use prompt=plain (weak_prompt=plain for the weak model), or take the instruct model",
        )
    named = _object(pinned.file(TOKENS)) | {k: v for k, v in config.items() if v is not None}
    tokens = {name: _token(value) for name, value in named.items() if name.endswith("_token")}
    return Chat(template, {name: text for name, text in tokens.items() if text}, str(model))


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content.strip()}


def _turns(question: str, demonstrations: Sequence[Demonstration]) -> list[dict[str, str]]:
    shots = [turn for d in demonstrations for turn in (_turn("user", d.question), _turn("assistant", d.response))]
    return [*shots, _turn("user", question)]


def _default(template: Any) -> str | None:
    if isinstance(template, list):
        template = {each.get("name"): each.get("template") for each in template if isinstance(each, dict)}
    if isinstance(template, dict):
        template = template.get("default")
    return template if isinstance(template, str) else None


def _token(value: Any) -> str | None:
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else None


def _text(file: Path) -> str:
    try:
        return disk.read(file).decode()
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", file=file) from error
    except ValueError as error:
        raise UserError("is not UTF-8 text", file=file) from error


def _object(file: Path | None) -> dict[str, Any]:
    return {} if file is None else files.read_json(file)


@functools.lru_cache(maxsize=8)
def _compiled(template: str) -> Template:
    """As transformers (utils/chat_template_utils.py), with our limits."""
    return sandbox.Environment({"raise_exception": _raise, "strftime_now": TODAY.strftime}).from_string(template)


def _raise(message: str) -> None:
    raise TemplateError(message)
