"""Training rows in TRL's prompt-completion (Stage I) and preference (Stage II) formats, as chats, and in Alpaca's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from w2s.config.choices import RowFormat
from w2s.data.responses import question_of
from w2s.method.pairs import Pair
from w2s.method.selector import Selected, Target, targets
from w2s.prompting import PLAIN, Builder


def examples(
    id: str | int, selected: Selected | Sequence[Target], builder: Builder = PLAIN, *, added: bool = False
) -> list[dict[str, Any]]:
    """A row per target: of a `Selected` two, also if identical (released code).

    `added` marks a question without agreement.
    """
    rows = [example(id, target, builder) for target in targets(selected)]
    return [row | {"added": True} for row in rows] if added else rows


def example(id: str | int, target: Target, builder: Builder = PLAIN) -> dict[str, Any]:
    """A prompt-completion row; weights only if they are not 1."""
    answer = target.answer
    row = {
        "id": id,
        "source": target.source,
        "prompt": builder.prompt(answer.question),
        "completion": builder.completion(answer.response),
        "prediction": answer.prediction,
    }
    weights = {"weight": target.weight, "first_weight": target.first_weight}
    return row | (weights if weights != {"weight": 1.0, "first_weight": None} else {})


def preference(id: str | int, pair: Pair, builder: Builder = PLAIN) -> dict[str, Any]:
    """A preference row; with `confidence_most`, `confidence` is a lower bound."""
    row = {
        "id": id,
        "prompt": builder.prompt(pair.question),
        "chosen": builder.completion(pair.chosen),
        "rejected": builder.completion(pair.rejected),
        "weak_role": pair.weak_role,
        "confidence": pair.confidence,
    }
    row |= {"confidence_most": pair.confidence_most} if pair.confidence_most > pair.confidence else {}
    return row | ({"weight": pair.weight} if pair.weight != 1 else {})


def formatted(row: dict[str, Any], format: RowFormat) -> dict[str, Any]:
    """A row of `PLAIN` in another format; other columns stay.

    messages: TRL's conversational formats. alpaca: {"instruction", "input", "output"}, or "chosen" and "rejected".
    Both have the bare question, since a chat template or LLaMA-Factory's template writes the prompt.
    """
    if format == "trl":
        return row
    texts = {name: row[name].removeprefix(" ") for name in ("completion", "chosen", "rejected") if name in row}
    question = _question(row["prompt"])
    places: dict[str, Any]
    if format == "alpaca":
        places = {"prompt": {"instruction": question, "input": ""}, "completion": {"output": texts.get("completion")}}
        places |= {name: {name: texts.get(name)} for name in ("chosen", "rejected")}
    else:
        user = [{"role": "user", "content": question}]
        said = {name: [{"role": "assistant", "content": text}] for name, text in texts.items()}
        alone = "completion" in row
        places = {
            "prompt": {} if alone else {"prompt": user},
            "completion": {"messages": user + said.get("completion", [])},
        }
        places |= {name: {name: said.get(name)} for name in ("chosen", "rejected")}
    written: dict[str, Any] = {}
    for name, value in row.items():
        written |= places.get(name, {name: value})
    return written


def _question(prompt: str) -> str:
    """The bare question. A prompt of `PLAIN` has no demonstrations here: all of it is the question."""
    start, end = "Question: ", "\nAnswer:"
    if prompt.startswith(start) and prompt.endswith(end):
        return prompt.removeprefix(start).removesuffix(end)
    return question_of(prompt)


def dataset_info(file: str, format: RowFormat, *, pairs: bool) -> dict[str, Any]:
    """The entry of a file of training rows in LLaMA-Factory's dataset_info.json (its data/README.md).

    Raises:
        ValueError: its chats cannot be TRL's pairs.
    """
    sides = {name: name for name in ("chosen", "rejected")}
    if format == "messages" and pairs:
        raise ValueError("a pair of LLaMA-Factory's is one message each, not TRL's lists")
    if format == "messages":
        tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
        return {"file_name": file, "formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": tags}
    asked = {"prompt": "instruction", "query": "input"} if format == "alpaca" else {"prompt": "prompt"}
    if pairs:
        return {"file_name": file, "ranking": True, "columns": asked | sides}
    said = "output" if format == "alpaca" else "completion"
    return {"file_name": file, "columns": asked | {"response": said}}
