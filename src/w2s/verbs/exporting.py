"""`w2s export`: a run's model or training rows for others, in a folder or on the Hugging Face hub."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from w2s import models
from w2s.config import load
from w2s.config.choices import Dtype, RowFormat
from w2s.config.schema import Run
from w2s.data import disk, jsonl, trl
from w2s.errors import UserError, one_of
from w2s.flow.store import Store
from w2s.models import adapters, files, hub, release
from w2s.models.kinds import Hub
from w2s.results import RESULTS, changed
from w2s.verbs import cards, uploading

HUB = "hub:"
_NAME = re.compile(r"hub:[\w.-]{1,96}/[\w.-]{1,96}")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written where: `to` is a folder, or the address of a repository on the hub."""

    to: str
    files: list[str]
    bytes: int

    def lines(self) -> list[str]:
        return [*self.files, f"{len(self.files)} files, {self.bytes / 1e6:,.1f} MB: {self.to}"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What `export` writes, and how.

    Args:
        model: a model of the run.
        data: in its place training rows of the run: a name, or "all".
        dtype: of the weights.
        merge: an adapter with its base as one model.
        format: of the training rows.
        public: on the hub, for everybody to read.
    """

    model: str | None = None
    data: str | None = None
    dtype: Dtype = "bfloat16"
    merge: bool = False
    format: RowFormat = "trl"
    public: bool = False

    def __post_init__(self) -> None:
        if (self.model is None) == (self.data is None):
            expected = "--model NAME, or --data NAME (all: every training set)"
            raise UserError("one model or training rows are exported", field="--model", expected=expected)
        one_of("dtype", self.dtype, get_args(Dtype), "--dtype")
        one_of("format", self.format, get_args(RowFormat), "--format")
        for option, given, needed in (
            ("--format", self.format != "trl", self.data), ("--merge", self.merge, self.model),
            ("--dtype", self.dtype != "bfloat16", self.model),
        ):  # fmt: skip
            if given and needed is None:
                raise UserError(f"has no effect with {'--model' if self.data is None else '--data'}", field=option)


def export(folder: str | Path, to: str | Path, choice: Choice) -> Exported:
    """Export a model of a run, or its training rows; nothing leaves this machine without "hub:".

    Raises:
        UserError: no such run, model or rows; damage; `to` is in use; the hub refuses.
    """
    run_folder = Path(folder)
    run, results = _run(run_folder)
    check_target(run_folder, to, choice)
    on_hub = str(to).startswith(HUB)
    with _working_place(to) as place:
        if choice.model is not None:
            _write_model(run_folder, run, results, choice, place, title=_title(to), on_hub=on_hub)
        else:
            _write_data(run_folder, run, results, choice, place, title=_title(to))
        written = sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())
        size = sum((place / name).stat().st_size for name in written)
        if on_hub:
            address = uploading.upload(place, str(to).removeprefix(HUB), _kind(choice), public=choice.public)
        else:
            address = str(to)
            disk.sync(place)
            place.rename(Path(to).resolve())  # over an empty folder too, also at the end of a link
    return Exported(address, written, size)


def _run(folder: Path) -> tuple[Run, Mapping[str, Any]]:
    """The recipe and results of a run. UserError: there is none."""
    if not (folder / "recipe.yaml").is_file() or not (folder / RESULTS).is_file():
        raise UserError(
            "holds no run with results", file=folder, expected=f"a folder that `w2s run` wrote, with {RESULTS}"
        )
    damage = next(iter(changed(folder)), None)
    if damage is not None:
        raise UserError(damage, file=folder, hint="the card has its figures from there")
    results = files.read_json(folder / RESULTS)
    for field in ("models", "strategies", "paired", "selection"):
        found = results.get(field, {})
        if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
            raise UserError(
                f"{field} is not as a run writes it",
                file=folder / RESULTS,
                field=field,
                expected="an object of objects",
                hint="`w2s report` writes the file again",
            )
    return load.load(f"{folder}/recipe.yaml"), results


def check_target(folder: Path, to: str | Path, choice: Choice) -> None:
    """Whether a model or rows of the run can be written there; the run need not be finished.

    Raises:
        UserError: no name of the hub, no token for it, a repository that exists, or a folder in use or in the run.
    """
    if str(to).startswith(HUB):
        if not _NAME.fullmatch(str(to)):
            raise UserError(f"{to!r:.120} names no repository", field="--to", expected="hub:ORG/NAME")
        uploading.check(str(to).removeprefix(HUB), _kind(choice))
        return
    if disk.inside(Path(to), folder):
        raise UserError("is in the run's folder", file=to, field="--to", hint="give a folder of its own")
    if os.path.lexists(to) and not (Path(to).is_dir() and not any(Path(to).iterdir())):
        raise UserError("is not empty", file=to, field="--to", hint="give a new folder, or delete this one")
    if not str(to) or os.path.ismount(to) or disk.same(Path(to), Path.cwd()):  # no folder can be renamed over it
        what = "is where you are, or where a disk is mounted" if str(to) else "names no folder"
        raise UserError(what, file=to or None, field="--to", hint="give a new folder")


def _kind(choice: Choice) -> str:
    """What the hub calls it."""
    return "model" if choice.model is not None else "dataset"


@contextmanager
def _working_place(to: str | Path) -> Iterator[Path]:
    """A folder beside the target, which vanishes if it is not renamed."""
    on_hub = str(to).startswith(HUB)
    beside = Path(tempfile.gettempdir()) if on_hub else Path(to).resolve().parent
    with disk.writing(Path(tempfile.gettempdir()) if on_hub else Path(to)), disk.made(beside):
        outer = Path(tempfile.mkdtemp(prefix=".w2s-export-", suffix=".part", dir=beside))
        try:
            place = outer / "files"
            place.mkdir()
            yield place
        finally:
            shutil.rmtree(outer, ignore_errors=True)


def _title(to: str | Path) -> str:
    """How a card names what it is beside: the repository, or the folder's name."""
    return str(to).removeprefix(HUB) if str(to).startswith(HUB) else Path(to).absolute().name


def _write_model(
    folder: Path, run: Run, results: Mapping[str, Any], choice: Choice, place: Path, *, title: str, on_hub: bool
) -> None:
    name = str(choice.model)
    known = [path.parent.name for path in sorted((folder / "models").glob("*/*config.json"))]
    one_of("model of this run", name, dict.fromkeys(known), "--model")
    _refuse_other_run(folder, name)
    _refuse_damage(folder, name)
    _refuse_edited_answers(folder, results)
    source = folder / "models" / name
    adapter = adapters.is_adapter(source)
    if choice.merge and not adapter:
        raise UserError(f"{name} is no adapter: it is whole", field="--merge", hint="leave --merge out")
    base = None
    if adapter and choice.merge:
        source, adapter = models.find(source, run.runtime.offline).folder(), False
    elif adapter:
        base = _hub_name(str(adapters.split(source)[0]), run)
        if on_hub and (Path(base).exists() or ":" in base):
            raise UserError(
                f"{name} is an adapter on {base}, which is on this machine only",
                field="--model",
                hint="--merge exports it with its base, as one model",
            )
    release.write(source, place, choice.dtype, base)
    facts = cards.Facts(title, run, results)
    prompt = cards.prompt_text(run, name, models.find(folder / "models" / name, run.runtime.offline))
    card = cards.of_model(facts, name, prompt, base=base, dtype=choice.dtype)
    (place / "README.md").write_text(card, encoding="utf-8")


def _hub_name(base: str, run: Run) -> str:
    """An adapter's base: "owner/name@commit" where it is the local copy of a hub model of the recipe."""
    commit = Path(base).name
    for reference in (run.recipe.strong, run.recipe.weak):
        kind = models.find(reference, offline=True, may_be_missing=True).kind
        if isinstance(kind, Hub):
            copy = hub.cached(kind.name, commit)
            if copy is not None and copy.resolve() == Path(base).resolve():
                return f"{kind.name}@{commit}"
    return base


def _write_data(folder: Path, run: Run, results: Mapping[str, Any], choice: Choice, place: Path, *, title: str) -> None:
    known = [name for name in results.get("selection", {}) if _has_rows(folder / "data" / f"{name}.jsonl")]
    if choice.data != "all":
        one_of("training set of this run", choice.data, known, "--data", ", all")
    if not known:
        raise UserError("no selection of the run kept anything", file=folder, field="--data")
    if run.recipe.prompt == "chat" and choice.format != "trl":
        raise UserError(
            "the rows of this run hold prompts of a chat template, and no bare questions",
            field="--format",
            expected="trl",
        )
    names = known if choice.data == "all" else [str(choice.data)]
    sets: dict[str, dict[str, Any]] = {}
    counts: dict[str, int] = {}
    for name in names:
        _refuse_other_run(folder, name)
        _refuse_damage(folder, name)
        rows = (row for _, row in jsonl.read(folder / "data" / f"{name}.jsonl"))
        first = next(rows)
        file = f"{name}.jsonl"
        formatted = (trl.formatted(row, choice.format) for each in ((first,), rows) for row in each)
        counts[name] = jsonl.write(place / file, formatted)
        pairs = "chosen" in first
        if not (pairs and choice.format == "messages"):  # LLaMA-Factory has no such pairs
            sets[name] = trl.dataset_info(file, choice.format, pairs=pairs)
    (place / "dataset_info.json").write_text(cards.as_json(sets), encoding="utf-8")
    card = cards.of_data(cards.Facts(title, run, results), counts, choice.format)
    (place / "README.md").write_text(card, encoding="utf-8")


def _has_rows(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _refuse_edited_answers(folder: Path, results: Mapping[str, Any]) -> None:
    """UserError: graded answers changed after the run, and `w2s report` reads the card's figures from them."""
    store = Store(folder)
    known = {*store.names(), *(store.reached() or {})}
    for name in results.get("models", {}):
        if f"evaluate_{name}" in known:
            _refuse_damage(folder, f"evaluate_{name}", "is on the card, and cannot be shown")


def _refuse_other_run(folder: Path, step: str) -> None:
    """UserError: recipe and results may not be of the step that is there."""
    store = Store(folder)
    left, reached, record = store.left(), store.reached(), store.record(step)
    problem = None
    if left is not None and left[0]:
        problem = f"the last run has not ended {left[0]} of its {left[1]} steps, and results may be of an earlier one"
    elif reached and record is not None and reached.get(step) != record["fingerprint"]:
        problem = f"{step} is of an earlier run with other settings"
    if problem is not None:
        raise UserError(problem, file=folder, hint="finish the run: the same `w2s run` goes on; then export")


def _refuse_damage(folder: Path, step: str, what: str = "cannot be exported") -> None:
    """UserError: the step is not finished, or its files are not as it wrote them."""
    store = Store(folder)
    record = store.record(step)
    damage = "it has no whole record" if record is None else next(iter(store.damages(record, read=True)), None)
    if damage is not None:
        raise UserError(f"{step} {what}: {damage}", file=folder, hint="`w2s check` names all damage; run it again")
