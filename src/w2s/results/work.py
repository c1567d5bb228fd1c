"""What training and generation have on record, a row per step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from w2s.results.table import percent

Record = Mapping[str, Any]


def table(records: Mapping[str, Record]) -> tuple[list[str], dict[str, list[str]]]:
    """Columns with some figure, and the cells of each step in order of finishing."""
    steps = sorted(filter(_worked, records.values()), key=lambda record: str(record["finished"]))
    cells = {column: [cell(record) for record in steps] for column, cell in _COLUMNS.items()}
    columns = [column for column, found in cells.items() if any(found)]
    return columns, {step["name"]: [cells[column][row] for column in columns] for row, step in enumerate(steps)}


def totals(records: Mapping[str, Record]) -> dict[str, int]:
    """Counts over all steps."""
    results = [record["result"] for record in records.values() if _worked(record)]
    dropped = [record["result"].get("dropped") or {} for record in records.values()]
    generated = [result for result in results if "cut_off" in result]
    return {
        "trainings": len(results) - len(generated),
        "generations": len(generated),
        "completions": sum(result["of"] for result in generated),
        "cut": sum(result["cut_off"] for result in generated),
        "dropped_cut": sum(reasons.get("cut", 0) for reasons in dropped),
        "left_out": sum(result.get("spelled", 0) for result in results),
    }


def _worked(record: Record) -> bool:
    return not {"loss_first", "cut_off"}.isdisjoint(record["result"])


def _speed(record: Record) -> str:
    """None for a resumed step: it timed only its last part."""
    result = record["result"]
    seconds = result.get("generation_seconds") or result.get("seconds")
    return f"{result['tokens'] / seconds:,.0f}" if seconds and not record.get("resumed") else ""


def _count(*names: str) -> Callable[[Record], str]:
    return lambda record: next((f"{record['result'][name]:,}" for name in names if name in record["result"]), "")


def _change(name: str) -> Callable[[Record], str]:
    def cell(record: Record) -> str:
        ends = [record["result"].get(f"{name}_{end}") for end in ("first", "last")]
        return "" if ends == [None, None] else " → ".join("–" if end is None else f"{end:.2f}" for end in ends)

    return cell


def _fall(record: Record) -> str:
    most = record["result"].get("chosen_drop_most")
    return "" if most is None else f"{most:.2f}"


def _cut(record: Record) -> str:
    result = record["result"]
    return percent(result["cut_off"] / result["of"]) if result.get("of") and "cut_off" in result else ""


def _as_in_training(record: Record) -> str:
    found = record["result"].get("parity")
    return "" if found is None else percent(found["agreement"])


_COLUMNS: dict[str, Callable[[Record], str]] = {
    "examples": _count("examples", "of"),
    "tokens": _count("tokens"),
    "tokens/s": _speed,
    "loss": _change("loss"),
    "chosen, nats": _change("chosen_logp"),
    "fall, nats per token": _fall,
    "left out": _count("spelled"),
    "cut, %": _cut,
    "as in training, %": _as_in_training,
}
