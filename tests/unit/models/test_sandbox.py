"""Hostile templates end soon and small; each would take hours or gigabytes without the limits."""

from __future__ import annotations

import pytest

from w2s.errors import UserError
from w2s.models.chat import Chat
from w2s.models.rendering_budget import BUDGET
from w2s.models.sandbox import LARGEST

END = "{% for m in messages %}{{ m.content }}{% endfor %}"
GROW = "{% set ns = namespace(x='aaaaaaaaaa') %}{% for i in range(60) %}{% set ns.x = STEP %}{% endfor %}"
LIST = "{% set ns = namespace(x=['a']) %}{% for i in range(60) %}{% set ns.x = STEP %}{% endfor %}"

LOOPS = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% set xs = range(99999) | list %}{% for a in xs %}{% for b in xs %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{% for b in range(99999) if b > 99999 %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) recursive %}{{ loop(range(99999)) if loop.depth0 < 9 }}{% endfor %}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(90) }}",
    "{% set xs = range(99999) | list %}{% for a in xs %}{% if 'x' in xs %}{% endif %}{% endfor %}",
    "{% set xs = range(99999) | list %}{% for a in xs %}{% if xs is eq(xs) %}{% endif %}{% endfor %}",
    "{% set xs = range(99999) | list %}{% for a in xs %}{% set y = xs[1:] %}{% endfor %}",
    "{% set xs = range(99999) | list %}{% for a in xs %}{{ xs | length }}{{ xs | sort | first }}{% endfor %}",
    "{% set xs = range(99999) | list %}{% for a in xs %}{% set y = xs | map('string') | list %}{% endfor %}",
    "{% set xs = range(99999) | list %}{{ xs | select('in', xs) | list }}",
    "{% set ns = namespace(t=()) %}{% for i in range(90) %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}{{ {ns.t: 1} }}",
    "{% set ns = namespace(t=()) %}{% for i in range(90) %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}"
    "{% set d = dict() %}{{ d[ns.t] }}",
]
TEXTS = [
    "{{ 'a' * 8000000000 }}",
    "{{ 8000000000 * ['a'] }}",
    "{% for i in range(99999) %}" + "a" * 10_000 + "{% endfor %}",
    GROW.replace("STEP", "ns.x ~ ns.x"),
    GROW.replace("STEP", "ns.x + ns.x"),
    GROW.replace("STEP", "[ns.x, ns.x] | join"),
    GROW.replace("STEP", "''.join([ns.x, ns.x])"),
    GROW.replace("STEP", "ns.x.join(ns.x)"),
    GROW.replace("STEP", "ns.x | join(ns.x)"),
    GROW.replace("STEP", "ns.x | join(d=ns.x)"),
    GROW.replace("STEP", "ns.x.replace('a', ns.x)"),
    GROW.replace("STEP", "ns.x | replace('a', ns.x)"),
    GROW.replace("STEP", "ns.x | replace(old='a', new=ns.x)"),
    GROW.replace("STEP", "'{0}{0}'.format(ns.x)"),
    GROW.replace("STEP", "'%s%s' % (ns.x, ns.x)"),
    GROW.replace("STEP", "ns.x | tojson + ns.x | tojson"),
    GROW.replace("STEP", "ns.x | indent(ns.x, true)"),
    LIST.replace("STEP", "[ns.x, ns.x]") + "{{ ns.x }}",
    LIST.replace("STEP", "[ns.x, ns.x]") + "{{ ns }}",
    LIST.replace("STEP", "[ns.x, ns.x]") + "{{ ns.x | string | length }}",
    LIST.replace("STEP", "[ns.x, ns.x]") + "{{ (ns.x ~ '') | length }}",
    LIST.replace("STEP", "[ns.x, ns.x]") + "{{ ns.x | tojson | length }}",
    LIST.replace("STEP", "[ns.x, ns.x]") + "{{ dict(a=ns.x).values() }}",
    LIST.replace("STEP", "ns.x + ns.x"),
    "{{ 'a\n' | indent(8000000000, true) }}",
    "{{ 9 ** (9 ** 9) }}",
    "{% set ns = namespace(x=9) %}{% for i in range(60) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
]
LEFT_OUT = [
    ("{{ 'a' | center(8000000000) }}", "No filter named 'center'"),
    ("{{ 'a'.center(8000000000) }}", "'center' of 'str' object is unsafe"),
    ("{{ 'a'.ljust(8000000000) }}", "'ljust' of 'str' object is unsafe"),
    ("{{ 'a'.encode().center(8000000000) }}", "'encode' of 'str' object is unsafe"),
    ("{{ (1).to_bytes(8000000000, 'big') }}", "'to_bytes' of 'int' object is unsafe"),
    ("{{ '%8000000000d' % 1 }}", "more than %s and %d"),
    ("{{ '%*d' % (8000000000, 1) }}", "more than %s and %d"),
    ("{{ '{:8000000000}'.format(1) }}", "more than names and numbers"),
    ("{{ '{:{}}'.format(1, 8000000000) }}", "more than names and numbers"),
    ("{{ 1 | tojson(indent=8000000000) }}", "an indent of more than 16"),
    ("{{ lipsum(n=8000000000) }}", "'lipsum' is undefined"),
    ("{{ 5 | round(-8000000000) }}", "No filter named 'round'"),
]


@pytest.mark.parametrize("template", LOOPS + TEXTS)
def test_time_and_memory_have_limits(template: str) -> None:
    with pytest.raises(UserError, match=r"its chat template fails .LimitError"):
        Chat(template + END, {"eos_token": "</s>"})


@pytest.mark.parametrize(("template", "message"), LEFT_OUT)
def test_what_no_chat_template_needs_is_left_out(template: str, message: str) -> None:
    with pytest.raises(UserError, match=rf"its chat template fails .*{message}"):
        Chat(template + END, {"eos_token": "</s>"})


def test_a_template_has_a_largest_size() -> None:
    with pytest.raises(UserError, match="more than 200,000 characters"):
        Chat("{#" + "a" * LARGEST + "#}" + END, {"eos_token": "</s>"})


def test_the_budget_grows_with_the_messages() -> None:
    """50 times 100,000 characters are 5 million, five times the budget without messages."""
    template = "{% for i in range(50) %}{{ messages[0].content }}{% endfor %}"
    template += "{% if not add_generation_prompt %}{{ messages[-1].content }}{% endif %}"
    prompt = Chat(template, {"eos_token": "</s>"}).prompt("a" * 100_000)
    assert len(prompt) == 50 * 100_000 == 5 * BUDGET


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{% for m in messages %}{{ loop.index }}{{ loop.last }}{{ loop.length }}{% endfor %}", "1True1"),
        ("{{ '%s-%d' % ('a', 2) }}{{ '{}{x}'.format(1, x=2) }}", "a-212"),
        ("{{ [1, 2] | join(', ') }}{{ 'aXb' | replace('X', '-') }}{{ 'x' | indent(2, true) }}", "1, 2a-b  x"),
        ("{{ 'a b'.split(' ') | map('upper') | list }}", "['A', 'B']"),
        ("{{ {'a': [1, 'é']} | tojson }}{{ [1] | tojson(indent=1) }}", '{"a": [1, "é"]}[\n 1\n]'),
        ("{{ messages[::-1] | length }}{{ 'a' in 'ab' }}{{ 1 < 2 < 3 }}{{ 2 ** 10 }}", "1TrueTrue1024"),
        ("{{ messages | selectattr('role', 'equalto', 'user') | list | length }}", "1"),
        ("{% for k, v in {'a': 1} | dictsort %}{{ k }}{{ v }}{% else %}no{% endfor %}", "a1"),
    ],
)
def test_what_templates_do_is_done(template: str, text: str) -> None:
    head = (
        "{% if add_generation_prompt %}" + template + "{% else %}" + template + "{{ messages[-1].content }}{% endif %}"
    )
    only = head.replace("messages |", "messages[:1] |").replace("in messages ", "in messages[:1] ")
    chat = Chat(only.replace("messages[::-1]", "messages[:1][::-1]"), {"eos_token": "</s>"})
    assert chat.prompt("?") == text
