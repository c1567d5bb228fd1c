"""Strategies by name or `module:function`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from w2s.config import functions
from w2s.errors import UserError, one_of
from w2s.findings import Finding
from w2s.flow.step import Step
from w2s.recipe.certified import certified
from w2s.recipe.confidence_loss import confidence_loss
from w2s.recipe.ensemble import ensemble
from w2s.recipe.filter_recover import filter_recover
from w2s.recipe.majority_sft import majority_sft
from w2s.recipe.restrain import restrain
from w2s.recipe.scpo import scpo
from w2s.recipe.trust import trust
from w2s.recipe.vote_reward import vote_reward
from w2s.recipe.weak_to_strong import Supervision, weak_to_strong
from w2s.steps.graph import Graph

Strategy = Callable[[Graph, Supervision], Step]
"""Builds and evaluates models; returns the one that it stands for."""

STRATEGIES: dict[str, Strategy] = {
    "weak_to_strong": weak_to_strong,
    "filter_recover": filter_recover,
    "majority_sft": majority_sft,
    "scpo": scpo,
    "confidence_loss": confidence_loss,
    "trust": trust,
    "restrain": restrain,
    "ensemble": ensemble,
    "certified": certified,
    "vote_reward": vote_reward,
}
"""Built-in; `all` means each that the recipe has the data for (`every`)."""

NEEDS: dict[str, str] = {
    "ensemble": "models", "trust": "train_1", "certified": "train_1", "vote_reward": "trainer=trl",
}  # fmt: skip
"""What a recipe may lack: further `models`, `train_1` to calibrate on, TRL's trainers to learn online."""

WEIGHTED: frozenset[str] = frozenset({"scpo", "restrain", "confidence_loss", "certified"})
"""Strategies with example weights, which TRL's trainers have not."""

WITHOUT_WEAK: frozenset[Strategy] = frozenset({majority_sft, scpo, restrain, vote_reward})
"""Strategies that use no weak label: they are a control themselves."""


def needs_control(strategy: Strategy) -> bool:
    """Whether the strategy uses weak labels: of your own, unless its attribute `control` is False.

    Raises:
        UserError: the attribute is another.
    """
    return strategy not in WITHOUT_WEAK and functions.option(strategy, "control", (True, False), "strategies")


def every(g: Graph) -> list[str]:
    """The built-in strategies that the recipe has all data for; the others become notes."""
    trl = g.recipe.trainer == "trl"
    lacks = {"models": not g.recipe.models, "train_1": "train_1" not in g.questions, "trainer=trl": not trl}
    needs = NEEDS | (dict.fromkeys(WEIGHTED, "trainer=w2s") if trl else {})
    missing = [name for name in STRATEGIES if lacks.get(needs.get(name, ""), needs.get(name) == "trainer=w2s")]
    for name in missing:
        g.sources.findings.append(Finding(f"all is without {name}, which needs {needs[name]}", field="strategies"))
    return [name for name in STRATEGIES if name not in missing]


def refuse_weighted(names: Iterable[str], trainer: str) -> None:
    """Refuse strategies whose examples have weights, with a trainer that has none.

    Raises:
        UserError: naming the first.
    """
    weighted = [name for name in names if name in WEIGHTED]
    if trainer == "trl" and weighted:
        raise UserError(
            f"{weighted[0]} weights its examples, and TRL's trainers have no weights",
            field="strategies",
            hint=f"set trainer=w2s, or leave {weighted[0]} out",
        )


def find(name: str) -> Strategy:
    """A strategy by name.

    Raises:
        UserError: there is none.
    """
    if ":" in name:
        return functions.load(name, "strategies")
    one_of("strategy", name, STRATEGIES, "strategies", ", all, or module:function")
    return STRATEGIES[name]


def build(name: str, strategy: Strategy, g: Graph, start: Supervision) -> Step:
    """The model of a strategy.

    Raises:
        UserError: a user's fails, returns none, or one that learns from gold of `train_2`.
    """
    try:
        model = strategy(g, start)
    except Exception as error:
        if ":" not in name:  # ours
            raise
        raise functions.failure(name, error, "strategies", _hint(g, error)) from error
    if isinstance(model, Step) and model.kind == "train":
        _refuse_gold(name, model)
        return model
    raise UserError(
        f"{name} returns {f'the step {model.name!r}' if isinstance(model, Step) else type(model).__name__}",
        field="strategies",
        expected="its last model: what g.fine_tune or g.prefer returned",
        hint="end the function with `return model`",
    )


def _hint(g: Graph, error: Exception) -> str:
    if isinstance(error, KeyError) and error.args and error.args[0] not in g.recipe.models:
        return f"if it is a further model: name it in the recipe's models, as models.{error.args[0]}=MODEL"
    return "a strategy is function(g, start): docs/extending.md has the methods of g"


def _refuse_gold(name: str, model: Step) -> None:
    """UserError: what leads to the model has gold of `train_2`, which only the ceiling may learn from."""
    open_, seen = [model], {id(model)}
    while open_:
        step = open_.pop()
        if step.name.startswith("gold_train_2"):
            raise UserError(
                f"{name} returns {model.name}, which learns from the gold of train_2",
                field="strategies",
                hint="a strategy learns from answers; strong_ceiling in `baselines` is the model that learns this gold",
            )
        new = [each for each in step.inputs.values() if id(each) not in seen]
        seen.update(map(id, new))
        open_ += new
