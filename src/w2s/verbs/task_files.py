"""`w2s tasks NAME --out FOLDER`: a task as files, gold apart."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from w2s import tasks
from w2s.config import schema
from w2s.data import jsonl
from w2s.errors import BranchEnds, UserError
from w2s.tasks import gold, word_problems
from w2s.verbs.inputs import refuse_overwriting


def write_task(task: str, folder: Path, limit: int | None = None) -> list[str]:
    """Write `<split>.jsonl` and `gold_<split>.jsonl`; returns a line per file.

    Raises:
        UserError: no such task, or its data are missing or in `folder`.
    """
    settings = tasks.by_name(task, limit)
    if isinstance(settings, schema.FilesTask) and settings.name == "jsonl":
        raise UserError("jsonl is files already", field="NAME", expected="arith, gsm8k, math, ...: see `w2s tasks`")
    source = tasks.load(settings)
    if isinstance(settings, schema.WordProblemsTask):
        refuse_overwriting(folder, {"the task's own folder": word_problems.folder(settings)})
    lines = []
    for split in source.splits:
        questions = source.questions(split)[:limit]
        jsonl.write(folder / f"{split}.jsonl", map(asdict, questions))
        lines.append(f"{folder / split}.jsonl: {len(questions):,} questions")
        try:
            golds = gold.load(settings, split)
        except BranchEnds as ended:
            lines.append(str(ended))
            continue
        rows = [{k: v for k, v in asdict(golds[q.id]).items() if v is not None} for q in questions if q.id in golds]
        jsonl.write(folder / f"gold_{split}.jsonl", rows)
        lines.append(f"{folder / f'gold_{split}'}.jsonl: {len(rows):,} answers")
    return lines
