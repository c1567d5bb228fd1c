"""What the report names and describes."""

from __future__ import annotations

from typing import Any

from w2s.flow.step import Context, Params


class Evaluated(Params):
    """A model on test, compared with those `against` on the same questions."""

    name: str
    what: str
    against: tuple[str, ...] = ()
    highlight: bool = False


class Selected(Params):
    """A selection: `NAME`, and `precision_NAME`."""

    name: str
    what: str


class Strategy(Params):
    """A strategy's model and its control's, as evaluated; all steps that lead to the model."""

    name: str
    model: str
    control: str | None
    steps: tuple[str, ...]


class Catalog(Params):
    """In report order; PGR is measured from `floor` to `ceiling`."""

    models: tuple[Evaluated, ...]
    selections: tuple[Selected, ...]
    floor: str
    ceiling: str
    strategies: tuple[Strategy, ...] | None = None


def catalog(context: Context[Catalog]) -> dict[str, Any]:
    """Record the catalog."""
    return context.params.model_dump(mode="json")
