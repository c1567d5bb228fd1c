"""Verbs on whole runs; presets, tasks, doctor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import w2s
from w2s.cli.app import Arguments, Json, Limit, Out, Replace, Seed, Seeds, app, say
from w2s.errors import UserError

if TYPE_CHECKING:
    from w2s.costs.plan import Plan


@app.command(epilog="Example: w2s run tiny stage1_iterations=1 preference.losses=simpo --seeds 0-4 --out runs/simpo")
def run(
    arguments: Arguments = None,
    out: Out = None,
    limit: Limit = None,
    seed: Seed = None,
    seeds: Seeds = None,
    replace: Replace = False,
) -> None:
    """Run a recipe, reusing what was made before."""
    from w2s import recipe
    from w2s import seeds as numbers
    from w2s.cli import progress
    from w2s.config import load

    source, overrides = load.split_arguments(arguments or [])
    if seeds is not None:
        listed = numbers.several(seeds)
        shown = load.load(source, [each for each in overrides if "{seed}" not in each]).runtime.progress
        with progress.observer(shown) as observer:
            over = w2s.run(
                source, *overrides, out=out, limit=limit, seed=seed, seeds=listed, observer=observer, replace=replace
            )
        _print_several(over)
        _say_written(Path(over["folders"][str(listed[0])]).parent)
        return
    prepared = recipe.prepare(source, overrides, out=out, limit=limit, seed=seed)
    with progress.observer(prepared.run.runtime.progress) as observer:
        results = w2s.run(prepared, observer=observer, replace=replace)
    _print_results(prepared.folder, results)


@app.command(epilog="Example: w2s plan tiny stage1_iterations=3 --speed-test")
def plan(
    arguments: Arguments = None,
    out: Out = None,
    limit: Limit = None,
    seed: Seed = None,
    seeds: Seeds = None,
    replace: Replace = False,
    tokens_per_second: Annotated[
        str | None, typer.Option(metavar="RATE", help="Of generation: 2000, or strong=2000,weak=9000.")
    ] = None,
    train_tokens_per_second: Annotated[str | None, typer.Option(metavar="RATE", help="Of training, likewise.")] = None,
    parameters: Annotated[str | None, typer.Option(metavar="COUNTS", help="As in strong=70e9,weak=7e9.")] = None,
    devices: Annotated[int | None, typer.Option(min=1, help="Devices in use at once.")] = None,
    speed_test: Annotated[
        bool, typer.Option("--speed-test", help="Measure this machine first, for some seconds.")
    ] = False,
    device: Annotated[
        str | None,
        typer.Option(metavar="GPU", help="A first time for h100, a100, l40s, l4, rtx-4090, ...; no GPU needed."),
    ] = None,
    steps: Annotated[bool, typer.Option("--steps", help="A row for each step.")] = False,
    probe: Annotated[bool, typer.Option("--probe", hidden=True, help="An earlier name of --speed-test.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what `run` would do, why, and at what cost; compute nothing.

    Speeds come from this folder's records, else from the options, else from the speed test; else a first estimate
    of the time comes from a GPU's published figures. Exit code 2: something is
    missing, so `run` would stop.
    """
    from w2s import findings
    from w2s import seeds as numbers
    from w2s.cli import outlook
    from w2s.config import load
    from w2s.costs import budget
    from w2s.costs.plan import Assumptions

    assumptions = Assumptions(
        budget.figures(tokens_per_second, "--tokens-per-second"),
        budget.figures(train_tokens_per_second, "--train-tokens-per-second"),
        budget.figures(parameters, "--parameters", by_role=True),
        devices,
        speed_test or probe,
        device,
    )
    source, overrides = load.split_arguments(arguments or [])
    if seeds is None:
        one = w2s.plan(source, *overrides, out=out, limit=limit, seed=seed, assumptions=assumptions)
        plans: list[tuple[Plan, list[Path]]] = [(one, [])]
    else:
        from w2s.api import seeds as several

        plans = several.plans(source, overrides, out, limit, (seed, numbers.several(seeds)), assumptions)
    found = list({str(finding): finding for made, _ in plans for finding in made.findings}.values())
    if as_json:
        dicts = [{"folder": str(folder), **made.as_dict()} for made, folders in plans for folder in folders]
        say([json.dumps(dicts or plans[0][0].as_dict(), indent=1, default=lambda value: value.model_dump())])
    else:
        for made, folders in plans:
            if folders:
                say([f"{folders[0]}"])
            _print_plan(made, steps, replace)
            if len(folders) > 1:
                say(outlook.together(made, folders))
    findings.refuse(found)


def _print_plan(made: Plan, steps: bool, replace: bool) -> None:
    from w2s.cli import console, outlook
    from w2s.flow import decisions

    say(outlook.lines(made))
    console.print_plan(made.steps, made.budget, rows=steps)
    for line in made.notes:
        console.print_words(line)
    if made.replaces:
        stops = "" if replace else ", and `run` stops without --replace or --out NEW"
        typer.echo(f"finished work of other settings would be replaced{stops}:{decisions.in_words(made.replaces)}")


@app.command(epilog="Example: w2s report runs/tiny")
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Runs' folders, or folders of seed-N.")],
    out: Annotated[Path | None, typer.Option(help="A folder for the results of several.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables over seeds in Markdown.")] = False,
) -> None:
    """Write a run's report again and print its table; of several runs, means over seeds and comparisons."""
    results = w2s.report(*folders, out=out)
    if "models" in results and "seeds" not in results:
        _print_results(folders[0], results)
        return
    _print_several(results, markdown)
    written = out or (folders[0] if len(folders) == 1 else None)
    if written is not None and not markdown:
        _say_written(written, page="models" in results)


@app.command(epilog="Example: w2s compare graded-a.jsonl graded-b.jsonl; w2s compare runs/a runs/b --json")
def compare(
    files: Annotated[list[Path], typer.Argument(metavar="A B...", help="Graded files, or folders of runs.")],
    as_json: Json = False,
) -> None:
    """Compare answers to the same questions: difference, its 95 % interval, p (exact McNemar for verdicts)."""
    from w2s.cli import console
    from w2s.results import several_table

    compared = w2s.compare(*files)
    if as_json:
        say([json.dumps(compared.as_dict())])
        return
    console.print_out(several_table.comparison(compared.rows))
    say([f"{letter}: {name}" for letter, name in compared.names.items()])
    left = {(row["a"], row["b"]): row["left_out"] for row in compared.rows if any(row["left_out"])}
    for (a, b), (ours, theirs) in left.items():
        say([f"{a} vs {b}: {ours:,} and {theirs:,} questions are left out, since only one has them"])
    if compared.caveats:
        say(compared.caveats)


@app.command(epilog="Example: w2s status runs/tiny")
def status(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder, or one with folders seed-N.")],
    samples: Annotated[int, typer.Option(min=0, help="Show so many of the newest responses too.")] = 0,
    as_json: Json = False,
) -> None:
    """Say what a run does now and how far it is, from any shell; or how it ended."""
    from w2s.cli import outlook
    from w2s.verbs import latest

    found = w2s.status(folder)
    if as_json:
        say([json.dumps([each.as_dict() for each in found])])
        return
    for each in found:
        say(outlook.status(each, named=len(found) > 1))
        for sample in latest.samples(Path(each.folder), samples) if samples else ():
            say(latest.lines(sample))


@app.command(epilog="Example: w2s check runs/tiny")
def check(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")]) -> None:
    """Compare every file of a run with its record; exit code 2 if one is damaged, missing or extra."""
    checked = w2s.check(folder)
    say(checked.lines())
    if checked.problems:
        raise typer.Exit(2)


@app.command("tasks", epilog="Example: w2s tasks arith --limit 20 --out arith")
def list_tasks(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A task, to be written as files.")] = None,
    out: Annotated[Path | None, typer.Option(help="A folder for its questions and gold, two files per split.")] = None,
    limit: Limit = None,
) -> None:
    """List the tasks and answer styles, or write a task as files."""
    if name is not None and out is not None:
        from w2s import verbs

        say(verbs.write_task(name, out, limit))
        return
    if name is not None or out is not None:
        raise UserError(
            "NAME and --out belong together: they write a task as files",
            expected="w2s tasks NAME --out FOLDER",
            hint="`w2s tasks` alone lists the tasks",
        )
    from w2s import tasks
    from w2s.cli import console

    console.print_facts([(name, tasks.describe(name)) for name in tasks.names()], "tasks")
    console.print_facts(list(tasks.styles().items()), "answer styles (--task of grade, agree and pairs takes one too)")


@app.command("presets", epilog="Example: w2s presets tiny --all")
def list_presets(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A preset, to be printed.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every field, its value and where that comes from.")] = False,
) -> None:
    """List the presets, or print one."""
    from w2s.cli import console
    from w2s.config import load, settings

    if name is not None:
        typer.echo(settings.preset(name) if every else load.text(name), nl=False)
        return
    if every:
        raise UserError("names no preset", field="--all", expected="w2s presets NAME --all")
    console.print_facts([(name, load.describe(name)) for name in load.names()])


@app.command("doctor", epilog="Example: w2s doctor")
def examine() -> None:
    """Say what this machine has, which presets can run here, and what each other still needs."""
    from w2s.cli import console
    from w2s.verbs import doctor

    for title, facts in (("machine", doctor.machine()), ("packages", doctor.packages())):
        console.print_facts(facts, title)
    presets = doctor.readiness()
    console.print_facts(
        [(each.preset, "; ".join(["ready", *(text for _, text in each.notes)])) for each in presets if each.ready],
        "presets that can run here",
    )
    print("presets that cannot run here, and what each still needs")
    for each in presets:
        if not each.ready:
            console.print_facts([*each.lacks, *each.notes], f"  {each.preset}", indent=4)


def _print_results(folder: Path, results: Mapping[str, Any]) -> None:
    from w2s.cli import console
    from w2s.results import table

    console.print_out(table.tables(results))
    _say_written(folder)


def _say_written(folder: Path, *, page: bool = True) -> None:
    """Of several recipes there is no page."""
    say([*([f"{folder / 'report.html'}"] if page else []), f"{folder / 'results.json'}"])


def _print_several(results: Mapping[str, Any], markdown: bool = False) -> None:
    from w2s.cli import console
    from w2s.results import several_table

    if markdown:
        say([several_table.markdown(results)])
    else:
        console.print_out(several_table.tables(results))
