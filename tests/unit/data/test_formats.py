"""Training rows in each format: `datasets` loads them, and TRL's own checks and LLaMA-Factory's rules know them.

LLaMA-Factory pins another torch, and is not installed here: `converted` follows its documented rules (data/README.md
and data/converter.py of hiyouga/LLaMA-Factory, alpaca and sharegpt formatting).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from response_files import again, lines, said, written

import w2s
from w2s.errors import UserError

datasets = pytest.importorskip("datasets")
data_utils = pytest.importorskip("trl.data_utils")

FORMATS = ("trl", "messages", "alpaca")
ASKED = "How many, 1?"
RIGHT, WRONG = "So it is 5.\n#### 5", "So it is 6.\n#### 6"


@pytest.fixture
def made(tmp_path: Path) -> dict[tuple[str, str], Path]:
    """By verb and format: one question; the weak answer is the majority of four samples, one of which differs."""
    weak = written(tmp_path / "weak.jsonl", said(1, 5))
    samples = written(tmp_path / "samples.jsonl", *(said(1, answer, sample=n) for n, answer in enumerate((5, 5, 5, 6))))
    files = {}
    for format in FORMATS:
        out = {verb: tmp_path / f"{verb}-{format}.jsonl" for verb in ("agree", "pairs", "select")}
        w2s.agree(weak, again(weak), out["agree"], task="gsm8k", format=format)  # type: ignore[arg-type]
        w2s.pairs(weak, samples, out["pairs"], task="gsm8k", format=format)  # type: ignore[arg-type]
        w2s.select({"weak": weak}, out["select"], task="gsm8k", samples=samples, by="vote", format=format)  # type: ignore[arg-type]
        files |= {(verb, format): file for verb, file in out.items()}
    return files


def loaded(file: Path, tmp_path: Path) -> dict[str, Any]:
    return datasets.load_dataset("json", data_files=str(file), split="train", cache_dir=str(tmp_path / "cache"))[0]


def test_trl_knows_the_rows(made: dict[tuple[str, str], Path], tmp_path: Path) -> None:
    """Texts are its standard formats; messages its conversational ones: language modelling, and explicit preference."""
    plain = {"prompt": f"Question: {ASKED}\nAnswer:"}
    user, right = {"role": "user", "content": ASKED}, {"role": "assistant", "content": RIGHT}
    for verb in ("agree", "select"):
        row = loaded(made[verb, "trl"], tmp_path)
        assert not data_utils.is_conversational(row)
        assert {name: row[name] for name in ("prompt", "completion")} == plain | {"completion": f" {RIGHT}"}
        row = loaded(made[verb, "messages"], tmp_path)
        assert data_utils.is_conversational(row) and "prompt" not in row and "completion" not in row
        assert row["messages"] == [user, right]
    row = loaded(made["pairs", "trl"], tmp_path)
    assert not data_utils.is_conversational(row)
    assert {name: row[name] for name in ("prompt", "chosen", "rejected")} == plain | {
        "chosen": f" {RIGHT}",
        "rejected": f" {WRONG}",
    }
    row = loaded(made["pairs", "messages"], tmp_path)
    assert data_utils.is_conversational(row)
    assert data_utils.maybe_extract_prompt(row)["prompt"] == row["prompt"] == [user]
    assert (row["chosen"], row["rejected"]) == ([right], [{"role": "assistant", "content": WRONG}])


def test_a_chat_template_writes_the_prompt_once(made: dict[tuple[str, str], Path], tmp_path: Path) -> None:
    """TRL applies a template to messages: the question is bare in them."""
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(Path(w2s.__file__).parent / "assets" / "tiny-strong")
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    row = loaded(made["agree", "messages"], tmp_path)
    text = data_utils.maybe_apply_chat_template({"messages": row["messages"]}, tokenizer)["text"]
    assert text == f"<user>{ASKED}<assistant>{RIGHT}"
    pair = loaded(made["pairs", "messages"], tmp_path)
    sides = {name: pair[name] for name in ("prompt", "chosen", "rejected")}
    assert data_utils.maybe_apply_chat_template(sides, tokenizer) == {
        "prompt": f"<user>{ASKED}<assistant>", "chosen": RIGHT, "rejected": WRONG,
    }  # fmt: skip


def converted(row: dict[str, Any], info: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """(prompt, response) messages as LLaMA-Factory makes them of a row by its entry in dataset_info.json."""
    usual = {"prompt": "instruction", "query": "input", "response": "output"}
    names = {"messages": "conversations"} | usual if "columns" not in info else info["columns"]
    if info.get("formatting", "alpaca") == "sharegpt":
        tags = info["tags"]
        turns = [(turn[tags["role_tag"]], turn[tags["content_tag"]]) for turn in row[names["messages"]]]
        roles = {tags["user_tag"]: "user", tags["assistant_tag"]: "assistant"}
        assert [roles[role] for role, _ in turns] == ["user", "assistant"] * (len(turns) // 2)
        messages = [(roles[role], text) for role, text in turns]
        return messages[:-1], messages[-1:]
    asked = [row[names[part]] for part in ("prompt", "query") if part in names and row[names[part]]]
    prompt = [("user", "\n".join(asked))]
    if info.get("ranking"):
        sides = [row[names[side]] for side in ("chosen", "rejected")]
        assert all(isinstance(text, str) for text in sides)
        return prompt, [("assistant", text) for text in sides]
    assert isinstance(row[names["response"]], str)
    return prompt, [("assistant", row[names["response"]])]


def test_llama_factory_reads_the_rows(made: dict[tuple[str, str], Path], tmp_path: Path) -> None:
    """The entries of docs/verbs.md; with TRL's texts, its template `empty` adds nothing to the prompt."""
    pairs = {
        "ranking": True,
        "columns": {"prompt": "instruction", "query": "input", "chosen": "chosen", "rejected": "rejected"},
    }
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    chats = {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": tags}
    asked, answer = [("user", ASKED)], [("assistant", RIGHT)]
    for verb in ("agree", "select"):
        assert converted(loaded(made[verb, "alpaca"], tmp_path), {}) == (asked, answer)
        assert converted(loaded(made[verb, "messages"], tmp_path), chats) == (asked, answer)
    assert converted(loaded(made["pairs", "alpaca"], tmp_path), pairs) == (asked, [*answer, ("assistant", WRONG)])
    plain = [("user", f"Question: {ASKED}\nAnswer:")]
    texts = {"columns": {"prompt": "prompt", "response": "completion"}}
    assert converted(loaded(made["agree", "trl"], tmp_path), texts) == (plain, [("assistant", f" {RIGHT}")])
    ranked = {"ranking": True, "columns": {name: name for name in ("prompt", "chosen", "rejected")}}
    assert converted(loaded(made["pairs", "trl"], tmp_path), ranked)[1] == [
        ("assistant", f" {RIGHT}"), ("assistant", f" {WRONG}"),
    ]  # fmt: skip


def test_what_is_written_is_read_again(made: dict[tuple[str, str], Path], tmp_path: Path) -> None:
    for format in FORMATS:
        single = tmp_path / "one.jsonl"
        single.write_text(made["agree", format].read_text().splitlines()[0] + "\n")
        gold = written(tmp_path / "gold.jsonl", {"id": 1, "answer": "5"})
        assert w2s.grade(gold, single, task="gsm8k").correct == 1
        assert w2s.agree(single, again(single), tmp_path / "again.jsonl", task="gsm8k", format=format).kept == 1
        assert lines(tmp_path / "again.jsonl")[0] == lines(single)[0]
    for format in FORMATS[1:]:
        with pytest.raises(UserError, match="--format trl"):
            w2s.train("w2s:tiny-strong", made["agree", format], tmp_path / "m")
        with pytest.raises(UserError, match="--format trl"):
            w2s.train("w2s:tiny-strong", made["pairs", format], tmp_path / "m", loss="dpo")


def test_no_other_format_is_written(tmp_path: Path) -> None:
    file = written(tmp_path / "weak.jsonl", said(1, 5))
    with pytest.raises(UserError, match=r"\[--format\]: no format is called 'sharegpt'"):
        w2s.agree(file, file, tmp_path / "o", task="gsm8k", format="sharegpt")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"\[--format\]: no format is called 'sharegpt'"):
        w2s.select({"a": file}, tmp_path / "o", task="gsm8k", format="sharegpt")  # type: ignore[arg-type]
