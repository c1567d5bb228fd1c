"""The outline of a folder from before 0.1.0, without a record `models`. To be removed in 0.2.0."""

from __future__ import annotations

from typing import Any

from w2s.config.schema import Recipe

_STAGE_1 = {
    "stage1_iter1_weak_ft": "Stage I.1, agreed weak completions",
    "stage1_iter1_icl_ft": "Stage I.1, agreed strong completions",
    "stage1_iter1_hybrid_ft": "Stage I.1, both",
    "stage1_iter2_weak_ft": "Stage I.2, agreed completions of I.1 weak-ft",
    "stage1_iter2_icl_ft": "Stage I.2, agreed completions of I.1 icl-ft",
}
_BASELINES = {
    "weak_floor": "weak model, fine-tuned on gold train_1 where the task has one",
    "strong_zero_shot": "strong base model, zero-shot",
    "weak_icl": "strong base model, weak demonstrations in its prompt",
    "full_weak_ft": "strong model, fine-tuned on every weak answer",
}
_M_PLUS_AGAINST = ("weak_floor", "full_weak_ft", "weak_icl", "strong_ceiling")
_M_PRO_AGAINST = ("m_plus", "weak_icl", "control_strong_only")
_CONTROL = "both stages with the strong model's own majority vote in place of the weak answers"
_SELECTIONS = {
    "stage1_iter1": "answers on which the weak model and weak ICL agree",
    "stage1_iter2": "answers on which the two models of Stage I.1 agree",
    "stage2_pairs": "preference pairs of Stage II",
}


def outline(recipe: Recipe) -> dict[str, Any]:
    """What the record `models` would say."""
    models = [_model(name, what) for name, what in _BASELINES.items() if name in recipe.baselines]
    variants = recipe.stage1_variants
    iteration_1 = ("stage1_iter1_weak_ft", "stage1_iter1_icl_ft")
    models += [_model(name, what) for name, what in _STAGE_1.items() if variants or name in iteration_1]
    models.append(_model("m_plus", "Stage I.2, both: the policy of Stage II", _M_PLUS_AGAINST, highlight=True))
    models += [
        _model(f"m_pro_{loss}", f"Stage II, {loss.upper()} from m_plus", _M_PRO_AGAINST, highlight=True)
        for loss in sorted(recipe.preference.losses)
    ]
    marks = [""]
    if "control_strong_only" in recipe.baselines:
        models.append(_model("control_strong_only", _CONTROL))
        marks.append("control_")
    if "strong_ceiling" in recipe.baselines:
        models.append(_model("strong_ceiling", "strong model, fine-tuned on gold train_2"))
    return {
        "models": models,
        "selections": [
            {"name": f"{mark}{name}", "what": f"control: {what}" if mark else what}
            for mark in marks
            for name, what in _SELECTIONS.items()
        ],
        "floor": "weak_floor",
        "ceiling": "strong_ceiling",
    }


def _model(name: str, what: str, against: tuple[str, ...] = (), highlight: bool = False) -> dict[str, Any]:
    return {"name": name, "what": what, "against": list(against), "highlight": highlight}
