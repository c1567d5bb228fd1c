"""What `w2s export` gives away, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from exportable import PAIR, front, made
from response_files import lines

import w2s
from w2s import models
from w2s.errors import UserError


def test_an_adapter_stays_one_or_is_merged(tmp_path: Path) -> None:
    """Merged, row 3 of the first query projection has 0.5 more in each column: B A is 0.5 there and 0 elsewhere."""
    import torch
    from safetensors.torch import load_file

    base = str(models.ASSETS / "tiny-strong")
    run = made(tmp_path / "run", base)
    w2s.export(run, tmp_path / "adapter", model="m_pro_dpo")
    config = json.loads((tmp_path / "adapter/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == base and not (tmp_path / "adapter/config.json").exists()
    assert {each.dtype for each in load_file(tmp_path / "adapter/adapter_model.safetensors").values()} == {
        torch.bfloat16
    }
    assert "AutoPeftModelForCausalLM" in (tmp_path / "adapter/README.md").read_text()
    w2s.export(run, tmp_path / "merged", model="m_pro_dpo", merge=True, dtype="float32")
    name = "model.layers.0.self_attn.q_proj.weight"
    before = load_file(models.ASSETS / "tiny-strong/model.safetensors")[name].float()
    moved = load_file(tmp_path / "merged/model.safetensors")[name] - before
    assert torch.allclose(moved[3], torch.tensor(0.5)) and not moved[:3].any() and not moved[4:].any()
    assert "AutoPeftModel" not in (tmp_path / "merged/README.md").read_text()


@pytest.mark.parametrize("format", ["trl", "messages", "alpaca"])
def test_training_rows_have_a_card_and_llama_factorys_entries(run: Path, tmp_path: Path, format: Any) -> None:
    """LLaMA-Factory has no pairs of TRL's messages: that file has no entry."""
    exported = w2s.export(run, tmp_path / "out", data="all", format=format)
    assert exported.files == ["README.md", "dataset_info.json", "stage1_iter2.jsonl", "stage2_pairs.jsonl"]
    card, info = (tmp_path / "out/README.md").read_text(), json.loads((tmp_path / "out/dataset_info.json").read_text())
    assert [each["data_files"] for each in front(card)["configs"]] == ["stage1_iter2.jsonl", "stage2_pairs.jsonl"]
    assert set(info) == {"stage1_iter2"} | ({"stage2_pairs"} if format != "messages" else set())
    for name, entry in info.items():
        (row,) = lines(tmp_path / "out" / entry["file_name"])
        assert set(entry["columns"].values()) <= row.keys()
        assert entry.get("ranking", False) == (name == "stage2_pairs")
    if format == "trl":
        assert lines(tmp_path / "out/stage2_pairs.jsonl") == [PAIR]
    datasets = pytest.importorskip("datasets")
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset("json", data_files=str(tmp_path / "out/stage2_pairs.jsonl"), cache_dir=cache)
    assert loaded["train"][0]["confidence"] == 0.75


@pytest.mark.parametrize(("options", "says"), [
    ({"model": "m_pro"}, r"no model of this run is called 'm_pro' \(did you .*\n  expected: m_plus, m_pro_dpo"),
    ({"data": "stage1"}, r"no training set of this run is called .*\n  expected: stage1_iter2, stage2_pairs, all"),
    ({}, r"\[--model\]: one model or training rows are exported"),
    ({"model": "m_plus", "data": "all"}, r"\[--model\]: one model or training rows are exported"),
    ({"model": "m_plus", "merge": True}, r"\[--merge\]: m_plus is no adapter"),
    ({"model": "m_plus", "format": "alpaca"}, r"\[--format\]: has no effect with --model"),
    ({"data": "all", "dtype": "float32"}, r"\[--dtype\]: has no effect with --data"),
    ({"model": "m_plus", "dtype": "int8"}, r"\[--dtype\]: no dtype is called 'int8'"),
])  # fmt: skip
def test_what_cannot_be_exported_is_named(run: Path, tmp_path: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        w2s.export(run, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".w2s-export*"))


def test_no_folder_in_use_is_written_to(run: Path, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used/notes.txt").write_text("mine")
    for place, says in (
        (tmp_path / "used", "is not empty"), (tmp_path / "used/notes.txt", "is not empty"),
        (run / "out", "is in the run's folder"), (run, "is in the run's folder"), ("hub:one", "names no repository"),
        ("hub:a/b/c", "names no repository"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=says):
            w2s.export(run, place, model="m_plus")
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["notes.txt"]
    with pytest.raises(UserError, match="holds no run with results"):
        w2s.export(tmp_path / "used", tmp_path / "out", model="m_plus")
    (tmp_path / "empty").mkdir()
    assert "config.json" in w2s.export(run, tmp_path / "empty", model="m_plus").files


def test_a_damaged_model_is_not_given_away(run: Path, tmp_path: Path) -> None:
    file = run / "models/m_plus/config.json"
    file.write_text(file.read_text().replace('"silu"', '"gelu"'))
    with pytest.raises(UserError, match=r"m_plus cannot be exported: output changed .*m_plus/config\.json"):
        w2s.export(run, tmp_path / "out", model="m_plus")


def test_what_is_refused_leaves_no_folders_and_a_link_to_an_empty_one_stays(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no training set"):
        w2s.export(run, tmp_path / "new/deep/rows", data="nope")
    assert not (tmp_path / "new").exists()
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    w2s.export(run, tmp_path / "link", data="all")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real/README.md").is_file()


@pytest.mark.parametrize(("to", "says"), [("", "names no folder"), (".", "is where you are"), ("../here", "where you")])
def test_no_folder_is_put_over_where_you_are(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, says: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UserError, match=says):
        w2s.export(run, to, data="all")
