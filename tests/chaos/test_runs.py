"""A run that is stopped at named places and at random moments: the same command goes on, and ends in the same bytes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chaos import INT, KILL, RECIPE, TERM, Commands, Ended, Stop, content, names

pytestmark = pytest.mark.slow

WRITES = {"place": "w2s.data.disk:write"}
JOURNAL = {"place": "w2s.engines.journal:_append"}
TRAINS = {"place": "w2s.training.loop:Trainer._backward"}
MOVES = {"place": "w2s.data.disk:move"}
GRADES = {"place": "w2s.tasks.gold:grades"}

SHORT = (*RECIPE, "stage1_iterations=1")
PUSH = {
    "after a second of the processor": Stop(seconds=1.0),
    "a training's second step": Stop(TERM, step="weak_floor", call=2, **TRAINS),
    "a batch of answers is written": Stop(step="weak_answers", after=True, **JOURNAL),
    "between the rename of M_plus and its record": Stop(step="m_plus", text="records/m_plus.json", **WRITES),
    "grading": Stop(INT, step="evaluate_m_plus", **GRADES),
    "results.json is written, the report is not": Stop(place="w2s.results.page:render"),
}
NIGHT = {
    "before a training's first step": Stop(INT, step="weak_floor", **TRAINS),
    "a training's second step": Stop(TERM, step="weak_floor", call=2, **TRAINS),
    "a trained model is written, but not moved": Stop(step="weak_floor", text="models/weak_floor", **MOVES),
    "between the rename of the weak model and its record": Stop(
        step="weak_floor", text="records/weak_floor.json", **WRITES
    ),
    "recorded, but its work is not removed": Stop(step="weak_floor", place="w2s.flow.store:Store.tidy"),
    "before a batch of answers is written": Stop(TERM, step="weak_answers", **JOURNAL),
    "a batch of answers is written": Stop(step="weak_answers", after=True, **JOURNAL),
    "answers are moved": Stop(INT, step="weak_answers", text="data/weak_answers.jsonl", after=True, **MOVES),
    "answers of the strong model": Stop(step="icl_answers", after=True, **JOURNAL),
    "Stage I's selection is made": Stop(TERM, step="stage1_iter1", place="w2s.data.jsonl:write"),
    "a selection is moved": Stop(step="stage1_iter1", text="data/stage1_iter1.jsonl", after=True, **MOVES),
    "the precision of a selection is graded": Stop(INT, step="precision_stage1_iter1", **GRADES),
    "the strong model's training": Stop(step="stage1_iter1_weak_ft", **TRAINS),
    "the other training": Stop(TERM, step="stage1_iter1_icl_ft", **TRAINS),
    "answers of the second iteration": Stop(step="iter1_icl_ft_answers", after=True, **JOURNAL),
    "M_plus is trained": Stop(INT, step="m_plus", **TRAINS),
    "between the rename of M_plus and its record": Stop(step="m_plus", text="records/m_plus.json", **WRITES),
    "samples are generated": Stop(TERM, step="m_plus_samples", **JOURNAL),
    "some samples are generated": Stop(step="m_plus_samples", after=True, **JOURNAL),
    "pairs are made": Stop(INT, step="stage2_pairs", place="w2s.data.jsonl:write"),
    "a preference training": Stop(step="m_pro_dpo", **TRAINS),
    "grading": Stop(INT, step="evaluate_m_plus", **GRADES),
    "graded, but not recorded": Stop(step="evaluate_m_plus", text="records/evaluate_m_plus.json", **WRITES),
    "the last sweep": Stop(TERM, place="w2s.flow.store:Store.sweep", call=2),
    "before the results are written": Stop(place="w2s.results:_replace"),
    "results.json is written, the report is not": Stop(INT, place="w2s.results.page:render"),
    "before the report has its name": Stop(text="report.html", place="os:replace"),
}
"""Each comes in a run after those before it; SIGKILL where no signal is given."""


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    with Commands(tmp_path, torch=True) as running:
        yield running


def unbroken(commands: Commands, recipe: tuple[str, ...] = RECIPE) -> tuple[Path, Ended]:
    """A run without a stop."""
    folder = f"unbroken-{len(recipe)}"
    ended = commands.run(*recipe, "--out", folder)
    assert ended.code == 0, ended.said
    return commands.folder / folder, ended


def same(folder: Path, unbroken: Path) -> None:
    """Nothing is lost, nothing is left over, and every model and data file has the same bytes."""
    assert content(folder, "models", "data") == content(unbroken, "models", "data")
    assert names(folder) == names(unbroken)
    assert (folder / "recipe.yaml").read_bytes() == (unbroken / "recipe.yaml").read_bytes()


def stopped_at(commands: Commands, places: dict[str, Stop], recipe: tuple[str, ...] = RECIPE) -> None:
    """Stop one run at each place in turn."""
    whole, _ = unbroken(commands, recipe)
    run = (*recipe, "--out", "named")
    assert [place for place, stop in places.items() if not commands.run(*run, stop=stop).by(stop)] == []
    assert commands.run(*run).code == 0
    same(commands.folder / "named", whole)
    assert commands.run("check", "named").code == 0


def test_a_run_stopped_at_named_places_ends_in_the_same_bytes(
    commands: Commands, measured: Callable[..., None]
) -> None:
    stopped_at(commands, PUSH, SHORT)
    measured("runs stopped at named places", stops=len(PUSH))


@pytest.mark.nightly
def test_a_run_stopped_at_every_named_place_ends_in_the_same_bytes(
    commands: Commands, measured: Callable[..., None]
) -> None:
    stopped_at(commands, NIGHT)
    measured("runs stopped at named places", stops=len(NIGHT))


@pytest.mark.nightly
def test_a_run_stopped_at_many_random_moments_ends_in_the_same_bytes(
    commands: Commands, measured: Callable[..., None]
) -> None:
    """Forty stops after times of the processor, in as many runs as it takes."""
    whole, ended = unbroken(commands)
    chance = random.Random(20260729)
    counts = {"SIGKILL": 0, "SIGTERM": 0, "SIGINT": 0}
    runs = 1
    while sum(counts.values()) < 40:
        stop = Stop(chance.choice((KILL, KILL, TERM, INT)), seconds=chance.uniform(0.1, ended.seconds / 3))
        if commands.run(*RECIPE, "--out", f"random-{runs}", stop=stop).by(stop):
            counts[stop.number.name] += 1
        else:
            same(commands.folder / f"random-{runs}", whole)
            runs += 1
    assert commands.run(*RECIPE, "--out", f"random-{runs}").code == 0
    same(commands.folder / f"random-{runs}", whole)
    measured("runs stopped at random moments", **counts)
