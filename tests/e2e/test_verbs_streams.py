"""The verbs on files through the real command line: pipes, gzip, arrays, and memory that the responses do not fill."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from w2s.data import jsonl


def said(identity: int, answer: int, **more: int) -> dict[str, Any]:
    return {"id": identity, "question": f"What is {identity}?", "response": f"It is.\n#### {answer}", **more}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Ten questions: weak and strong agree on the even ones; five samples with four votes for the weak answer."""
    made = {name: tmp_path / f"{name}.jsonl" for name in ("gold", "weak", "strong", "samples")}
    jsonl.write(made["gold"], ({"id": n, "answer": str(n)} for n in range(10)))
    jsonl.write(made["weak"], (said(n, n) for n in range(10)))
    jsonl.write(made["strong"], (said(n, n + n % 2) for n in range(10)))
    jsonl.write(made["samples"], (said(n, n + (s == 4), sample=s) for s in range(5) for n in range(10)))
    return made


def forms(file: Path) -> list[tuple[Path | str, str | None]]:
    """The same rows as a file, compressed, as an array, and on standard input."""
    data = file.read_text()
    packed, array = file.with_suffix(".jsonl.gz"), file.with_suffix(".json")
    packed.write_bytes(gzip.compress(data.encode()))
    array.write_text(json.dumps([json.loads(line) for line in data.splitlines()], indent=2))
    return [(file, None), (packed, None), (array, None), ("-", data)]


@pytest.mark.parametrize("verb", ["grade", "agree", "pairs"])
def test_every_form_of_a_file_gives_the_same_rows(w2s: Any, tmp_path: Path, files: dict[str, Path], verb: str) -> None:
    first, other = {"grade": ("gold", "responses"), "agree": ("weak", "strong"), "pairs": ("weak", "samples")}[verb]
    second = "weak" if verb == "grade" else other
    expected = tmp_path / "expected.jsonl"
    arguments = [verb, "--task", "gsm8k", f"--{first}", str(files[first])]
    done = w2s(*arguments, f"--{other}", str(files[second]), "--out", str(expected))
    assert done.returncode == 0, done.stderr
    assert len(expected.read_text().splitlines()) == 10
    for file, stdin in forms(files[second]):
        piped = w2s(*arguments, f"--{other}", str(file), "--out", "-", stdin=stdin)
        assert piped.returncode == 0, piped.stderr
        assert piped.stdout == expected.read_text()
        packed = tmp_path / "out.jsonl.gz"
        assert w2s(*arguments, f"--{other}", str(file), "--out", str(packed), stdin=stdin).returncode == 0
        assert gzip.decompress(packed.read_bytes()).decode() == expected.read_text()


def test_the_weak_file_may_come_through_a_pipe(w2s: Any, files: dict[str, Path]) -> None:
    weak = files["weak"].read_text()
    done = w2s(
        "agree", "--task", "gsm8k", "--weak", "-", "--strong", str(files["strong"]), "--gold", str(files["gold"]),
        "--out", "-", stdin=weak,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [n for n in range(0, 10, 2) for _ in "wi"]
    assert "kept 5 of 10" in done.stderr and "5 of 5" in done.stderr


def test_an_agreement_is_augmented_from_the_command_line(w2s: Any, tmp_path: Path, files: dict[str, Path]) -> None:
    """Five of ten are kept, and four of five samples agree on each of the others: of 7 wanted 2 are added."""
    out = tmp_path / "h.jsonl"
    arguments = ["agree", "--task", "gsm8k", "--weak", str(files["weak"]), "--strong", str(files["strong"])]
    done = w2s(*arguments, "--augment-to", "7", "--samples", str(files["samples"]), "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "kept 5 of 10" in done.stdout and "added 2 questions on which a sample agrees, 0 short" in done.stdout
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 14 and [row.get("added", False) for row in rows] == [False] * 10 + [True] * 4
    assert all(row["id"] % 2 for row in rows[10:])
    assert w2s(*arguments, "--augment-to", "7", "--out", str(out)).returncode == 2
    assert w2s(*arguments, "--augment-to", "0", "--out", str(out)).returncode == 2


def test_a_response_that_is_refused_late_leaves_no_file(w2s: Any, tmp_path: Path, files: dict[str, Path]) -> None:
    with open(files["weak"], "a") as more:
        more.write(json.dumps(said(3, 3)) + "\n")
    for verb, options in (
        ("grade", ("--gold", "gold", "--responses", "weak")),
        ("agree", ("--weak", "weak", "--strong", "strong")),
    ):
        given = [str(files.get(each, each)) for each in options]
        done = w2s(verb, "--task", "gsm8k", *given, "--out", str(tmp_path / "out.jsonl"))
        assert done.returncode == 2 and "weak.jsonl:11 [id]: id '3' already stands in" in done.stderr
        assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*out.jsonl*"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from /proc")
@pytest.mark.parametrize(
    "verb", ["grade", *(pytest.param(verb, marks=pytest.mark.nightly) for verb in ("pairs", "agree"))]
)
def test_memory_does_not_grow_with_the_responses(tmp_path: Path, verb: str) -> None:
    """200 MB of responses to 2,000 questions in 200 MB of memory for everything, the interpreter included."""
    first = {"answer": "1"} if verb == "grade" else {"question": "x?", "response": "#### 1"}
    jsonl.write(tmp_path / "first.jsonl", ({"id": n, **first} for n in range(2000)))
    jsonl.write(tmp_path / "strong.jsonl", ({"id": n, "question": "x?", "response": "#### 2"} for n in range(2000)))
    padding = "First we count. " * 600
    texts = (
        {"id": n, "question": "x?", "response": f"{padding}\n#### 1", "sample": s}
        for s in range(10)
        for n in range(2000)
    )
    jsonl.write(tmp_path / "r.jsonl", texts)
    assert (tmp_path / "r.jsonl").stat().st_size > 190e6
    call = {
        "grade": "verbs.grade(first, samples, out, rule=rule)",
        "pairs": "verbs.pairs(inputs(weak=first, samples=samples), out, rule=rule)",
        # nothing agrees, and every question is added from the samples
        "agree": "verbs.agree(inputs(weak=first, strong=strong, samples=samples), out, rule=rule, augment_to=3000)",
    }[verb]
    child = (  # VmHWM, as the peak that getrusage tells is at least that of the process that started this one
        "import sys; from w2s import verbs; first, strong, samples, out = sys.argv[1:]; "
        f"inputs, rule = verbs.Inputs, verbs.AnswerRule('gsm8k'); print({call}.as_dict(), file=sys.stderr); "
        "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    files = [str(tmp_path / name) for name in ("first.jsonl", "strong.jsonl", "r.jsonl", "o.jsonl")]
    done = subprocess.run([sys.executable, "-c", child, *files], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "2000" in done.stderr, done.stderr
    assert int(done.stdout) * 1024 < 200e6
