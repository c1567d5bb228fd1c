"""Verb: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import w2s
from w2s.cli.app import RowFormat, app, say
from w2s.config import choices


@app.command(epilog="Example: w2s export runs/tiny --model m_pro_dpo --to my_model")
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")],
    to: Annotated[str, typer.Option(metavar="FOLDER|hub:ORG/NAME", help="A new folder, or a new hub repository.")],
    model: Annotated[str | None, typer.Option(help="A model of the run, such as m_pro_dpo.")] = None,
    data: Annotated[
        str | None, typer.Option(help="In its place training rows: stage1_iter2, stage2_pairs, ..., or all.")
    ] = None,
    dtype: Annotated[choices.Dtype, typer.Option(help="Of the weights.")] = "bfloat16",
    merge: Annotated[bool, typer.Option("--merge", help="An adapter and its base as one model.")] = False,
    row_format: RowFormat = "trl",
    public: Annotated[bool, typer.Option("--public", help="On the hub: for everybody (default: private).")] = False,
) -> None:
    """Give a run's model or training rows away, with a card; only hub: leaves this machine."""
    exported = w2s.export(
        folder, to, model=model, data=data, dtype=dtype, merge=merge, format=row_format, public=public
    )
    say(exported.lines())
