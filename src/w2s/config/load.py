"""Recipe files: `extends`, overrides."""

from __future__ import annotations

import difflib
import logging
import re
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import BaseModel, ValidationError

from w2s.config.schema import RENAMED, Recipe, Run, Runtime
from w2s.errors import UserError

_log = logging.getLogger(__name__)
_FOLDER = Path(__file__).parent / "presets"
_Model = TypeVar("_Model", bound=BaseModel)
Places = dict[tuple[str, ...], tuple[str, int | None] | None]
"""Where fields were set: file and line from 1; None: command line; (): the file."""


def names() -> list[str]:
    """The shipped presets."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def describe(name: str) -> str:
    """A preset's first comment paragraph."""
    lines = _path(name).read_text(encoding="utf-8").splitlines()
    comment = []
    for line in lines:
        if not line.startswith("# "):  # "#" alone ends a paragraph
            break
        comment.append(line.lstrip("# ").rstrip())
    return " ".join(comment)


def text(name: str) -> str:
    """A preset's file as it is.

    Raises:
        UserError: no such preset.
    """
    if name not in names():
        raise UserError(f"no preset is called {name!r}{_meant(name, names())}", expected=f"one of {', '.join(names())}")
    return _path(name).read_text(encoding="utf-8")


def load(source: str, overrides: Sequence[str] = ()) -> Run:
    """The recipe of a preset or file, with `a.b=c` overrides (`c` in YAML).

    Raises:
        UserError: no such source, not YAML, unknown field, bad value.
    """
    return traced(source, overrides)[0]


def traced(source: str, overrides: Sequence[str] = ()) -> tuple[Run, Places]:
    """As `load`, with the place of each field."""
    path = _path(source)
    data, places = _read(path, ())
    places[()] = (str(path), None)
    change, changed = _overrides(overrides)
    _merge(data, change, (), places, changed)
    data.setdefault("name", path.stem)
    runtime = data.pop("runtime", None)
    recipe = _validate(Recipe, data, (), places)
    settings = _validate(Runtime, {} if runtime is None else runtime, ("runtime",), places)
    return Run(recipe=recipe, runtime=settings), places


def settings(model: type[_Model], overrides: Sequence[str]) -> tuple[_Model, Runtime]:
    """Settings of one training, and `runtime.*`, from overrides.

    Raises:
        UserError: unknown field, bad value.
    """
    data, places = _overrides(overrides)
    runtime = data.pop("runtime", {})
    return _validate(model, data, (), places), _validate(Runtime, runtime, ("runtime",), places)


def split_arguments(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The source (default: tiny) and the overrides.

    Raises:
        UserError: two sources.
    """
    sources = [argument for argument in arguments if "=" not in argument]
    if len(sources) > 1:
        raise UserError(
            f"{sources[1]!r} is one argument too many",
            expected="one preset or file, then overrides like training.epochs=2",
        )
    return (sources or ["tiny"])[0], [argument for argument in arguments if "=" in argument]


def dump(run: Run) -> str:
    """A recipe file with every field."""
    data = {**run.recipe.model_dump(mode="json"), "runtime": run.runtime.model_dump(mode="json")}
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def _path(source: str) -> Path:
    if source.endswith((".yaml", ".yml")) or "/" in source:
        path = Path(source)
        if not path.is_file():
            raise UserError("no such recipe file", file=source, hint="check the path; it is relative to where you are")
        return path
    if source not in names():
        raise UserError(
            f"no preset is called {source!r}{_meant(source, names())}",
            expected=f"one of {', '.join(names())}, or the path of a .yaml file",
        )
    return _FOLDER / f"{source}.yaml"


def _read(path: Path, parents: tuple[Path, ...]) -> tuple[dict[str, Any], Places]:
    """A file merged over what it extends."""
    if path.resolve() in parents:
        raise UserError("extends itself", file=path, field="extends")
    places: Places = {}
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        data = {} if node is None else _construct(loader, node, str(path), (), places)
        _rename(data, places)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise UserError(f"is not valid YAML ({error.problem})", file=path, line=line) from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"cannot be read as YAML ({error})", file=path) from error
    if not isinstance(data, dict):
        raise UserError("is not a mapping", file=path, line=1, expected="lines like `seed: 0`")
    base = data.pop("extends", None)
    if base is None:
        return data, places
    file, line = _place(("extends",), places)
    if not isinstance(base, str):
        raise UserError("must be one name or path", file=file, line=line, field="extends")
    is_file = base.endswith((".yaml", ".yml"))
    if not is_file and base not in names():
        raise UserError(
            f"no preset is called {base!r}{_meant(base, names())}",
            file=file,
            line=line,
            field="extends",
            expected=f"one of {', '.join(names())}, or the path of a .yaml file, relative to this one",
        )
    merged, merged_places = _read(
        _path(str(path.parent / base)) if is_file else _path(base), (*parents, path.resolve())
    )
    merged.pop("name", None)
    _merge(merged, data, (), merged_places, places)
    return merged, merged_places


def _construct(loader: yaml.SafeLoader, node: yaml.Node, file: str, at: tuple[str, ...], places: Places) -> Any:
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node, deep=True)
    data = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key in data:
            raise UserError("is written twice", file=file, line=line, field=".".join((*at, key)))
        places[(*at, key)] = (file, line)
        data[key] = _construct(loader, value_node, file, (*at, key), places)
    return data


def _overrides(overrides: Iterable[str]) -> tuple[dict[str, Any], Places]:
    data: dict[str, Any] = {}
    places: Places = {}
    for override in overrides:
        dotted, equals, text = override.partition("=")
        keys = tuple(dotted.split("."))
        if not equals or not all(keys):
            raise UserError(f"{override!r} is not an override", expected="field=value or field.sub=value")
        try:
            value = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a number of thousands of digits
            raise UserError(f"{text!r:.80} is not a YAML value", field=dotted, hint="quote it") from error
        for key in reversed(keys):
            value = {key: value}
        _merge(data, value, (), places, {keys[:length]: None for length in range(1, len(keys) + 1)})
    _rename(data, places)
    return data, places


def _rename(data: Any, places: Places) -> None:
    for (*at, old), new in RENAMED.items():
        inner = data
        for key in at:
            inner = inner.get(key) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and old in inner:
            before, after = ".".join((*at, old)), ".".join((*at, new))
            _log.warning("%s is now called %s; the next release will not know the old name", before, after)
            inner.setdefault(new, inner.pop(old))
            places[(*at, new)] = places.pop((*at, old), None)


def _merge(base: dict[str, Any], change: Mapping[str, Any], at: tuple[str, ...], places: Places, new: Places) -> None:
    """Another task replaces all of a task."""
    for key, value in change.items():
        here = (*at, key)
        old = base.get(key)
        other_task = here == ("task",) and isinstance(value, dict) and "name" in value
        if other_task and isinstance(old, dict) and old.get("name", value["name"]) != value["name"]:
            old = None
        if isinstance(old, dict) and isinstance(value, dict):
            _merge(old, value, here, places, new)
        else:
            base[key] = value
            for place in [place for place in places if place[: len(here)] == here]:
                del places[place]
            places.update({place: line for place, line in new.items() if place[: len(here)] == here})
        if here in new and not (new[here] is None and here in places):
            places[here] = new[here]


def _validate(model: type[_Model], data: Any, at: tuple[str, ...], places: Places) -> _Model:
    _refuse_unknown(model, data, at, places)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        details = error.errors()[0]
    path = [*at]
    value: Any = data
    for part in details["loc"]:
        if (isinstance(value, dict) and part in value) or isinstance(value, list):
            value = value[cast("int", part)]
        elif not details["type"].endswith("missing"):
            continue  # a part that is not in the data names a member of a union
        path.append(str(part))
    file, line = _place(path, places)
    problem = details["msg"].removeprefix("Value error, ")
    if details["type"] != "missing" and value is not data:
        choices = re.findall(r"'([^']*)'", problem) if details["type"] == "literal_error" else []
        problem = f"{problem}, not {value!r:.80}{_meant(str(value), choices)}"
    raise UserError(problem, file=file, line=line, field=".".join(path) or None)


def _refuse_unknown(model: type[BaseModel], data: Any, at: tuple[str, ...], places: Places) -> None:
    names = [*model.model_fields, *(("runtime",) if not at else ())]
    for key, value in data.items() if isinstance(data, dict) else ():
        here = (*at, key)
        file, line = _place(here, places)
        if key not in model.model_fields:
            raise UserError(
                f"unknown key{_meant(key, names)}",
                file=file,
                line=line,
                field=".".join(here),
                expected=f"one of {', '.join(names)}",
            )
        inner = {name: each for each in _models(model.model_fields[key].annotation) for name in _names(each)}
        if not isinstance(value, dict) or not inner:
            continue
        name = value.get("name") if len(inner) > 1 else next(iter(inner))
        if name not in inner:
            file, line = _place((*here, "name"), places)
            raise UserError(
                f"no {key} is called {name!r}{_meant(str(name), inner)}",
                file=file,
                line=line,
                field=".".join((*here, "name")),
                expected=f"one of {', '.join(inner)}",
            )
        _refuse_unknown(inner[name], value, here, places)


def _place(path: Sequence[str], places: Places) -> tuple[str | None, int | None]:
    for length in range(len(path), -1, -1):
        if tuple(path[:length]) in places:
            return places[tuple(path[:length])] or (None, None)
    return None, None


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models(inner)


def _names(model: type[BaseModel]) -> tuple[str, ...]:
    field = model.model_fields.get("name")
    return typing.get_args(field.annotation) if field else (model.__name__,)


def _meant(word: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(names), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""
