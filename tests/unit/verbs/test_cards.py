"""What the card of an export says, and that its code runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from exportable import RESULTS, front, made

import w2s
from w2s import results
from w2s.errors import UserError
from w2s.models import files


def test_a_model_is_whole_in_bfloat16_with_its_card(run: Path, tmp_path: Path) -> None:
    from safetensors import safe_open

    exported = w2s.export(run, tmp_path / "out", model="m_plus")
    written = {path.name for path in (tmp_path / "out").iterdir()}
    source = {path.name for path in (run / "models/m_plus").iterdir()}
    assert written == set(exported.files) == source | {"README.md"}
    files.check_folder(tmp_path / "out", "out")
    assert files.read_json(tmp_path / "out/config.json")["dtype"] == "bfloat16"
    with safe_open(tmp_path / "out/model.safetensors", "pt") as opened:
        assert {str(opened.get_tensor(name).dtype) for name in opened.keys()} == {"torch.bfloat16"}  # noqa: SIM118
    assert not list(tmp_path.glob(".w2s-export*"))
    card = (tmp_path / "out/README.md").read_text()
    assert front(card)["library_name"] == "transformers"
    for text in (
        "| **Stage I (`m_plus`)** | 60.0 (5.0 to 90.0) | 10 | 0.50 (0.10 to 0.90) |",
        "`control_strong_only`) | 50.0 (5.0 to 90.0) | 10 | - |",
        "- m_plus against weak_floor: +40.0 (+10.0 to +70.0; p = 0.12)",
        "- one seed (3)",
        "```\nQuestion: QUESTION\nAnswer: ANSWER\n```",
        'the prompt: `"Question: QUESTION\\nAnswer:"`',
        "# out\n",
        "`vllm serve out --dtype bfloat16`",
        "lm_eval --model hf --model_args pretrained=out,dtype=bfloat16 --tasks gsm8k --num_fewshot 0",
        "1 of 4 questions kept, 50.0 % of them right by gold (95 % 10.0 to 90.0)",
        "seed 3",
        "strong: w2s:tiny-strong",
    ):
        assert text in card, text
    assert "runtime:" not in card


def test_the_python_of_a_card_runs(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands in the card, beside the exported folder."""
    w2s.export(run, tmp_path / "m_plus", model="m_plus", dtype="float32")
    code = (tmp_path / "m_plus/README.md").read_text().partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    exec(code, {"print": said.append})
    assert len(said) == 1 and isinstance(said[0], str)


def test_a_chat_model_is_asked_through_its_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(tmp_path / "run", "org/base", "prompt=chat")
    w2s.export(run, tmp_path / "chatty", model="m_plus")
    card = (tmp_path / "chatty/README.md").read_text()
    for text in (
        "apply_chat_template",
        "```\n[user]QUESTION[assistant]ANSWER\n```",
        "--prompt chat",
        "/v1/chat/completions",
    ):
        assert text in card, text
    code = card.partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    exec(code, {"print": said.append})
    assert len(said) == 1
    with pytest.raises(UserError, match=r"\[--format\]: the rows of this run hold prompts of a chat template"):
        w2s.export(run, tmp_path / "rows", data="all", format="alpaca")


def test_no_card_has_edited_figures(run: Path, tmp_path: Path) -> None:
    """The page ends with the sha256 of `results.json`; without a page its fields must at least be objects."""
    page, mark = b"<html></html>\n", results._mark
    (run / "report.html").write_bytes(page + mark((run / "results.json").read_bytes(), page))
    w2s.export(run, tmp_path / "sound", data="all")
    (file := run / "results.json").write_text(json.dumps(RESULTS).replace('"accuracy": 0.6', '"accuracy": 0.9'))
    with pytest.raises(UserError, match=r"report changed on disk: .*w2s report"):
        w2s.export(run, tmp_path / "out", model="m_plus")
    (run / "report.html").unlink()
    for field in ("models", "strategies", "paired", "selection"):
        for value in (3, [1], {"stage2_pairs": 3}):
            file.write_text(json.dumps(RESULTS | {field: value}))
            with pytest.raises(UserError, match=rf"results.json \[{field}\]: {field} is not as a run writes it"):
                w2s.export(run, tmp_path / "out", data="all")
