"""The verbs on whole runs, as functions."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

if TYPE_CHECKING:
    from w2s.costs.plan import Assumptions, Plan
    from w2s.flow.observer import Observer
    from w2s.flow.status import Status
    from w2s.recipe import Prepared
    from w2s.verbs.checking import Checked
    from w2s.verbs.comparing import Comparison
    from w2s.verbs.exporting import Exported
    from w2s.verbs.options import ExportOptions

File = str | Path

_log = logging.getLogger(__name__)


def run(
    recipe: str | Path | Prepared = "tiny",
    *overrides: str,
    out: File | None = None,
    limit: int | None = None,
    seed: int | None = None,
    seeds: Sequence[int] | None = None,
    observer: Observer | None = None,
    replace: bool = False,
) -> dict[str, Any]:
    """Run a recipe into a folder, reusing what was made before. After a kill the same call goes on.

    Args:
        recipe: a preset (`w2s presets` lists them) or a YAML file.
        overrides: like "training.epochs=2" (docs/settings.md).
        out: the run's folder; None: `runs/NAME`, with a limit `runs/NAME-limit-N`.
        limit: keep only this many questions of each split.
        seed: the run's seed.
        seeds: run once with each, into `out`/seed-N; `{seed}` in overrides stands for N ("task.data_seed={seed}").
        observer: gets every event (`w2s.flow.observer.Observer`).
        replace: replace finished work of other settings.

    Returns:
        The content of `results.json`: "models" by name with "accuracy", "ci95", "pgr", ...; "selection"; "paired".
        With `seeds` that of `out`/results.json: means over seeds (`w2s.results.several.summarise`).

    Raises:
        UserError: unusable input, something missing (`w2s.preflight`), a folder in use, finished work of other
            settings, or seeds of several recipes: before anything is computed with any seed. Finished steps stay.
    """
    if seeds is not None:
        from w2s.api.seeds import several

        return _run_seeds(several(recipe, overrides, out, limit, (seed, seeds)), observer, replace)
    prepared = _prepared(recipe, overrides, out, limit, seed)
    return _run(prepared, _refuse(prepared, set()), observer, replace)


def plan(
    recipe: str | Path | Prepared = "tiny",
    *overrides: str,
    out: File | None = None,
    limit: int | None = None,
    seed: int | None = None,
    assumptions: Assumptions | None = None,
) -> Plan:
    """What `run` would do with the same arguments, why, and at what cost. Computes nothing, writes nothing.

    Args:
        recipe: as `run`.
        overrides: settings.
        out: the run's folder.
        limit: questions per split.
        seed: the run's seed.
        assumptions: speeds and sizes without a record (`w2s.costs.plan.Assumptions`).

    Returns:
        `steps` with decision ("reuse", "run", "rerun", "skip") and reason; `budget`; `notes`; `replaces`, the finished
        work that `run` would replace; `findings`, of which a refusal would stop `run` before its first step.

    Raises:
        UserError: something cannot be used.
    """
    return _planned(_prepared(recipe, overrides, out, limit, seed, planning=True), assumptions)


def check(folder: File) -> Checked:
    """Compare every file of a run's folder with the records. Writes nothing.

    Returns:
        The number of `files` and `bytes` on record, and `problems`: a line per damaged, missing or extra file.

    Raises:
        UserError: the folder holds no run.
    """
    from w2s.verbs import checking

    return checking.check(Path(folder))


def report(*folders: File, out: File | None = None) -> dict[str, Any]:
    """Write `results.json` and `report.html` of a run's folder again, from its records; returns the results.

    "damage" in the results names what is not as it was written.

    Of a folder with folders seed-N, and of several folders of one recipe: the results over seeds
    (`w2s.results.several.summarise`), written as `results.json` into that folder, or into `out`. Of several recipes:
    {"runs": {FOLDER: results over its seeds}, "comparison": as `compare`}.

    Args:
        folders: folders of runs, or folders with folders seed-N.
        out: a folder for the results of several.

    Raises:
        UserError: a folder holds no run, or `out` one of its own.
    """
    from w2s import results
    from w2s.results import folders as several

    places = [Path(folder) for folder in folders]
    if len(places) == 1 and out is None and (several.is_run(places[0]) or not several.seed_folders(places[0])):
        return results.write(places[0], several.recipe_of(places[0]))
    return several.report(places, None if out is None else Path(out))


def status(folder: File) -> list[Status]:
    """What a run's folder does now, from any process: of a folder with folders seed-N, of each. Writes nothing.

    Returns:
        `state` ("running", "finished", "stopped", "damaged"), steps `ended` of `of`, `problems`, and of a running one
        what runs `now`, since when, how far it is, and the seconds that are left.

    Raises:
        UserError: the folder holds no run.
    """
    from w2s.flow import status
    from w2s.results import folders

    place = Path(folder)
    seeds = [] if folders.is_run(place) else folders.seed_folders(place)
    if seeds and any(map(folders.is_run, seeds)):
        return [_status(each) if folders.is_run(each) else status.not_begun(each) for each in seeds]
    return [_status(each) for each in seeds or [place]]


def compare(*files: File) -> Comparison:
    """Compare answers to the same questions: graded files, or folders of runs.

    Args:
        files: two or more files of `w2s grade --out`, or `data/test_NAME.jsonl` of runs, rows in any order; or folders
            of runs, or with folders seed-N, of which models with one name are compared.

    Returns:
        `rows`: each two of them, with the difference in points and its 95 % interval, `p`, its `test` ("mcnemar",
        exact; "z" with several samples; "seeds") and Holm's correction, on shared questions.

    Raises:
        UserError: no verdicts, no shared question, no run, or files beside folders.
    """
    from w2s.verbs import comparing

    return comparing.compare([Path(file) for file in files])


def export(folder: File, to: File, **options: Unpack[ExportOptions]) -> Exported:
    """Write a model of a run, or its training rows, for others, with a card.

    Args:
        folder: a run's folder.
        to: a new or empty folder, or "hub:ORG/NAME": a new repository of the Hugging Face hub. Only that leaves this
            machine.
        options: model or data (a name, or "all"); dtype ("bfloat16"), merge (an adapter with its base), format (of
            rows), public (on the hub, else private).

    Returns:
        The files that were written, and where.

    Raises:
        UserError: no such run, model or rows; they are damaged; `to` is in use; or the hub refuses.
    """
    from w2s.verbs import exporting

    return exporting.export(folder, to, exporting.Choice(**options))


def _status(folder: Path) -> Status:
    """As `status.read`, with the report that a run ends with."""
    from w2s import results
    from w2s.flow import status

    found = status.read(folder)
    missing = results.missing(folder) if found.state in ("finished", "damaged") else []
    return dataclasses.replace(found, state="damaged", problems=[*found.problems, *missing]) if missing else found


def _run(
    prepared: Prepared, plan: Plan, observer: Observer | None, replace: bool, place: tuple[int, int] = (1, 1)
) -> dict[str, Any]:
    """`place`: of how many runs it is which."""
    from w2s import results
    from w2s.engines.isolated import Processes
    from w2s.flow import observer as observers
    from w2s.flow import runner, status, track

    folder, runtime = prepared.folder, prepared.run.runtime
    runs = any(step.decision in ("run", "rerun") for step in plan.steps)
    config, first = prepared.run.recipe.model_dump(mode="json"), place[0] == 1
    tracker = track.start(runtime, folder, config, first=first) if runs else track.Tracker({})
    written: dict[str, Any] = {}
    with tracker, contextlib.closing(status.Writer(folder, plan.steps)) as writer, Processes() as processes:
        observers.enter(observer, observers.Entry(folder, plan.steps, *place))
        every = observers.Several(observer, writer, tracker)

        def report() -> None:
            written.update(results.write(folder, prepared.run))

        runner.run(prepared.steps, folder, runtime, every, processes, replace=replace, last=report)
    return written


def _run_seeds(runs: Sequence[Prepared], observer: Observer | None, replace: bool) -> dict[str, Any]:
    from w2s.flow import runner
    from w2s.flow.step import ordered
    from w2s.results import folders

    folder = runs[0].folder.parent
    folders.refuse_run(folder)
    folders.refuse_several(folder, {prepared.folder: prepared.run for prepared in runs})
    known: set[str] = set()
    plans = []
    for prepared in runs:
        plans.append(_refuse(prepared, known))
        if not replace:
            runner.refuse_to_replace(ordered(prepared.steps), prepared.folder)
    for number, (prepared, plan) in enumerate(zip(runs, plans, strict=True), 1):
        _run(prepared, plan, observer, replace, (number, len(runs)))
    return folders.over_seeds(folder)


def _refuse(prepared: Prepared, known: set[str]) -> Plan:
    """Refuse what is missing, and log the rest once."""
    from w2s import findings

    made = _planned(prepared)
    findings.refuse(made.findings)
    for note in made.findings:
        if str(note) not in known:
            _log.warning("%s", note)
        known.add(str(note))
    return made


def _prepared(
    recipe: str | Path | Prepared,
    overrides: Sequence[str],
    out: File | None,
    limit: int | None,
    seed: int | None,
    planning: bool = False,
) -> Prepared:
    from w2s import recipe as recipes

    if isinstance(recipe, recipes.Prepared):
        return recipe
    return recipes.prepare(str(recipe), overrides, out=out, limit=limit, seed=seed, planning=planning)


def _planned(prepared: Prepared, assumptions: Assumptions | None = None) -> Plan:
    from w2s import preflight
    from w2s.costs import plan as costs

    made = costs.plan(prepared.run, prepared.steps, prepared.folder, assumptions)
    given = assumptions or costs.Assumptions()
    supposed = bool(given.parameters or given.devices or given.device)
    return preflight.examine(
        prepared.run, prepared.steps, made, prepared.folder, supposed=supposed, device=given.device
    )
