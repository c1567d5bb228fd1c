"""Folders of runs as one result: OUT/seed-N of one recipe, or several such."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from w2s.config import load, schema
from w2s.data import disk
from w2s.errors import UserError
from w2s.results import comparison, page
from w2s.results.collect import Rows, collect, read_answers, read_records, undamaged
from w2s.results.outline import read_outline
from w2s.results.several import Right, SeedRun, summarise

RESULTS, PAGE = "results.json", "report.html"
_SEED = re.compile(r"seed-(\d+)")
_RUN = "a folder that `w2s run` wrote, with recipe.yaml, or one with folders seed-N"


def is_run(folder: Path) -> bool:
    """Whether it is the folder of a run."""
    return (folder / "recipe.yaml").is_file() or (folder / "records").is_dir()


def seed_folders(folder: Path) -> list[Path]:
    """Its folders seed-N, by N."""
    found = ((_SEED.fullmatch(path.name), path) for path in folder.glob("seed-*") if path.is_dir())
    return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]


def read(folders: Sequence[Path]) -> list[tuple[str, list[SeedRun]]]:
    """The runs by recipe, each with its name: of folders of runs, or of folders seed-N.

    Raises:
        UserError: no run, a damaged recipe or record, or one seed twice.
    """
    groups: dict[str, tuple[str, list[SeedRun]]] = {}
    places = [(place, folder) for folder in folders for place in _runs(folder)]
    parsed = [(place, folder, recipe_of(place)) for place, folder in places]  # bad ones before any is read in full
    for place, folder, run in parsed:
        name = str(folder)
        _, runs = groups.setdefault(_identity(run), (name, []))
        twice = next((other for other in runs if other.seed == run.recipe.seed), None)
        if twice is not None:
            raise UserError(
                f"is of seed {run.recipe.seed}, as {twice.folder}", file=place, hint="give each seed of a recipe once"
            )
        runs.append(seed_run(place, run))
    return [(name, sorted(runs, key=lambda run: run.seed)) for name, runs in groups.values()]


def seed_run(folder: Path, run: schema.Run) -> SeedRun:
    """One run's results and verdicts, from its records and answers; no verdicts of damaged files.

    Raises:
        UserError: the folder holds no run.
    """
    results = collect(folder, run)
    outline = read_outline(read_records(folder), run.recipe)
    sound = undamaged(results["models"], results["damage"])
    answers = read_answers(folder, [name for name in results["models"] if name in sound])
    right = {name: verdicts(rows) for name, rows in answers.items()}
    return SeedRun(run.recipe.seed, str(folder), results, outline, right)


def verdicts(rows: Rows) -> Right:
    """By question: its id and a hash of its text, as other data may have equal ids."""
    return {f"{name} {digest(row['question'])}": row["verdict"] == "correct" for name, row in rows.items()}


def digest(text: str) -> str:
    """A hash of a question's text."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def recipe_of(folder: Path) -> schema.Run:
    """The recipe of a run's folder.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    if not (folder / "recipe.yaml").is_file():
        raise UserError("holds no run", file=folder, expected=_RUN)
    return load.load(f"{folder}/recipe.yaml")


def write(folder: Path, results: Mapping[str, Any], runs: Sequence[SeedRun] = ()) -> None:
    """Write `results.json` over seeds, and `report.html` of these runs.

    Raises:
        UserError: the folder holds a run of its own, or the disk is full or refuses.
    """
    refuse_run(folder)
    text = json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path = folder / RESULTS
    with disk.writing(path), disk.replacing(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
    if runs:
        pages = [page.read(Path(run.folder), recipe_of(Path(run.folder)), run.results) for run in runs]
        path = folder / PAGE
        with disk.writing(path), disk.replacing(path) as file:
            file.write(page.render(pages, results).encode("utf-8", "backslashreplace"))


def refuse_run(folder: Path) -> None:
    """UserError: it holds a run, whose results would be replaced."""
    if is_run(folder):
        raise UserError(
            "holds a run of its own, and seeds need a folder for seed-0, seed-1, ...",
            file=folder,
            field="--out",
            hint="give another folder with --out",
        )


def report(folders: Sequence[Path], out: Path | None) -> dict[str, Any]:
    """The results over the seeds of each recipe; of several recipes under "runs", and written only into `out`.

    Raises:
        UserError: as `read` and `write`.
    """
    if not folders:
        raise UserError("names no folder", field="DIR", expected=_RUN)
    if out is not None:
        refuse_run(out)
    if len(folders) == 1 and out is None:
        return over_seeds(folders[0])
    groups = read(folders)
    if len(groups) == 1:
        results = summarise(groups[0][1])
    else:
        runs = {name: summarise(of) for name, of in groups}
        results = {"runs": runs, "comparison": comparison.compare([of_runs(*group) for group in groups])}
    if out is not None:
        with disk.writing(out):
            out.mkdir(parents=True, exist_ok=True)
        write(out, results, groups[0][1] if len(groups) == 1 else ())
    return results


def of_runs(name: str, runs: Sequence[SeedRun]) -> comparison.Item:
    """For a comparison: each model's verdicts by seed."""
    models = dict.fromkeys(model for run in runs for model in run.right)
    return name, {model: {run.seed: run.right[model] for run in runs if model in run.right} for model in models}


def over_seeds(folder: Path) -> dict[str, Any]:
    """Summarise and write the folders seed-N of a folder.

    Raises:
        UserError: no runs, or runs of several recipes.
    """
    groups = read([folder])
    if len(groups) > 1:
        fields = differing([recipe_of(place) for place in seed_folders(folder)])
        raise UserError(
            f"its folders seed-N are of several recipes, which differ in {', '.join(fields[:3])}",
            file=folder,
            hint="give the folders of each recipe to `w2s report` by themselves, or compare them with `w2s compare`",
        )
    results = summarise(groups[0][1])
    write(folder, results, groups[0][1])
    return results


def refuse_several(folder: Path, runs: Mapping[Path, schema.Run]) -> None:
    """UserError: with these runs, by their folders, its folders seed-N would be of several recipes."""
    others = [place for place in seed_folders(folder) if place not in runs and (place / "recipe.yaml").is_file()]
    every = [*runs.values(), *map(recipe_of, others)]
    if fields := differing(every):
        among = bool(differing(list(runs.values())))
        raise UserError(
            f"its folders seed-N would be of several recipes, which differ in {', '.join(fields[:3])}",
            file=folder,
            field="--seeds",
            expected="runs that differ in seed and task.data_seed only",
            hint="run each by itself, with --seed N and a folder of its own (--out)"
            if among
            else "give another folder with --out, or all seeds of this folder and --replace",
        )


def differing(runs: Sequence[schema.Run]) -> list[str]:
    """The fields in which recipes differ, less seeds."""
    flat = [_flat(json.loads(_identity(run))) for run in runs]
    return sorted({name for each in flat for name in each if any(each.get(name) != of.get(name) for of in flat)})


def _runs(folder: Path) -> list[Path]:
    if is_run(folder):
        return [folder]
    found = seed_folders(folder) if folder.is_dir() else []
    if not found:
        raise UserError("holds no run" if folder.exists() else "is missing", file=folder, expected=_RUN)
    return found


def _identity(run: schema.Run) -> str:
    recipe = run.recipe.model_dump(mode="json")
    recipe.pop("seed")
    recipe["task"].pop("data_seed", None)
    return json.dumps(recipe, sort_keys=True)


def _flat(value: object, name: str = "") -> dict[str, object]:
    if not isinstance(value, dict):
        return {name: value}
    parts = (_flat(each, f"{name}.{key}" if name else str(key)) for key, each in value.items())
    return {key: each for part in parts for key, each in part.items()}
