"""Settings in words."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel

from w2s.config import load, schema
from w2s.config.training import SimPO

_SECTIONS: dict[str, type[BaseModel]] = {
    "Top level": schema.Recipe,
    "`task`, with `name: arith`": schema.ArithTask,
    "`task`, with `name: gsm8k`, `math`, `olympicarena` or `jsonl`": schema.FilesTask,
    "`task`, with `name: word_problems`": schema.WordProblemsTask,
    "`few_shot`": schema.FewShot,
    "`training` and `weak_training`": schema.Training,
    "`training.lora`, `weak_training.lora` and `preference.lora`": schema.Lora,
    "`sampling`": schema.Sampling,
    "`selection`": schema.Selection,
    "`preference`": schema.Preference,
    "`preference.simpo`": SimPO,
    "`trl`": schema.Trl,
    "`evaluation`": schema.Evaluation,
    "`runtime`": schema.Runtime,
}
_HEAD = """# Settings

<!-- Written by `python scripts/settings.py` from the docstrings of w2s.config. Do not edit. -->

Every field of a recipe. A recipe file has the fields of the first table at its top, and `extends:` names a preset or a
file that it changes. On the command line a field is `key.sub=value`, with the value in YAML:

```
w2s run tiny training.epochs=3 training.lora.rank=8 "baselines=[weak_floor, strong_ceiling]"
```

`w2s presets NAME --all` prints every value of a preset and where it comes from. A docstring says which values are the
paper's (Yang, Ma, Liu 2024), those of its released code or data, or ours.

All fields but those of `runtime` decide what is computed: they are part of the identity of the steps that use them.
"""
_WORDS: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "true or false"}
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def markdown() -> str:
    """The page docs/settings.md."""
    return "\n".join([_HEAD, *(line for title, model in _SECTIONS.items() for line in _section(title, model))])


def preset(source: str) -> str:
    """A recipe file with every field's origin and meaning.

    Raises:
        UserError: as `load.load`.
    """
    run, places = load.traced(source)
    runtime = ["runtime:", *_values(run.runtime, ("runtime",), places)]
    return "\n".join([*_values(run.recipe, (), places), *runtime]) + "\n"


def first_sentence(docstring: str) -> str:
    """Without its full stop."""
    return re.split(r"\.(?: (?=[A-Z`])|$)", " ".join(docstring.split()), maxsplit=1)[0]


def _section(title: str, model: type[BaseModel]) -> Iterator[str]:
    base = next((each for each in _SECTIONS.values() if each is model.__base__), None)
    inherited = base.model_fields.keys() if base else ()
    yield from (f"## {title}", "", " ".join((model.__doc__ or "").split()), "")
    if base:
        yield from (f"It has the fields of {next(name for name in _SECTIONS if _SECTIONS[name] is base)} too.", "")
    yield from ("| field | type | default | |", "|---|---|---|---|")
    for name, field in model.model_fields.items():
        if name not in inherited:
            words = _type(field.annotation) + _bounds(field.metadata)
            text = " ".join((field.description or "").split()).replace("|", "\\|")
            yield f"| `{name}` | {words} | {_default(field)} | {text} |"
    yield ""


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if field.is_required():
        return "required"
    return "" if isinstance(value, BaseModel) else f"`{_yaml(value)}`"


def _type(annotation: Any) -> str:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(inner[0]) + _bounds(inner[1:])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in (typing.Union, types.UnionType):
        names = [_type(each) for each in inner if each is not type(None)]
        return " or ".join(dict.fromkeys(names)) + (" or null" if type(None) in inner else "")
    if origin is tuple:
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return "mapping of names to values"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return _WORDS[annotation]


def _bounds(metadata: typing.Iterable[Any]) -> str:
    limits = [inner for each in metadata for inner in (each, *getattr(each, "metadata", ()))]
    values = [(words, getattr(each, name, None)) for each in limits for name, words in _BOUNDS.items()]
    bounds = [f"{words} {_figure(value)}" for words, value in values if value is not None]
    return f" {' and '.join(bounds)}" if bounds else ""


def _values(model: BaseModel, at: tuple[str, ...], places: load.Places) -> Iterator[str]:
    indent = "  " * len(at)
    for name, field in type(model).model_fields.items():
        value, path = getattr(model, name), (*at, name)
        if isinstance(value, BaseModel):
            yield f"{indent}{name}:"
            yield from _values(value, path, places)
        else:
            origin, text = _origin(path, places), first_sentence(field.description or "")
            yield f"{indent}{name}: {_yaml(value)}  # {origin}. {text}"


def _origin(path: tuple[str, ...], places: load.Places) -> str:
    place = places.get(path)
    if place is None:
        return "default"
    file, line = Path(place[0]), place[1] or 1
    comment = file.read_text(encoding="utf-8").splitlines()[line - 1].partition(" # ")[2].strip()
    return f"{file.name}:{line}" + (f" ({comment})" if comment else "")


def _yaml(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    return (
        yaml.safe_dump(plain, default_flow_style=True, width=10_000, allow_unicode=True).removesuffix("...\n").strip()
    )


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
