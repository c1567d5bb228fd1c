"""Which weak texts to learn from: demonstrations, agreement, majority, preference pairs. No gold, no torch."""

from __future__ import annotations

from typing import Any

from w2s import jsonl, prompting
from w2s.errors import BranchEnds
from w2s.flow.step import Context
from w2s.method import agreement, demonstrations, pairs, voting
from w2s.records import Answered, Response
from w2s.steps import rows


def choose_demonstrations(context: Context) -> dict[str, Any]:
    """Write the weak answers that become the few-shot demonstrations of weak ICL."""
    params = context.params
    weak = rows.read_answered(context.inputs["weak"], params)
    chosen = demonstrations.choose(weak, k=params["k"], mode=params["mode"], seed=params["seed"])
    if not chosen:
        raise BranchEnds(f"none of the {len(weak)} weak responses has an answer: there is nothing to demonstrate")
    rows.write_responses(context.output, (Response(a.id, a.question, a.response) for a in chosen))
    return {"kept": len(chosen), "of": len(weak)}


def all_examples(context: Context) -> dict[str, Any]:
    """Write every weak response as a training example: full weak fine-tuning, the naive baseline."""
    weak = rows.read_responses(context.inputs["weak"])
    kept = [response for response in weak if response.response]
    if not kept:
        raise BranchEnds(f"all {len(weak)} weak responses are empty")
    jsonl.write(
        context.output,
        (
            {
                "id": r.id,
                "prompt": prompting.prompt(r.question),
                "completion": prompting.completion(r.response),
            }
            for r in kept
        ),
    )
    return {"kept": len(kept), "of": len(weak), "dropped": {"empty": len(weak) - len(kept)}}


def agree(context: Context) -> dict[str, Any]:
    """Write the questions on which two models' final answers agree, with both texts (paper, Stage I)."""
    params = context.params
    weak = rows.read_answered(context.inputs["weak"], params)
    strong = rows.read_answered(context.inputs["strong"], params)
    found = agreement.agree(weak, strong)
    other = "string" if params["match"] == "equivalent" else "equivalent"
    otherwise = {
        kept.id
        for kept in agreement.agree(
            rows.read_answered(context.inputs["weak"], {**params, "match": other}),
            rows.read_answered(context.inputs["strong"], {**params, "match": other}),
        ).kept
    }
    dropped = {reason: len(ids) for reason, ids in found.dropped.items()}
    if not found.kept:
        raise BranchEnds(f"the agreement set is empty: of {len(weak)} questions {dropped}")
    jsonl.write(context.output, rows.agreement_rows(found))
    return {
        "kept": len(found.kept),
        "of": len(weak),
        "dropped": dropped,
        f"differs_from_{other}_match": len(otherwise ^ {kept.id for kept in found.kept}),
    }


def majority(context: Context) -> dict[str, Any]:
    """Write, for each question, the first sample with its most common answer: the control's pseudo-labels (ours)."""
    by_question: dict[str, list[Answered]] = {}
    for sample in rows.read_answered(context.inputs["samples"], context.params):
        by_question.setdefault(sample.id, []).append(sample)
    chosen = []
    for samples in by_question.values():
        winner = voting.vote(samples).key
        text = next((s.response for s in samples if s.key == winner), "") if winner is not None else ""
        chosen.append(Response(samples[0].id, samples[0].question, text))
    rows.write_responses(context.output, chosen)
    return {"kept": sum(bool(r.response) for r in chosen), "of": len(chosen)}


def build_pairs(context: Context) -> dict[str, Any]:
    """Write the preference pairs of Stage II (paper, Stage II; thresholds of the released code)."""
    params = context.params
    weak = rows.read_answered(context.inputs["weak"], params)
    samples = rows.read_answered(context.inputs["samples"], params)
    found = pairs.build_pairs(
        weak,
        samples,
        confidence=params["confidence"],
        reject_confidence=params["reject_confidence"],
        max_pairs=params["max_pairs"],
        seed=params["seed"],
        n=params.get("n"),
    )
    dropped = {reason: len(ids) for reason, ids in found.dropped.items()}
    if not found.pairs:
        raise BranchEnds(f"no preference pair could be made: of {len(weak)} questions {dropped}")
    jsonl.write(context.output, rows.pair_rows(found))
    return {
        "kept": len({pair.id for pair in found.pairs}),
        "of": len(weak),
        "pairs": len(found.pairs),
        "weak_chosen": sum(pair.weak_role == "chosen" for pair in found.pairs),
        "weak_rejected": sum(pair.weak_role == "rejected" for pair in found.pairs),
        "dropped": dropped,
    }
