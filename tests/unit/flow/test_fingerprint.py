from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from w2s.flow import fingerprint

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
QUICK = settings(suppress_health_check=[HealthCheck.too_slow])


def top_level(context):
    return {}


class Model(BaseModel):
    number: float = 1.0
    items: tuple[str, ...] = ("a",)
    tags: frozenset[str] = frozenset()
    place: Path | None = None


@QUICK
@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_key_order_never_matters(params):
    assert fingerprint.digest(params) == fingerprint.digest(dict(reversed(params.items())))


@QUICK
@given(VALUES, VALUES)
def test_equal_digests_mean_no_difference(one, two):
    same = fingerprint.digest(one) == fingerprint.digest(two)
    before = fingerprint.payload("s", top_level, 1, {"x": one})
    after = fingerprint.payload("s", top_level, 1, {"x": two})
    assert same == (not fingerprint.differences(before, after))


def test_types_that_print_alike_differ():
    digests = {fingerprint.digest({"x": value}) for value in (1, 1.0, True, "1", None, [1], "null")}
    assert len(digests) == 7


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        object(),
        top_level,
        SimpleNamespace(),
        b"bytes",
        Path("x"),
        {1: "a"},
        {1, "a"},
        {1.5},
        {(1, 2)},
        Model(number=float("nan")),
        Model(place=Path("x")),
    ],
)
def test_what_is_not_proved_stable_is_refused_by_its_place(value):
    with pytest.raises(TypeError, match=r"^params\.task\[1\]"):
        fingerprint.canonical({"task": [0, value]})


def test_a_path_is_refused_with_what_to_give_instead():
    with pytest.raises(TypeError, match="content's hash"):
        fingerprint.canonical(Path("x"))


@pytest.mark.parametrize("function", [lambda context: {}, SimpleNamespace()])
def test_only_top_level_functions_have_a_name(function):
    with pytest.raises(TypeError, match="top level"):
        fingerprint.qualified(function)


def test_a_function_that_moved_keeps_its_identity(monkeypatch):
    here = f"{__name__}:top_level"
    before = fingerprint.payload("s", top_level, 1, {})
    assert before["function"] == here
    monkeypatch.setattr(fingerprint, "MOVED", {here: "w2s.old.place:name"})
    after = fingerprint.payload("s", top_level, 1, {})
    assert after["function"] == "w2s.old.place:name" and fingerprint.qualified(Model) == f"{__name__}:Model"
    assert fingerprint.differences({**before, "function": "w2s.old.place:name"}, after) == []


def test_models_count_by_their_fields():
    assert fingerprint.canonical(Model(tags=frozenset("cab"))) == {
        "items": ["a"],
        "number": 1.0,
        "place": None,
        "tags": ["a", "b", "c"],
    }


def test_a_digest_is_the_same_in_a_process_with_another_hash_seed():
    code = "from w2s.flow.fingerprint import digest; print(digest({'tags': {'a', 'b', 'c'}, 'x': 0.1}))"
    src = str(Path(fingerprint.__file__).parents[2])
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": src, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert found == {fingerprint.digest({"tags": {"c", "b", "a"}, "x": 0.1})}


def test_differences_name_the_field_and_both_values():
    before = fingerprint.payload("s", top_level, 1, {"task": {"train_2": 500, "old": 1}, "same": [1]})
    after = fingerprint.payload("s", top_level, 2, {"task": {"train_2": 400, "new": "x"}, "same": [1]})
    assert fingerprint.differences(before, after) == [
        "code version changed 1 -> 2",
        'task.new added ("x")',
        "task.old removed (was 1)",
        "task.train_2 changed from 500 to 400",
    ]
