"""The command `w2s`: shared options and summaries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from w2s.config import choices
from w2s.errors import UserError
from w2s.version import __version__

if TYPE_CHECKING:
    from w2s.verbs import GradeSummary, LabelSummary, SelectionSummary

app = typer.Typer(
    name="w2s",
    help="Weak-to-strong reasoning (arXiv 2407.13647): a strong model learns from a weak one.",
    epilog="Example: w2s run tiny; then w2s report runs/tiny",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Arguments = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PRESET|FILE.yaml] [KEY.SUB=VALUE]...", help="A preset (tiny) or recipe, then overrides."),
]
Out = Annotated[Path | None, typer.Option(help="The run's folder (default: runs/NAME, or runs/NAME-limit-N).")]
Limit = Annotated[int | None, typer.Option(min=1, help="Keep only this many questions of each split.")]
Seed = Annotated[int | None, typer.Option(help="The run's seed.")]
Seeds = Annotated[
    str | None,
    typer.Option(metavar="0-4|0,2,5", help="With each, in OUT/seed-N; {seed} in an override stands for N."),
]
Replace = Annotated[bool, typer.Option("--replace", help="Replace finished work of other settings in the folder.")]
TaskName = Annotated[str, typer.Option("--task", help="A task, or an answer style: see `w2s tasks`.")]
Match = Annotated[choices.Match, typer.Option(help="How final answers are compared.")]
Layout = Annotated[
    choices.Layout,
    typer.Option(help="Whose files (docs/verbs.md lists the layouts); auto: by the first row."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="NAME=COLUMN", help="Your column for id, question, response, answer (repeat it)."),
]
Pattern = Annotated[
    str | None, typer.Option(metavar="REGEX", help="Where a response states its answer: the last match.")
]
Questions = Annotated[str | None, typer.Option(help="Questions by id, where the files have none (a batch's input).")]
RowFormat = Annotated[
    choices.RowFormat, typer.Option("--format", help="Of rows: TRL's texts, TRL's messages, or LLaMA-Factory's Alpaca.")
]
Join = Annotated[
    choices.Join, typer.Option(help="How rows are matched: gold, and files without ids, by the question's text.")
]
OnlyShared = Annotated[bool, typer.Option("--only-shared", help="Leave out questions that only one file has.")]
Gold = Annotated[str | None, typer.Option(help="Right answers: reports precision, never selects.")]
Keep = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="Another column that training rows keep (repeat it).")
]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]
ModelName = Annotated[str, typer.Option("--model", help="w2s:tiny-strong, a folder, a hub id, ... (docs/models.md).")]


@app.callback(invoke_without_command=True)
def _options(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"w2s {__version__}")
        raise typer.Exit


def say(lines: Sequence[str], out: str | None = None) -> None:
    """Print a summary, never among rows on standard output."""
    typer.echo("\n".join(lines), err=out == "-")


def named(pairs: Sequence[str] | None, option: str = "--answers") -> dict[str, str]:
    """Files or columns by name, of options NAME=VALUE.

    Raises:
        UserError: no name, no value, or one name twice.
    """
    files: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, file = pair.partition("=")
        if not equals or not name or not file:
            what, example = _NAMED[option]
            raise UserError(f"{pair!r} is not a name and a {what}", field=option, expected=example)
        if name in files:
            what = _NAMED[option][0]
            raise UserError(f"the name {name!r} is given twice", field=option, hint=f"give each {what} its own name")
        files[name] = file
    return files


_NAMED = {
    "--answers": ("file", "NAME=FILE, such as weak=weak.jsonl"),
    "--column": ("column", "NAME=COLUMN, such as question=problem"),
}


def summarise(summary: GradeSummary | LabelSummary | SelectionSummary, out: str | None, as_json: bool) -> None:
    """Print a verb's summary."""
    say([json.dumps(summary.as_dict())] if as_json else summary.lines(), out)
