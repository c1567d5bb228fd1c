"""Several weak supervisors: an answer counts where two of three or more sources give it (ours).

The weak model, each of the recipe's `models`, and the strong model's few-shot answers are the sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from w2s.data import disk
from w2s.errors import UserError
from w2s.flow.step import Step
from w2s.method.selector import Judged, Target
from w2s.method.voting import vote, voter
from w2s.recipe.weak_to_strong import Supervision
from w2s.steps.graph import Graph
from w2s.steps.sources import ModelSource


def confirmed(question: Judged, votes: int) -> list[Target] | str:
    """The answer of most sources, given by at least so many: the strong text that has it, else the first weak one.

    Reasons: "no_answer", "not_confirmed".
    """
    sources = [question.strong, *(answer for role, answer in question.answers.items() if role != "strong")]
    majority = vote(sources)
    text = voter(sources, majority.key)
    if text is None or majority.key is None:
        return "no_answer"
    return [Target(text, "ensemble")] if majority.counts[majority.key] >= votes else "not_confirmed"


def ensemble(g: Graph, start: Supervision) -> Step:
    """M, fine-tuned on answers that at least two sources give; the control has no further weak model."""
    if not g.recipe.models:
        raise UserError(
            "ensemble needs several weak models, and this recipe has one",
            field="models",
            expected="a name and a model for each further one",
            hint="set models.second=MODEL (perhaps the weak model again: it is trained in another order)",
        )
    if "train_1" not in g.questions:
        _refuse_twice({"weak": g.recipe.weak, **{f"models.{name}": model for name, model in g.recipe.models.items()}})
    answers = {"weak": start.weak, "strong": start.icl}
    if start.shown is None:
        for name, base in g.recipe.models.items():
            weak: ModelSource = base
            if "train_1" in g.questions:  # else as it comes, like the weak model
                gold = g.gold_examples("train_1", base)
                weak = g.fine_tune(f"ensemble_{name}", base, gold, training=g.recipe.weak_training)
            answers[name] = g.answer(f"ensemble_{name}_answers", weak)
    what = "ensemble: answers of at least two sources"
    kept = g.keep("ensemble_kept", confirmed, what=what, settings={"votes": 2}, **answers)
    model = g.fine_tune("ensemble", g.recipe.strong, kept)
    g.evaluate("ensemble", model, what="learnt from several weak models", against=("m_plus", "weak_icl"))
    return model


def _refuse_twice(models: Mapping[str, str]) -> None:
    """UserError: two untrained sources are one model, whose equal answers would confirm each other."""
    for (first, one), (second, other) in combinations(models.items(), 2):
        if one == other or disk.same(Path(one), Path(other)):
            raise UserError(
                f"is the model of {first} again ({other}): nothing trains them, so their answers are equal",
                field=second,
                expected="another model",
                hint="with gold for train_1 one model may stand twice: it is trained in another order",
            )
