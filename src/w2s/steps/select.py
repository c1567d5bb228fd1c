"""Which weak texts to learn from: demonstrations, agreement, majority, preference pairs. No gold, no torch.

All but the demonstrations, for which all weak texts are compared, take one question at a time (`w2s.streams`).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from w2s import jsonl, streams
from w2s.choices import Match
from w2s.errors import BranchEnds
from w2s.files import Index
from w2s.flow.step import Context
from w2s.method import augment as method
from w2s.method import demonstrations, voting
from w2s.method.pairs import build_pairs as pairs_of
from w2s.records import Response
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
    empty, builder = 0, context.given["builder"]

    def examples() -> Iterator[dict[str, Any]]:
        nonlocal empty
        for r in rows.responses(context.inputs["weak"]):
            if r.response:
                completion = builder.completion(r.response)
                yield {"id": r.id, "prompt": builder.prompt(r.question), "completion": completion}
            else:
                empty += 1

    kept = jsonl.write(context.output, examples())
    if not kept:
        raise BranchEnds(f"all {empty} weak responses are empty")
    return {"kept": kept, "of": kept + empty, "dropped": {"empty": empty}}


def agree(context: Context) -> dict[str, Any]:
    """Write the questions on which two models' final answers agree, with both texts (paper, Stage I).

    Two texts without an answer agree where answers are compared as strings, as in the paper's released sets, unless one
    is empty. An empty set ends the branch, unless it is to be augmented. Where both models wrote one text
    (`same_text`), agreement tells nothing: there are no two views.
    """
    inputs, style, match = context.inputs, context.params["style"], context.params["match"]
    builder, counts = context.given["builder"], streams.Counts()
    with streams.opened(inputs["weak"], inputs["strong"], several=False) as files:
        found = streams.agree(files, style, match, counts, on_progress=context.progress)
        jsonl.write(
            context.output,
            (row for question, kept in found for row in streams.examples(question.id, kept, builder)),
        )
        of = len(files[0].ids)
    if not counts.kept and not context.params.get("augmented"):
        raise BranchEnds(f"the agreement set is empty: of {of} questions {dict(counts.dropped)}")
    return {
        "kept": counts.kept,
        "of": of,
        "same_text": counts.same_text,
        "dropped": dict(counts.dropped),
        "undecided": counts.undecided,
        **_differences(counts, match),
    }


def missed(context: Context) -> dict[str, Any]:
    """Write the questions that an agreement dropped, to be asked again; none where it has as many as it should.

    Those to which the weak model gives no answer are left out: no sample can agree with it.
    """
    params = context.params
    kept = _ids(context.inputs["agreed"])
    counts = Counter[str]()

    def asked(index: Index) -> Iterator[dict[str, Any]]:
        for question in streams.questions((index,), params["style"], (params["match"],), context.progress):
            (answer,) = question.sides[0].answered[params["match"]]
            if answer.id in kept:
                continue
            counts["asked" if answer.key is not None else "weak_no_answer"] += 1
            if answer.key is not None:
                yield {"id": answer.id, "question": answer.question}

    with Index(context.inputs["weak"], "w2s") as index:
        enough = len(kept) >= params["augment_to"]
        jsonl.write(context.output, () if enough else asked(index))
        return {"kept": counts["asked"], "of": len(index.ids), "dropped": {"weak_no_answer": counts["weak_no_answer"]}}


def augment(context: Context) -> dict[str, Any]:
    """Write an agreement, and after it the questions that are added to it, marked as such (`method.augment`)."""
    params, inputs = context.params, context.inputs
    kept, sampled = _ids(inputs["agreed"]), params["augment"] == "sampled"
    wanted = max(0, params["augment_to"] - len(kept))
    offer = partial(method.agreeing if sampled else method.disagreeing, seed=params["seed"])
    added = 0

    def more() -> Iterator[dict[str, Any]]:
        nonlocal added
        if not wanted or next(rows.responses(inputs["more"]), None) is None:
            return
        with streams.opened(inputs["weak"], inputs["more"], several=sampled, only_shared=True) as files:
            style, match = params["style"], params["match"]
            found = streams.augment(files, style, match, kept, offer, wanted, on_progress=context.progress)
            for question, pair in found:
                yield from streams.examples(question.id, pair, context.given["builder"], added=True)
                added += 1

    jsonl.write(context.output, itertools.chain((row for _, row in jsonl.read(inputs["agreed"])), more()))
    result = context.results["agreed"] | {"added": added, "short": wanted - added}
    if not kept and not added:
        raise BranchEnds(f"the agreement set is empty, and there is nothing to add: of {result['of']} questions")
    return result


def majority(context: Context) -> dict[str, Any]:
    """Write, for each question, the first sample with its most common answer: the control's pseudo-labels (ours)."""
    style, match = context.params["style"], context.params["match"]
    kept = 0

    def chosen(index: Index) -> Iterator[Response]:
        nonlocal kept
        for question in streams.questions((index,), style, (match,), context.progress):
            samples = question.sides[0].answered[match]
            winner = voting.vote(samples).key
            text = next((s.response for s in samples if s.key == winner), "") if winner is not None else ""
            kept += bool(text)
            yield Response(samples[0].id, samples[0].question, text)

    with Index(context.inputs["samples"], "w2s", several=True) as index:
        of = rows.write_responses(context.output, chosen(index), several=False)
    return {"kept": kept, "of": of}


def build_pairs(context: Context) -> dict[str, Any]:
    """Write the preference pairs of Stage II (paper, Stage II; thresholds of the released code).

    What the other match would decide is told only where all samples were drawn: those that adaptive sampling spares are
    spared under one match. `distinct_texts` is the mean number of different texts among a question's samples, and
    `duplicate_texts` the share of all samples that repeat an earlier one of their question.
    """
    params, inputs, match = context.params, context.inputs, context.params["match"]
    compare = "n" not in params
    counts, roles = streams.Counts(), Counter[str]()
    decide = partial(
        pairs_of,
        confidence=params["confidence"],
        reject_confidence=params["reject_confidence"],
        max_pairs=params["max_pairs"],
        seed=params["seed"],
        n=params.get("n"),
    )

    def preferences(files: tuple[Index, Index]) -> Iterator[dict[str, Any]]:
        found = streams.pairs(
            files, params["style"], match, counts, decide, compare=compare, on_progress=context.progress
        )
        for question, made in found:
            roles.update(pair.weak_role for pair in made)
            yield from (streams.preference(question.id, pair, context.given["builder"]) for pair in made)

    with streams.opened(inputs["weak"], inputs["samples"], several=True) as files:
        written = jsonl.write(context.output, preferences(files))
        of = len(files[0].ids)
    if not written:
        raise BranchEnds(f"no preference pair could be made: of {of} questions {dict(counts.dropped)}")
    return {
        "kept": counts.kept,
        "of": of,
        "pairs": written,
        "weak_chosen": roles["chosen"],
        "weak_rejected": roles["rejected"],
        "distinct_texts": counts.distinct_texts / of,
        "duplicate_texts": 1 - counts.distinct_texts / counts.samples,
        "dropped": dict(counts.dropped),
        "undecided": counts.undecided,
        **(_differences(counts, match) if compare else {}),
    }


def _differences(counts: streams.Counts, match: Match) -> dict[str, Any]:
    """How many questions have another outcome under the other match, and the first of them."""
    name = f"differs_from_{streams.other_match(match)}_match"
    return {name: counts.differ, f"{name}_ids": counts.differ_ids}


def _ids(selection: Path) -> set[str]:
    return {row["id"] for _, row in jsonl.read(selection)}
