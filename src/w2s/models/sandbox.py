"""Jinja's sandbox with limits of time and memory, for chat templates (ours).

Each loop step, call, filter, comparison and output costs what it reads and makes, from one budget per rendering.
A new filter or method needs its own price, paid before it makes much from little.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import nodes, pass_context
from jinja2.environment import Template
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from w2s.models import rendering_budget as budget

LARGEST = 200_000
"""Characters of a template."""

BITS = 4096
"""Of a whole number."""

METHODS = frozenset((
    "capitalize", "casefold", "count", "endswith", "find", "format", "index", "isalnum", "isalpha", "isdigit",
    "islower", "isnumeric", "isspace", "istitle", "isupper", "join", "lower", "lstrip", "partition", "removeprefix",
    "removesuffix", "replace", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "splitlines",
    "startswith", "strip", "swapcase", "title", "upper",
))  # fmt: skip
"""Methods of texts."""

FILTERS = frozenset((
    "abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "forceescape",
    "indent", "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject",
    "rejectattr", "replace", "reverse", "safe", "select", "selectattr", "sort", "string", "title", "trim", "unique",
    "upper",
))  # fmt: skip

FREE = frozenset((
    "boolean", "callable", "count", "d", "default", "defined", "even", "false", "first", "float", "integer",
    "items", "last", "length", "list", "map", "mapping", "none", "number", "odd", "reject", "rejectattr", "reverse",
    "sameas", "select", "selectattr", "sequence", "true", "undefined", "iterable",
))  # fmt: skip
"""They read no texts."""

_PARAMETERS = {
    "join": ("eval_ctx", "value", "d"),
    "replace": ("eval_ctx", "s", "old", "new"),
    "indent": ("s", "width"),
}
_SPECIFIED = re.compile(r"\{[^{}]*[:!.\[{]")
"""A field with more than a name."""


def render(template: Template, size: int, values: Mapping[str, Any]) -> str:
    """Render a template; `size`: characters of the messages.

    Raises:
        LimitError: it exceeds its budget.
    """
    with budget.of(size):
        return template.render(values)


class Environment(ImmutableSandboxedEnvironment):
    """Jinja's environment as in transformers, with limits."""

    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,  # nothing is computed while compiling
            finalize=_output,
            extensions=[_Generation, "jinja2.ext.loopcontrols"],
        )
        del self.globals["lipsum"]
        self.globals.update(functions)
        self.filters = {name: _paid(self.filters[name], name) for name in FILTERS}
        self.filters |= {"tojson": _to_json, "_items": budget.items, "_sized": budget.sized}
        self.tests = {name: _paid(test, name) for name, test in self.tests.items()}

    def from_string(self, source: Any, *args: Any, **kwargs: Any) -> Template:
        if len(source) > LARGEST:
            raise budget.LimitError(f"it has more than {LARGEST:,} characters")
        return super().from_string(source, *args, **kwargs)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Paying().visit(super()._parse(source, name, filename))
        return tree

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, (int, float, complex, bytes)) or (isinstance(obj, str) and attr not in METHODS):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None
        text: str = value.__self__

        def bounded(*args: Any, **kwargs: Any) -> str:
            if _SPECIFIED.search(text):
                raise SecurityError("str.format with more than names and numbers in braces")
            budget.spend(text.count("{") * (budget.size(args) + budget.size(kwargs)))
            return wrapped(*args, **kwargs)

        return bounded

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(argument, tuple):  # hashed, and its parts may be shared
            budget.size(argument)
        return super().getitem(obj, argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        budget.spend(1)
        if operator == "*":
            for many, number in ((left, right), (right, left)):
                if isinstance(many, (str, list, tuple)) and isinstance(number, int):
                    budget.spend(len(many) * max(0, number))
        if isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * max(0, right) if operator == "**" else left.bit_length() + right.bit_length()
            if bits > BITS:
                raise budget.LimitError(f"a number of more than {BITS} bits")
        if operator == "%" and isinstance(left, str):
            if "%" in re.sub(r"%[%sd]", "", left):
                raise SecurityError("a format with more than %s and %d")
            budget.spend(left.count("%") * budget.size(right))
        return budget.made(super().call_binop(context, operator, left, right))

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        budget.spend(1 + budget.length(owner))
        if isinstance(obj, LoopContext):
            args = tuple(budget.items(arg) for arg in args)
        elif isinstance(owner, str) and name == "join" and args:
            args = ([*budget.items(args[0])], *args[1:])
            budget.spend(len(args[0]) * len(owner))
        elif isinstance(owner, str) and name == "replace" and len(args) > 1:
            budget.spend(owner.count(args[0]) * len(args[1]))
        budget.size(args)
        budget.size(kwargs)
        return budget.made(super().call(context, obj, *args, **kwargs))


@pass_context
def _output(context: Context, value: Any) -> Any:
    return budget.sized(value)


def _paid(function: Any, name: str) -> Callable[..., Any]:
    """A filter or test with its price."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        budget.spend(1)
        if name == "join":
            args = (args[0], [*budget.items(args[1])], *args[2:])
        named = dict(zip(_PARAMETERS.get(name, ()), args, strict=False)) | kwargs
        if name == "join":
            budget.spend(len(named["value"]) * budget.size(named.get("d", "")))
        elif name == "replace":
            text, old, new = (str(budget.sized(named.get(key, ""))) for key in ("s", "old", "new"))
            budget.spend(text.count(old) * len(new))
        elif name == "indent":
            width, lines = named.get("width", 4), len(str(budget.sized(named["s"])).splitlines()) + 1
            budget.spend(lines * (max(0, width) if isinstance(width, int) else budget.size(width)))
        for value in (*args, *kwargs.values()):
            budget.spend(budget.length(value)) if name in FREE else budget.size(value)
        return budget.made(function(*args, **kwargs))

    return call


def _to_json(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """Without HTML escapes, as in transformers."""
    budget.size(value)
    if isinstance(indent, int) and indent > 16:
        raise SecurityError("an indent of more than 16")
    for text in (indent, *(separators or ())):
        if isinstance(text, str) and len(text) > 16:
            raise SecurityError("an indent or separator of more than 16 characters")
    encoder = json.JSONEncoder(ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    chunks = []
    for chunk in encoder.iterencode(value):
        budget.spend(len(chunk))
        chunks.append(chunk)
    return "".join(chunks)


class _Paying(NodeTransformer):
    """Leads loops, comparisons and slices through paid filters."""

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:
        return nodes.Const(node.data, lineno=node.lineno, environment=node.environment)

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = _through("_items", node.iter)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        node.nodes = [_through("_sized", part) for part in node.nodes]
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = _through("_sized", node.expr)
        for operand in node.ops:
            operand.expr = _through("_sized", operand.expr)
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:
        self.generic_visit(node)
        node.key = _through("_sized", node.key)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        return _through("_sized", node) if isinstance(node.arg, nodes.Slice) else node


def _through(name: str, node: Any) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno, environment=node.environment)


class _Generation(Extension):
    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True)).set_lineno(line)
