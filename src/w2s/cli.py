"""The verbs: parse, call, print. Whatever is heavy is imported by the verb that needs it.

Exit codes: 0, or 2 on a user's error (a message on standard error), 1 on a failure of ours (with its traceback),
130 where the user stopped it.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from w2s import choices
from w2s.errors import UserError

if TYPE_CHECKING:
    from w2s.config import Run
    from w2s.flow.step import Step
    from w2s.verbs import GradeSummary, SelectionSummary

app = typer.Typer(
    name="w2s",
    help="Weak-to-strong reasoning (arXiv 2407.13647): a strong model learns from a weak one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Arguments = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PRESET|FILE.yaml] [KEY.SUB=VALUE]...", help="A preset (tiny) or recipe, then overrides."),
]
Out = Annotated[Path | None, typer.Option(help="The run's folder (default: runs/NAME).")]
Limit = Annotated[int | None, typer.Option(min=1, help="Keep only this many questions of each split.")]
Seed = Annotated[int | None, typer.Option(help="The run's seed.")]
TaskName = Annotated[str, typer.Option("--task", help="A task, or an answer style: see `w2s tasks`.")]
Match = Annotated[choices.Match, typer.Option(help="How final answers are compared.")]
Layout = Annotated[
    choices.Layout,
    typer.Option(help="Whose files: ours, the paper's, TRL's, lm-eval's sample logs; auto: by the first row."),
]
Join = Annotated[choices.Join, typer.Option(help="How gold is matched: by id or by the question's text.")]
Gold = Annotated[str | None, typer.Option(help="Right answers: reports precision, never selects.")]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


@app.command()
def run(arguments: Arguments = None, out: Out = None, limit: Limit = None, seed: Seed = None) -> None:
    """Run the recipe, reusing what was made before."""
    loaded, folder, steps = _recipe(arguments, out, limit, seed)
    from w2s import console
    from w2s.engines import isolated
    from w2s.flow import runner

    with console.observer(loaded.runtime.progress) as observer, isolated.kept():
        runner.run(steps, folder, loaded.runtime, observer)
    _report(folder, loaded)


@app.command()
def plan(
    arguments: Arguments = None,
    out: Out = None,
    limit: Limit = None,
    seed: Seed = None,
    tokens_per_second: Annotated[
        str | None, typer.Option(metavar="RATE", help="Of generation: 2000, or strong=2000,weak=9000.")
    ] = None,
    train_tokens_per_second: Annotated[str | None, typer.Option(metavar="RATE", help="Of training, likewise.")] = None,
    parameters: Annotated[str | None, typer.Option(metavar="COUNTS", help="As in strong=70e9,weak=7e9.")] = None,
    devices: Annotated[int | None, typer.Option(min=1, help="Devices that are held at once.")] = None,
    probe: Annotated[bool, typer.Option("--probe", help="Measure this machine first, for some seconds.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what `run` would do, why, and at what cost; compute nothing.

    Speeds are those that this folder has on record, else the figures given, else the probe's.
    """
    from w2s import budget

    given = budget.rates(
        budget.figures(tokens_per_second, "--tokens-per-second") if tokens_per_second else {},
        budget.figures(train_tokens_per_second, "--train-tokens-per-second") if train_tokens_per_second else {},
        "given",
    )
    counts = budget.figures(parameters, "--parameters", by_role=True) if parameters else {}
    loaded, folder, steps = _recipe(arguments, out, limit, seed, planning=True)
    from w2s import console
    from w2s.flow import runner

    rates = {name: budget.Rate(rate, "recorded") for name, rate in runner.recorded_rates(steps, folder).items()}
    rates = given | rates
    if probe:
        from w2s import probe as machine

        asked = next(step.given["questions"] for step in steps if step.name == "questions_train_2")
        rates = budget.rates(*machine.measure(loaded, asked), "probed") | rates
    overlap = next(step for step in steps if step.name == "overlap")
    planned = runner.plan(steps, folder, {name: rate.tokens_per_second for name, rate in rates.items()})
    found = budget.budget(planned, steps, loaded.recipe, rates, counts, devices, loaded.runtime)
    if as_json:
        told = budget.as_dict(planned, found) | {"overlap": overlap.params}
        typer.echo(json.dumps(told, indent=1, default=lambda value: value.model_dump()))
    else:
        console.print_plan(planned, found)
        typer.echo("".join(f"{line}\n" for line in overlap.given["lines"]), nl=False)


@app.command()
def report(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")]) -> None:
    """Rebuild a run's report and print its table."""
    from w2s import presets

    if not (folder / "recipe.yaml").is_file():
        raise UserError("holds no run", file=folder, expected="a folder that `w2s run` wrote, with recipe.yaml")
    _report(folder, presets.load(f"{folder}/recipe.yaml"))


@app.command()
def sample(
    model: Annotated[str, typer.Option(help="w2s:tiny-strong, a folder, a hub id, ... (docs/models.md).")],
    task: Annotated[str, typer.Option(help="arith, gsm8k, math, olympicarena, word_problems or jsonl.")],
    split: Annotated[str, typer.Option(help="A split of the task, or a file of questions.")],
    out: Annotated[str, typer.Option(help="The file to write (.gz: compressed); - is standard output.")],
    n: Annotated[int | None, typer.Option(min=1, help="Responses a question (default 10; 1 at temperature 0).")] = None,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 1.0,
    top_p: Annotated[float, typer.Option()] = 1.0,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Tokens a response may have.")] = 512,
    engine: Annotated[str, typer.Option(help="transformers, vllm, openai or scripted.")] = "transformers",
    few_shot: Annotated[Path | None, typer.Option(help="A responses file, shown before each question.")] = None,
    prompt: Annotated[
        choices.Prompt, typer.Option(help="Question and Answer, or the model's own chat template.")
    ] = "plain",
    dtype: Annotated[choices.Dtype, typer.Option()] = "float32",
    device: Annotated[choices.Device, typer.Option()] = "auto",
    offline: Annotated[bool, typer.Option("--offline", help="Never ask a model hub.")] = False,
    trust_remote_code: Annotated[bool, typer.Option("--trust-remote-code")] = False,
    server: Annotated[str | None, typer.Option(help="The server's base URL (engine openai).")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once (engine openai).")] = 32,
    tensor_parallel: Annotated[int, typer.Option(min=1, help="GPUs that share the model (engine vllm).")] = 1,
    no_canary: Annotated[
        bool, typer.Option("--no-canary", help="Leave out the check that the engine serves the model right.")
    ] = False,
    limit: Limit = None,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Let a model answer questions; resumes when stopped."""
    from w2s import chat, config, console, sampling
    from w2s.engines.base import Decoding

    asked = sampling.questions(task, split, limit)
    shots = () if few_shot is None else sampling.demonstrations(few_shot)
    builder = chat.builder(prompt, model, offline)
    with console.bar("sample") as on_progress:
        made = sampling.sample(
            asked,
            out,
            model=model,
            n=n or (10 if temperature > 0 else 1),
            decoding=Decoding(max_new_tokens, temperature, top_p, builder.stop(bool(shots)), sampling.step_seed(seed)),
            shots=shots,
            builder=builder,
            engine=engine,
            dtype=dtype,
            trust_remote_code=trust_remote_code,
            runtime=config.Runtime(
                device=device,
                offline=offline,
                server=server,
                concurrency=concurrency,
                tensor_parallel=tensor_parallel,
                canary=not no_canary,
            ),
            on_progress=on_progress,
        )
    _print([f"{made.responses:,} responses, {made.tokens:,} tokens, {made.cut_off:,} cut at the limit"], out)


@app.command()
def grade(
    task: TaskName,
    gold: Annotated[str, typer.Option(help='Rows {"id", "answer"}, as `w2s tasks NAME --out FOLDER` writes them.')],
    responses: Annotated[str, typer.Option(help='Rows {"id", "question", "response"}; - is standard input.')],
    out: Annotated[str | None, typer.Option(help="Responses with prediction and verdict.")] = None,
    match: Match = "equivalent",
    scoring: Annotated[
        choices.Scoring, typer.Option(help="Ours, or GSM8K as lm-evaluation-harness scores it.")
    ] = "w2s",
    layout: Layout = "auto",
    join: Join = "id",
    as_json: Json = False,
) -> None:
    """Grade responses: accuracy with a 95 % interval."""
    from w2s import console, verbs

    with console.bar("grade") as move:
        graded = verbs.grade(
            gold, responses, out, task=task, match=match, scoring=scoring, layout=layout, join=join,
            on_progress=lambda done, of: move(done, of, 0),
        )  # fmt: skip
    _summarise(graded, out, as_json)


@app.command()
def agree(
    task: TaskName,
    weak: Annotated[str, typer.Option(help="The weak model's responses.")],
    strong: Annotated[str, typer.Option(help="The strong model's responses.")],
    out: Annotated[str, typer.Option(help="TRL prompt-completion rows.")],
    match: Match = "equivalent",
    gold: Gold = None,
    layout: Layout = "auto",
    join: Join = "id",
    only_shared: Annotated[bool, typer.Option("--only-shared", help="Leave out ids that only one file has.")] = False,
    nothing_agrees: Annotated[
        bool | None,
        typer.Option(
            "--nothing-agrees/--no-nothing-agrees", help="Two texts without an answer agree (default: with string)."
        ),
    ] = None,
    augment_to: Annotated[int | None, typer.Option(min=1, help="Add questions until there are so many.")] = None,
    samples: Annotated[str | None, typer.Option(help="More strong responses, from which --augment-to adds.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
    as_json: Json = False,
) -> None:
    """Keep the questions on which two models agree (Stage I)."""
    from w2s import console, verbs

    with console.bar("agree") as move:
        made = verbs.agree(
            weak, strong, out, task=task, match=match, layout=layout, gold=gold, join=join,
            only_shared=only_shared, nothing_agrees=nothing_agrees, augment_to=augment_to, samples=samples, seed=seed,
            on_progress=lambda done, of: move(done, of, 0),
        )  # fmt: skip
    _summarise(made, out, as_json)


@app.command()
def pairs(
    task: TaskName,
    weak: Annotated[str, typer.Option(help="The weak model's responses.")],
    samples: Annotated[str, typer.Option(help="Several responses of the strong model to each question.")],
    out: Annotated[str, typer.Option(help="TRL preference rows.")],
    confidence: Annotated[float, typer.Option(help="Votes below this are dropped.")] = 0.6,
    reject_confidence: Annotated[float, typer.Option(help="From here the weak text may be rejected.")] = 0.8,
    max_pairs: Annotated[int, typer.Option(help="Pairs a question.")] = 1,
    match: Match = "equivalent",
    gold: Gold = None,
    layout: Layout = "auto",
    join: Join = "id",
    as_json: Json = False,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Make preference pairs from weak texts and strong votes (Stage II)."""
    from w2s import console, verbs

    with console.bar("pairs") as move:
        made = verbs.pairs(
            weak, samples, out, task=task, match=match, confidence=confidence, reject_confidence=reject_confidence,
            max_pairs=max_pairs, seed=seed, layout=layout, gold=gold, join=join,
            on_progress=lambda done, of: move(done, of, 0),
        )  # fmt: skip
    _summarise(made, out, as_json)


@app.command("tasks")
def list_tasks(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A task, to be written as files.")] = None,
    out: Annotated[Path | None, typer.Option(help="A folder for its questions and gold, two files a split.")] = None,
    limit: Limit = None,
) -> None:
    """List the tasks and answer styles, or write a task as files."""
    if name is not None and out is not None:
        from w2s import verbs

        typer.echo("\n".join(verbs.export(name, out, limit)))
        return
    if name is not None or out is not None:
        raise UserError("a task is written into a folder", expected="w2s tasks NAME --out FOLDER")
    from w2s import console, tasks

    console.print_facts([(name, tasks.describe(name)) for name in tasks.names()], "tasks")
    console.print_facts(list(tasks.styles().items()), "answer styles (--task of grade, agree and pairs takes one too)")


@app.command("presets")
def list_presets(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A preset, to be printed.")] = None,
) -> None:
    """List the presets, or print one: every value with its source."""
    from w2s import console, presets

    if name is not None:
        typer.echo(presets.text(name), nl=False)
        return
    console.print_facts([(name, presets.describe(name)) for name in presets.names()])


@app.command("doctor")
def examine() -> None:
    """Say what this machine has and which presets can run."""
    from w2s import console, doctor

    for title, facts in (
        ("machine", doctor.machine()),
        ("packages", doctor.packages()),
        ("presets", doctor.readiness()),
    ):
        console.print_facts(facts, title)


@app.callback(invoke_without_command=True)
def _options(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from w2s import __version__

        typer.echo(f"w2s {__version__}")
        raise typer.Exit


def _recipe(
    arguments: Sequence[str] | None, out: Path | None, limit: int | None, seed: int | None, planning: bool = False
) -> tuple[Run, Path, list[Step]]:
    """The run that the arguments ask for, its folder and its steps."""
    from w2s import presets

    source, overrides = split_arguments(arguments or [])
    overrides += [f"{name}={value}" for name, value in (("limit", limit), ("seed", seed)) if value is not None]
    loaded = presets.load(source, overrides)

    from w2s import recipe  # imports the trainers: after a mistake in the arguments has been told
    from w2s.steps import settings

    return loaded, out or Path("runs") / loaded.recipe.name, [settings.step(loaded), *recipe.build(loaded, planning)]


def split_arguments(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The preset or file (tiny, if none is given) and the overrides, which are the arguments with a "=".

    Raises:
        UserError: two presets or files.
    """
    sources = [argument for argument in arguments if "=" not in argument]
    if len(sources) > 1:
        raise UserError(
            f"{sources[1]!r} is one argument too many",
            expected="one preset or file, then overrides like training.epochs=2",
        )
    return (sources or ["tiny"])[0], [argument for argument in arguments if "=" in argument]


def _report(folder: Path, loaded: Run) -> None:
    from w2s import console, report
    from w2s.report import table

    console.print_out(table.tables(report.write(folder, loaded)))
    typer.echo(f"{folder / 'report.html'}\n{folder / 'results.json'}")


def _print(lines: Sequence[str], out: str | None) -> None:
    """A summary: on standard error where standard output carries the rows."""
    typer.echo("\n".join(lines), err=out == "-")


def _summarise(summary: GradeSummary | SelectionSummary, out: str | None, as_json: bool) -> None:
    _print([json.dumps(summary.as_dict())] if as_json else summary.lines(), out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="w2s")
    except UserError as error:
        print(f"w2s: {error}", file=sys.stderr)
        return 2
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except Exception as error:
        traceback.print_exc()
        print(f"w2s failed: {type(error).__name__}: {error}\nWhat was made stays made; this is a bug.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
