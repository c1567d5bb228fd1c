"""Which steps may be inputs of which, so that a strategy with a mistake is refused before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.errors import UserError
from w2s.flow.step import Step
from w2s.steps import halves, select

_PARTS = (halves.half, halves.union)
_PAIRS = (select.build_pairs, select.contrast)


def check_roles(name: str, inputs: Mapping[str, Any]) -> None:
    """Refuse inputs that are not answers, and several answers in a role for one.

    Raises:
        UserError: naming the first.
    """
    for role, given in inputs.items():
        if not _has_answers(given):
            raise UserError(
                f"{role} of {name} is {_shown(given)}, which has no answers",
                field="strategies",
                expected="what g.answer, g.sample or g.majority returned",
            )
        if not role.endswith("samples") and getattr(given.params, "n", 1) > 1:
            raise UserError(
                f"{role} of {name} is {_shown(given)}, with several answers per question",
                field="strategies",
                expected="one answer per question",
                hint=f"samples need a role that ends in samples: {role}_samples",
            )


def check_examples(name: str, data: Any) -> None:
    """Refuse what is no selection to fine-tune on.

    Raises:
        UserError: it is none.
    """
    if not isinstance(data, Step) or data.kind not in ("select", "data") or data.run in _PAIRS:
        raise UserError(
            f"{name} would learn from {_shown(data)}, which has no examples",
            field="strategies",
            expected="what g.keep, g.agree or another method that selects returned",
        )


def check_pairs(name: str, pairs: Any) -> None:
    """Refuse what is no preference pairs.

    Raises:
        UserError: it is none.
    """
    if not isinstance(pairs, Step) or pairs.run not in (*_PAIRS, *_PARTS):
        raise UserError(
            f"{name} would learn from {_shown(pairs)}, which has no preference pairs",
            field="strategies",
            expected="what g.pairs or g.contrast returned",
        )


def _has_answers(given: Any) -> bool:
    return isinstance(given, Step) and (given.kind == "generate" or given.run in (select.majority, *_PARTS))


def _shown(given: Any) -> str:
    return f"the step {given.name!r}" if isinstance(given, Step) else f"{given!r:.80}"
