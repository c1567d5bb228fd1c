"""`w2s tasks NAME --out FOLDER`: a built-in task as files, gold apart, for the verbs that read files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from w2s import config, gold, jsonl, tasks
from w2s.errors import BranchEnds, UserError


def export(task: str, folder: Path, limit: int | None = None) -> list[str]:
    """Write `<split>.jsonl` with the questions of each split, and `gold_<split>.jsonl` where it has gold.

    The questions are those that `w2s sample --task NAME --split SPLIT` asks with the same `limit`.

    Returns:
        What was written, a line a file.

    Raises:
        UserError: no such task, or `jsonl`, which is a user's own files; or its data cannot be had.
    """
    described = tasks.by_name(task, limit)
    if isinstance(described, config.FilesTask) and described.name == "jsonl":
        raise UserError("jsonl is files already", field="NAME", expected="arith, gsm8k, math, ...: see `w2s tasks`")
    source = tasks.load(described)
    written = []
    for split in source.splits:
        asked = source.questions(split)[:limit]
        jsonl.write(folder / f"{split}.jsonl", map(asdict, asked))
        written.append(f"{folder / split}.jsonl: {len(asked):,} questions")
        try:
            known = gold.load(described, split)
        except BranchEnds as ended:
            written.append(str(ended))
            continue
        rows = [{k: v for k, v in asdict(known[q.id]).items() if v is not None} for q in asked if q.id in known]
        jsonl.write(folder / f"gold_{split}.jsonl", rows)
        written.append(f"{folder / f'gold_{split}'}.jsonl: {len(rows):,} answers")
    return written
