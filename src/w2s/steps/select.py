"""Which weak completions to learn from. No gold, no torch."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from w2s.config.choices import Match, other_match
from w2s.data import jsonl, selections, trl
from w2s.data.selections import Files, SelectionCounts
from w2s.errors import BranchEnds
from w2s.flow.step import Context
from w2s.method import augment as method
from w2s.method import demonstrations, voting
from w2s.records import Response
from w2s.steps import io, rules
from w2s.steps.params import Selection
from w2s.steps.rules import Agree, ContrastBy, Pairs


class Demonstrations(Selection):
    """How many, chosen how."""

    k: int
    mode: Literal["random", "selected"]
    seed: int


class Missed(Selection):
    """Questions that an agreement should have."""

    augment_to: int


class Augment(Missed):
    """How an agreement is augmented."""

    augment: Literal["sampled", "disagreeing"]
    seed: int


def choose_demonstrations(context: Context[Demonstrations]) -> dict[str, Any]:
    """Write demonstrations for weak ICL."""
    params = context.params
    weak = io.read_answered(context.inputs["weak"], params.rule)
    chosen = demonstrations.choose(weak, k=params.k, mode=params.mode, seed=params.seed)
    if not chosen:
        raise BranchEnds(f"none of the {len(weak)} weak responses is whole and has an answer: nothing to demonstrate")
    io.write_responses(context.output, (Response(a.id, a.question, a.response) for a in chosen))
    return {"kept": len(chosen), "of": len(weak)}


def all_examples(context: Context[Selection]) -> dict[str, Any]:
    """Write all weak responses that are whole as training examples."""
    dropped, builder = Counter(empty=0), context.resources.builder

    def examples() -> Iterator[dict[str, Any]]:
        for r in io.responses(context.inputs["weak"]):
            if not r.response or r.cut:
                dropped["cut" if r.cut else "empty"] += 1
                continue
            yield {"id": r.id, "prompt": builder.prompt(r.question), "completion": builder.completion(r.response)}

    kept = jsonl.write(context.output, examples())
    if not kept:
        raise BranchEnds(f"all weak responses are empty or cut: {dict(dropped)}")
    return {"kept": kept, "of": kept + dropped.total(), "dropped": dict(dropped)}


def agree(context: Context[Agree]) -> dict[str, Any]:
    """Write the kept questions with both completions: where final answers agree (paper).

    An empty set ends the branch unless `augmented`. `same_text`: questions where both texts are one.
    """
    rule, builder, counts = context.params.rule, context.resources.builder, SelectionCounts()
    by = rules.selector(context.params)
    with selections.open_files(_weak_first(context.inputs)) as files:
        kept = selections.select(files, rule, counts, by, on_progress=context.progress)
        rows = (row for question, selected in kept for row in trl.examples(question.raw.id, selected, builder))
        jsonl.write(context.output, rows)
        of = len(next(iter(files.values())).ids)
    if not counts.kept and not context.params.augmented:
        raise BranchEnds(f"the agreement set is empty: of {of} questions {dict(counts.dropped)}")
    return {
        "kept": counts.kept,
        "of": of,
        "same_text": counts.same_text,
        "dropped": dict(counts.dropped),
        "undecided": counts.undecided,
        **_differences(counts, rule.match),
    }


def contrast(context: Context[ContrastBy]) -> dict[str, Any]:
    """Write the preference pairs that a function of one question makes."""
    rule, builder, counts = context.params.rule, context.resources.builder, SelectionCounts()
    make = rules.contrast(context.params)
    with selections.open_files(_weak_first(context.inputs)) as files:
        made = selections.pairs(files, rule, counts, make, compare=False, on_progress=context.progress)
        rows = (trl.preference(question.raw.id, pair, builder) for question, pairs in made for pair in pairs)
        written = jsonl.write(context.output, rows)
        of = len(next(iter(files.values())).ids)
    if not written:
        raise BranchEnds(f"no preference pair could be made: of {of} questions {dict(counts.dropped)}")
    result = {"kept": counts.kept, "of": of, "pairs": written, "dropped": dict(counts.dropped)}
    return result | {"undecided": counts.undecided}


def _weak_first(inputs: Mapping[str, Path]) -> dict[str, Path]:
    """Inputs by role, weak first: its questions count."""
    return {role: inputs[role] for role in sorted(inputs, key=lambda role: (role != "weak", role != "strong", role))}


def missed(context: Context[Missed]) -> dict[str, Any]:
    """Write questions with a whole weak answer that an agreement dropped; none if it has enough."""
    params = context.params
    kept = _ids(context.inputs["agreed"])
    counts = Counter(missed=0, weak_no_answer=0)

    def questions(files: Files) -> Iterator[dict[str, Any]]:
        for question in selections.questions(files, (params.rule,), context.progress):
            (answer,) = question.answers[params.rule]["weak"]
            if answer.id in kept:
                continue
            reason = "weak_no_answer" if answer.key is None else "cut" if answer.cut else "missed"
            counts[reason] += 1
            if reason == "missed":
                yield {"id": answer.id, "question": answer.question}

    with selections.open_files({"weak": context.inputs["weak"]}) as files:
        enough, of = len(kept) >= params.augment_to, len(files["weak"].ids)
        jsonl.write(context.output, () if enough else questions(files))
    return {"kept": counts.pop("missed"), "of": of, "dropped": dict(counts)}


def augment(context: Context[Augment]) -> dict[str, Any]:
    """Write an agreement, then the added questions, marked (`method.augment`)."""
    params, inputs = context.params, context.inputs
    kept, sampled = _ids(inputs["agreed"]), params.augment == "sampled"
    missing = max(0, params.augment_to - len(kept))
    offer = partial(method.agreeing if sampled else method.disagreeing, seed=params.seed)
    added = 0

    def more() -> Iterator[dict[str, Any]]:
        nonlocal added
        if not missing or next(io.responses(inputs["more"]), None) is None:
            return
        more = "samples" if sampled else "strong"
        with selections.open_files({"weak": inputs["weak"], more: inputs["more"]}, only_shared={more}) as files:
            for question, selected in selections.augment(files, params.rule, kept, offer, missing, context.progress):
                yield from trl.examples(question.raw.id, selected, context.resources.builder, added=True)
                added += 1

    jsonl.write(context.output, itertools.chain((row for _, row in jsonl.read(inputs["agreed"])), more()))
    result = context.results["agreed"] | {"added": added, "short": missing - added}
    if not kept and not added:
        raise BranchEnds(f"the agreement set is empty, and there is nothing to add: of {result['of']} questions")
    return result


def majority(context: Context[Selection]) -> dict[str, Any]:
    """Write the first sample with the majority answer, a whole one if there is: the control's pseudo-labels (ours)."""
    rule, kept = context.params.rule, 0

    def chosen(files: Files) -> Iterator[Response]:
        nonlocal kept
        for question in selections.questions(files, (rule,), context.progress):
            samples = question.answers[rule]["samples"]
            label = voting.voter(samples, voting.vote(samples).key)
            kept += label is not None
            text, cut = ("", False) if label is None else (label.response, label.cut)
            yield Response(samples[0].id, samples[0].question, text, cut=cut)

    with selections.open_files({"samples": context.inputs["samples"]}) as files:
        of = io.write_responses(context.output, chosen(files), several=False)
    return {"kept": kept, "of": of}


def build_pairs(context: Context[Pairs]) -> dict[str, Any]:
    """Write Stage II's preference pairs (paper; thresholds: released code).

    The other match is counted only without adaptive sampling. `duplicate_texts`: share of samples that repeat a
    text.
    """
    params, rule = context.params, context.params.rule
    make = rules.contrast(params)
    counts, roles = SelectionCounts(), Counter[str | None]()

    def preferences(files: Files) -> Iterator[dict[str, Any]]:
        compare = params.n is None
        results = selections.pairs(files, rule, counts, make, compare=compare, on_progress=context.progress)
        for question, made in results:
            roles.update(pair.weak_role for pair in made)
            yield from (trl.preference(question.raw.id, pair, context.resources.builder) for pair in made)

    with selections.open_files({role: context.inputs[role] for role in ("weak", "samples")}) as files:
        written = jsonl.write(context.output, preferences(files))
        of = len(files["weak"].ids)
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
        **(_differences(counts, rule.match) if params.n is None else {}),
    }


def _differences(counts: SelectionCounts, match: Match) -> dict[str, Any]:
    name = f"differs_from_{other_match(match)}_match"
    return {name: counts.differ, f"{name}_ids": counts.differ_ids}


def _ids(selection: Path) -> set[str]:
    return {row["id"] for _, row in jsonl.read(selection)}
