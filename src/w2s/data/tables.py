"""Rows of tables: CSV, TSV, Parquet."""

from __future__ import annotations

import codecs
import contextlib
import csv
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from w2s.data import columns, json_text
from w2s.data.json_text import LONGEST
from w2s.errors import UserError, first_line

_BATCH = 256  # rows of Parquet in memory
_USUAL = {".tsv": "\t,;", ".csv": ",;\t"}  # with semicolons, as spreadsheets write it where the comma is in numbers
_INTEGERS = ("sample", "epoch", "doc_id")
_NUMBERS = ("weight", "first_weight")
_LISTS = (*columns.SEVERAL, *columns.CONVERSATIONS)


def delimiter(first: bytes, path: str | Path) -> str | None:
    """What separates the cells of a table whose first line is `first`; None: it is no table."""
    if first.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"["):
        return None
    header = json_text.text(first, path, 1).strip()
    name = str(path).removesuffix(".gz").casefold()
    for suffix, separators in _USUAL.items():
        if name.endswith(suffix):
            return next((each for each in separators if each in header), separators[0])
    for each in (",", "\t", ";"):
        if each in header and columns.KNOWN & {cell.strip().strip('"') for cell in header.split(each)}:
            return each
    return None


def separated(
    first: bytes, stream: IO[bytes], path: str | Path, separator: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, row) of a table with a header.

    Raises:
        UserError: a bad header, a row with other cells than it, bad quotes.
    """
    csv.field_size_limit(LONGEST)
    reader = csv.reader(_lines(first, stream, path), delimiter=separator, strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            if header is None and cells:
                header = _header(cells, path, line)
            elif header is not None and cells:
                if len(cells) != len(header):
                    raise UserError(
                        f"the row has {len(cells)} cells, and the header {len(header)}",
                        file=path,
                        line=line,
                        expected="one cell per column, in quotes where it holds a comma or a line break",
                    )
                named = zip(header, cells, strict=True)
                fields = {name: _cell(name, cell, path, line) for name, cell in named if name}
                yield line, json_text.as_object(fields, path, line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"is not a table ({error})",
            file=path,
            line=line,
            hint=f'cells are separated by {separator!r}, and a quote in a quoted cell is written twice: ""',
        ) from error


def _lines(first: bytes, stream: IO[bytes], path: str | Path) -> Iterator[str]:
    number, raw = 1, first
    while raw:
        yield json_text.text(raw, path, number)
        number += 1
        raw = json_text.line(stream, path, number)


def _header(cells: list[str], path: str | Path, line: int) -> list[str]:
    names = [cell.strip() for cell in cells]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None or not any(names):
        problem = "names no column" if twice is None else f"names the column {twice!r:.80} twice"
        raise UserError(problem, file=path, line=line, expected="a header such as id,question,response")
    return ["" if name == "Unnamed: 0" else name for name in names]  # pandas writes its index so


def _cell(name: str, cell: str, path: str | Path, line: int) -> Any:
    if name in _LISTS and cell.lstrip()[:1] == "[":
        try:
            return json.loads(cell)
        except (ValueError, RecursionError) as error:
            raise UserError(
                "the cell is a list, but not in JSON",
                file=path,
                line=line,
                field=name,
                expected='["one text", "another"]',
                hint=f'write it with json.dumps: table["{name}"] = table["{name}"].map(json.dumps)',
            ) from error
    if not cell.strip() and name not in columns.RESPONSES:  # an empty response is one, and no answer
        return None
    if name in _INTEGERS and cell.strip().isdecimal() and len(cell) < 20:
        return int(cell)
    if name in _NUMBERS:
        with contextlib.suppress(ValueError):
            number = float(cell)
            return number if math.isfinite(number) else cell
    return cell.strip().casefold() == "true" if name == "cut" else cell


def parquet(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row from 1, fields).

    Raises:
        UserError: no library that reads it, or a damaged file.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        batches = _with_pandas(path)
    else:
        batches = _with_pyarrow(pyarrow.parquet, path)
    number = 0
    while True:
        try:
            batch = next(batches, None)
        except UserError:
            raise
        except Exception as error:  # Arrow's own classes, and others for damage that it does not expect
            reason = first_line(error)[:200]
            problem = f"is no readable Parquet file ({type(error).__name__}: {reason})"
            raise UserError(problem, file=path, hint="write the file again: it is cut off or damaged") from error
        if batch is None:
            return
        for fields in batch:
            number += 1
            yield number, plain(fields)


def _with_pyarrow(library: Any, path: str | Path) -> Iterator[Iterable[dict[str, Any]]]:
    with library.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_BATCH):
            yield batch.to_pylist()


def _with_pandas(path: str | Path) -> Iterator[Iterable[dict[str, Any]]]:
    try:
        import pandas

        yield pandas.read_parquet(path).to_dict("records")
    except ImportError as error:
        raise UserError(
            "is Parquet, and neither pyarrow nor a pandas that reads it is installed",
            file=path,
            hint="pip install pyarrow, or write the rows as JSON Lines",
        ) from error


def plain(value: Any) -> Any:
    """A value as JSON has it; NaN is null, and what JSON lacks is text."""
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if hasattr(value, "tolist"):  # NumPy
        return plain(value.tolist())
    return str(value)
