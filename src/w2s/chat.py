"""A model's own chat template as a prompt builder, for instruct models. Imports neither torch nor transformers.

The question is the user's message, and demonstrations are turns before it. The template is read from the tokenizer's
files and rendered as transformers renders it. It is a program of somebody else's: it runs in Jinja's sandbox, and
whatever it raises becomes one UserError. Source: ours; the paper prompts base models.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from w2s import models
from w2s.config import Prompt
from w2s.errors import UserError
from w2s.prompting import PLAIN, Builder, Demonstration, digest

TODAY = datetime(2024, 7, 26)
"""The date that templates are told. The real one would give a step other prompts on another day; this is the one that
Llama's templates take where they are told none."""

CONFIG, TEMPLATE, TOKENS = "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json"
"""The files of a model that are read; of a hub model nothing else is fetched."""

_ASKED, _SAID = "What is asked?", "This is said."
"""A question and an answer by which a template is tried."""


@dataclass(frozen=True)
class Chat:
    """The builder of one chat template. Use `load`.

    Args:
        template: Jinja text.
        tokens: the special tokens it may name, as "bos_token" -> text; "eos_token" must be there.
        source: where it was read, for messages.

    Raises:
        UserError: there is no EOS, the template fails, loses the answer, or does not keep the prompt as it is when an
            answer follows.
    """

    template: str
    tokens: Mapping[str, str]
    source: str = field(default="the model", compare=False)

    def __post_init__(self) -> None:
        """Try the template before any compute is spent."""
        if not self.tokens.get("eos_token"):
            raise UserError(
                "names no eos_token, so nobody can say where an answer ends",
                file=self.source,
                field="eos_token",
                mend=f"set it in the model folder's {CONFIG}",
            )
        if _SAID not in self._after(_SAID):
            raise self._unusable("leaves out what the assistant says", "a template that shows every message")

    @property
    def hash(self) -> str:
        """Of the template, the special tokens that it names, and the date."""
        named = {name: text for name, text in self.tokens.items() if name in self.template or name == "eos_token"}
        return digest("chat", self.template, named, TODAY.isoformat())

    def prompt(self, question: str, demonstrations: Sequence[Demonstration] = ()) -> str:
        """The conversation up to where the assistant is to answer `question`; demonstrations are its earlier turns."""
        turns = [turn for d in demonstrations for turn in (_turn("user", d.question), _turn("assistant", d.response))]
        return self._render([*turns, _turn("user", question)], answering=True)

    def completion(self, response: str) -> str:
        """What the template puts after a prompt for an answer, with its mark for the end of a turn, if that isn't EOS.

        Where the template rewrites the answer (some drop what a model thought first) it stands as it was given: a model
        is to learn what was written.
        """
        rest, text = self._after(response), response.strip()
        return rest if text in rest else self._after(_SAID).replace(_SAID, text)

    def stop(self, demonstrated: bool) -> tuple[str, ...]:
        """The template's mark for the end of a turn, where that is not EOS; demonstrations end in it too."""
        return tuple(self._after(_SAID).rpartition(_SAID)[2].split()[:1])

    def _after(self, response: str) -> str:
        """What follows a prompt, without EOS and the white space around it."""
        asked = [_turn("user", _ASKED)]
        prompt = self._render(asked, answering=True)
        whole = self._render([*asked, _turn("assistant", response)], answering=False)
        if not whole.startswith(prompt):
            raise self._unusable(
                "writes a prompt otherwise once its answer follows, so a model would be trained on other texts than it "
                "is asked with",
                f"a conversation that starts with its prompt, {prompt[-80:]!r} at its end",
            )
        return whole[len(prompt) :].rstrip().removesuffix(self.tokens["eos_token"]).rstrip()

    def _render(self, messages: Sequence[Mapping[str, str]], answering: bool) -> str:
        try:
            return _compiled(self.template).render(
                self.tokens, messages=messages, tools=None, documents=None, add_generation_prompt=answering
            )
        except Exception as error:  # a program of somebody else's
            reason = next(iter(str(error).splitlines()), "no reason given")
            raise self._unusable(f"fails ({type(error).__name__}: {reason:.300})") from error

    def _unusable(self, problem: str, expected: str | None = None) -> UserError:
        return UserError(
            f"its chat template {problem}",
            file=self.source,
            field="prompt",
            expected=expected,
            mend=f"use prompt=plain, or mend the template in {TEMPLATE} or {CONFIG}",
        )


def builder(kind: Prompt, reference: str, offline: bool = False) -> Builder:
    """The builder of a format, for a model.

    Raises:
        UserError: as `load`, for "chat".
    """
    return PLAIN if kind == "plain" else load(reference, offline)


def load(reference: str, offline: bool = False) -> Chat:
    """The chat template of a model reference (see `models.resolve`). Of a hub model only small files are fetched.

    Raises:
        UserError: the model cannot be found, its files cannot be read, or it has no template or an unusable one.
    """
    if reference.startswith(("openai:", "scripted:")):
        raise UserError(
            f"{reference!r} has no chat template here",
            field="prompt",
            expected="plain, where the model is on a server or a script",
            mend="use prompt=plain, or another engine with the model's folder",
        )
    model = models.pinned(reference, offline)
    config = _object(models.file(model, CONFIG, offline))
    file = models.file(model, TEMPLATE, offline)
    template = _default(config.get("chat_template")) if file is None else _text(file)
    if not template:
        raise UserError(
            f"{reference} has no chat template: it is a base model, or its template was not saved with it",
            field="prompt",
            expected=f"{TEMPLATE}, or chat_template in {CONFIG}",
            mend="use prompt=plain (weak_prompt=plain for the weak model), or take the instruct model",
        )
    named = _object(models.file(model, TOKENS, offline)) | {k: v for k, v in config.items() if v is not None}
    tokens = {name: _token(value) for name, value in named.items() if name.endswith("_token")}
    return Chat(template, {name: text for name, text in tokens.items() if text}, reference)


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content.strip()}


def _default(given: Any) -> str | None:
    """The template of a configuration: a text, or the one called "default" of several."""
    if isinstance(given, list):
        given = {each.get("name"): each.get("template") for each in given if isinstance(each, dict)}
    if isinstance(given, dict):
        given = given.get("default")
    return given if isinstance(given, str) else None


def _token(value: Any) -> str | None:
    """A special token: a text, or an object with its text and how it is treated."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except ValueError as error:
        raise UserError("is not UTF-8 text", file=file) from error


def _object(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        read = json.loads(_text(file))
    except (ValueError, RecursionError) as error:
        raise UserError(f"is not valid JSON ({error})", file=file) from error
    if not isinstance(read, dict):
        raise UserError("is not a JSON object", file=file)
    return read


class _Generation(Extension):
    """`{% generation %}` marks the assistant's words for trainers that ask the template; here it marks nothing."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True)).set_lineno(line)


@functools.lru_cache(maxsize=8)
def _compiled(template: str) -> Template:
    """As transformers compiles it (utils/chat_template_utils.py), but for the date."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    functions: dict[str, Callable[..., Any]] = {"raise_exception": _raise, "strftime_now": TODAY.strftime}
    environment.globals.update(functions)
    return environment.from_string(template)


def _raise(message: str) -> None:
    raise TemplateError(message)


def _to_json(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
