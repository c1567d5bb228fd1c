"""A recipe with several seeds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from w2s.api import runs
from w2s.errors import UserError

if TYPE_CHECKING:
    from w2s.costs.plan import Assumptions, Plan
    from w2s.recipe import Prepared


def several(
    recipe: str | Path | Prepared,
    overrides: Sequence[str],
    out: runs.File | None,
    limit: int | None,
    given: tuple[int | None, Sequence[int]],
    *,
    planning: bool = False,
) -> list[Prepared]:
    """The recipe with each seed; `given`: --seed and --seeds.

    Raises:
        UserError: as `run`.
    """
    from w2s import recipe as recipes
    from w2s import seeds as numbers

    seed, seeds = given
    if seed is not None or any(override.partition("=")[0].strip() in ("seed", "recipe.seed") for override in overrides):
        raise UserError("--seed and --seeds are given at once", field="--seeds", hint="leave --seed out")
    if isinstance(recipe, recipes.Prepared):
        raise UserError("a prepared recipe has one seed", field="seeds", expected="a preset or a file")
    return [
        recipes.prepare(
            str(recipe), overrides, out=out, limit=limit, seed=number, planning=planning, one_of_several=True
        )
        for number in numbers.distinct(list(seeds), "--seeds")
    ]


def plans(
    recipe: str,
    overrides: Sequence[str],
    out: runs.File | None,
    limit: int | None,
    given: tuple[int | None, Sequence[int]],
    assumptions: Assumptions | None = None,
) -> list[tuple[Plan, list[Path]]]:
    """The plans of all seeds, each with the folders that it is the plan of; `given` as in `several`.

    A folder that exists has a plan of its own, and so has each seed where overrides have `{seed}`. The others have one:
    their seed changes what is sampled, and neither steps nor costs.

    Raises:
        UserError: as `run`.
    """
    from w2s.results import folders

    def prepared(number: int) -> Prepared:
        (one,) = several(recipe, overrides, out, limit, (seed, [number]), planning=True)
        return one

    seed, seeds = given
    first = prepared(seeds[0])
    folders.refuse_run(first.folder.parent)
    places = {number: first.folder.with_name(f"seed-{number}") for number in seeds}
    alike = [number for number, place in places.items() if not os.path.lexists(place)]
    if any("{seed}" in override for override in overrides):
        alike = []
    made, runs_of = [], {}
    for number in [number for number in seeds if number not in set(alike[1:])]:
        of = alike if number in alike else [number]
        one = first if number == seeds[0] else prepared(number)
        runs_of[one.folder] = one.run
        made.append((runs.plan(one, assumptions=assumptions), [places[each] for each in of]))
    folders.refuse_several(first.folder.parent, runs_of)
    return made
