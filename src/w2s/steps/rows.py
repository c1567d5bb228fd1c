"""The files between steps: how records become rows of JSON Lines and come back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from w2s import jsonl, prompting
from w2s.answers import answered
from w2s.method.agreement import Agreement
from w2s.method.pairs import PairSet
from w2s.records import Answered, Example, Preference, Question, Response


def read_questions(path: Path) -> list[Question]:
    """Questions of a `questions_*` file."""
    return [Question(row["id"], row["question"]) for _, row in jsonl.read(path)]


def write_responses(path: Path, responses: Iterable[Response]) -> int:
    """Rows {"id", "question", "response", "sample"}; `sample` is left out where a question has one response."""
    responses = list(responses)
    several = any(response.sample for response in responses)
    return jsonl.write(
        path,
        (
            {"id": r.id, "question": r.question, "response": r.response} | ({"sample": r.sample} if several else {})
            for r in responses
        ),
    )


def read_responses(path: Path) -> list[Response]:
    """Responses as `write_responses` left them."""
    return [Response(row["id"], row["question"], row["response"], row.get("sample", 0)) for _, row in jsonl.read(path)]


def read_answered(path: Path, params: Any) -> list[Answered]:
    """Responses with their final answers, read in the way `params` says ("style", "match")."""
    return [answered(response, params["style"], params["match"]) for response in read_responses(path)]


def agreement_rows(agreement: Agreement) -> Iterable[dict[str, Any]]:
    """Two TRL prompt-completion rows a kept question: the weak text, then the ICL text."""
    for kept in agreement.kept:
        for source, answer in (("weak", kept.weak), ("icl", kept.icl)):
            yield {
                "id": answer.id,
                "source": source,
                "prompt": prompting.prompt(answer.question),
                "completion": prompting.completion(answer.response),
                "prediction": answer.prediction,
            }


def pair_rows(pairs: PairSet) -> Iterable[dict[str, Any]]:
    """TRL preference rows; `confidence_most` where not all samples were drawn, and `confidence` is the least."""
    for pair in pairs.pairs:
        yield {
            "id": pair.id,
            "prompt": prompting.prompt(pair.question),
            "chosen": prompting.completion(pair.chosen),
            "rejected": prompting.completion(pair.rejected),
            "weak_role": pair.weak_role,
            "confidence": pair.confidence,
        } | ({"confidence_most": pair.confidence_most} if pair.confidence_most > pair.confidence else {})


def read_examples(path: Path, source: str) -> list[Example]:
    """Prompt-completion rows of one `source` ("weak", "icl") or of "both"; the hybrid set is both."""
    return [
        Example(row["id"], row["prompt"], row["completion"])
        for _, row in jsonl.read(path)
        if source == "both" or row.get("source", source) == source
    ]


def read_preferences(path: Path) -> list[Preference]:
    """Preference rows."""
    return [Preference(row["id"], row["prompt"], row["chosen"], row["rejected"]) for _, row in jsonl.read(path)]
