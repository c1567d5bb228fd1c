"""What is not as it was written is named, made again or refused, and never used."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from w2s.config.schema import Runtime
from w2s.errors import UserError
from w2s.flow import integrity, runner
from w2s.flow.decisions import plan
from w2s.flow.step import Context, Step
from w2s.flow.store import Store

WEIGHTS = 3_000_000


def train(context: Context) -> dict[str, Any]:
    context.output.mkdir()
    (context.output / "config.json").write_text("{}")
    (context.output / "model.safetensors").write_bytes(bytes([context.params["byte"]]) * WEIGHTS)
    return {"loss": 1e-05, "shape": {10: "a", 9: "b"}}


def answer(context: Context) -> dict[str, Any]:
    context.output.write_bytes((context.inputs["model"] / "model.safetensors").read_bytes()[:1])
    return {}


def spoil(context: Context) -> dict[str, Any]:
    """Changes the model while the run is under way."""
    flip(context.cache.parent / "models" / "m" / "model.safetensors")
    return {}


def model(name: str = "m", byte: int = 1) -> Step:
    return Step(name, train, {"byte": byte}, output=f"models/{name}", kind="train")


def steps() -> list[Step]:
    return [
        Step(f"test_{made.name}", answer, {}, {"model": made}, output=f"data/{made.name}.jsonl", kind="generate")
        for made in (model(), model("other", 2))
    ]


def run(folder: Path) -> dict[str, bool]:
    """Which steps of a run are reused."""
    return {name: outcome.reused for name, outcome in runner.run(steps(), folder, Runtime()).items()}


def reasons(folder: Path) -> dict[str, str]:
    return {step.name: step.reason for step in plan(steps(), folder) if step.decision != "reuse"}


def flip(path: Path, place: int = -1) -> None:
    """Change one bit."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run(tmp_path)
    return tmp_path


DAMAGES = {
    "one bit": (lambda path: flip(path, WEIGHTS // 2), "output changed on disk: {} has other content"),
    "all zero": (lambda path: path.write_bytes(bytes(WEIGHTS)), "output changed on disk: {} has other content"),
    "cut off": (lambda path: os.truncate(path, 9), "output changed on disk: {} has 9 bytes, not 3000000"),
    "gone": (lambda path: path.unlink(), "output missing: {}"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "output changed on disk: {} has"),
    "another model": (
        lambda path: path.write_bytes((path.parents[1] / "other" / path.name).read_bytes()),
        "output changed on disk: {} has other content",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_is_named_made_again_and_never_used(folder, damage, caplog):
    """Its answers are to be made again: they come from the right weights, byte 1."""
    (folder / "records" / "test_m.json").unlink()
    weights = folder / "models" / "m" / "model.safetensors"
    spoiling, words = DAMAGES[damage]
    spoiling(weights)
    reason = words.format("models/m/model.safetensors")
    assert reasons(folder)["m"].startswith(reason)
    assert run(folder) == {"m": False, "test_m": False, "other": True, "test_other": True}
    assert caplog.messages[0].startswith(f"m is made again: {reason}")
    assert weights.read_bytes() == b"\1" * WEIGHTS and (folder / "data" / "m.jsonl").read_bytes() == b"\1"


def test_a_file_added_to_a_model_stops_the_run_and_stays(folder):
    added = folder / "models" / "m" / "notes" / "generation_config.json"
    added.parent.mkdir()
    added.write_text("mine")
    name = "models/m/notes/generation_config.json"
    assert reasons(folder) == {"m": f"output changed on disk: {name} is not on record"}
    with pytest.raises(UserError, match=rf"files added to models \(1\): {name}"):
        run(folder)
    assert added.read_text() == "mine"
    added.unlink()
    assert all(run(folder).values())


def test_an_input_that_changes_during_the_run_stops_it(tmp_path):
    late = Step("test_m", answer, {}, {"model": model()}, output="data/m.jsonl")
    with pytest.raises(UserError, match=r"(?s)model.safetensors has other content; test_m needs it.*the same command"):
        runner.run([model(), Step("spoil", spoil), late], tmp_path, Runtime())
    assert not (tmp_path / "data" / "m.jsonl").exists()


@pytest.mark.parametrize(
    ("field", "value"), [("result", {"accuracy": 0.999}), ("seconds", 9.0), ("schema", 1), ("message", "x")]
)
def test_an_edited_record_is_no_record(folder, field, value):
    path = folder / "records" / "m.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    assert Store(folder).record("m") is None
    assert reasons(folder) == {"m": "record changed on disk: records/m.json is not what was written"}
    assert run(folder) == {"m": False, "test_m": True, "other": True, "test_other": True}


def test_every_bit_of_a_record_counts(folder):
    """But for the letter of an exponent (1e-05, 1E-05): what is read stays the same."""
    path = folder / "records" / "m.json"
    whole, meant = path.read_bytes(), Store(folder).record("m")
    for place in range(0, len(whole), 7):
        flip(path, place)
        found = Store(folder).record("m")
        assert found is None or found == meant
        path.write_bytes(whole)
    assert Store(folder).record("m") == meant


def test_the_record_of_another_step_is_no_record(folder):
    (folder / "records" / "m.json").write_bytes((folder / "records" / "other.json").read_bytes())
    assert Store(folder).record("m") is None


def test_a_record_that_was_written_again_with_the_same_content_counts(folder):
    path = folder / "records" / "m.json"
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))
    assert reasons(folder) == {}


def old(folder: Path, name: str, **changes: Any) -> None:
    """Make a record one of schema 1: without a digest of itself."""
    path = folder / "records" / f"{name}.json"
    record = json.loads(path.read_text()) | {"schema": 1} | changes
    del record["sha256"]
    path.write_text(json.dumps(record))


def test_records_of_schema_1_count_where_their_files_are_whole(folder):
    old(folder, "m")
    assert reasons(folder) == {}
    flip(folder / "models" / "m" / "model.safetensors")
    assert list(reasons(folder)) == ["m"]


def test_a_list_of_files_that_was_edited_to_fit_a_damage_does_not_count(folder):
    """The digest of all files together is in the record too. A file that no record knows is one too many."""
    old(folder, "m", files=[])
    assert reasons(folder) == {"m": "record changed on disk: records/m.json is not what was written"}
    old(folder, "other", files=[], digest=integrity.files_digest([]))
    assert reasons(folder)["other"].startswith("output changed on disk: models/other/config.json is not on record")


def test_large_files_are_read_again_only_when_they_may_have_changed(folder, monkeypatch):
    """The first run after the limit reads them; then size, time and inode speak for them, and `read` for nobody."""
    monkeypatch.setattr(integrity, "LARGE", WEIGHTS)
    run(folder)
    read: list[str] = []
    hashed = integrity.disk.sha256
    monkeypatch.setattr(integrity.disk, "sha256", lambda path: read.append(path.name) or hashed(path))
    weights = folder / "models" / "m" / "model.safetensors"
    run(folder)
    assert "model.safetensors" not in read and "config.json" in read
    assert not list(Store(folder).damages(Store(folder).record("m"), read=True)) and "model.safetensors" in read
    read.clear()
    os.utime(weights)
    run(folder)
    assert read.count("model.safetensors") == 1
    weights.write_bytes(b"\2" * WEIGHTS)
    assert reasons(folder) == {"m": "output changed on disk: models/m/model.safetensors has other content"}
    run(folder)
    assert weights.read_bytes() == b"\1" * WEIGHTS


@pytest.mark.parametrize("content", ["", "[]", '{"models/m/model.safetensors": 3}'])
def test_a_damaged_memory_of_large_files_only_costs_time(folder, monkeypatch, content):
    monkeypatch.setattr(integrity, "LARGE", WEIGHTS)
    run(folder)
    (folder / ".hashed.json").write_text(content)
    assert all(run(folder).values())
    (folder / "models" / "m" / "model.safetensors").write_bytes(bytes(WEIGHTS))
    assert list(reasons(folder)) == ["m"]


def test_the_list_of_reached_steps_names_missing_records_and_its_own_damage(folder):
    assert Store(folder).lost_records() == []
    (folder / "records" / "m.json").unlink()
    assert Store(folder).lost_records() == ["record missing: records/m.json"]
    flip(folder / ".reached.json", 30)
    assert Store(folder).lost_records() == ["record changed on disk: .reached.json is not what was written"]
    assert Store(folder).reached() == {}
    (folder / ".reached.json").write_text('{"m": "ab"}')  # of an earlier version: it does not say what was skipped
    assert Store(folder).reached() == {"m": "ab"} and Store(folder).lost_records() == []
