"""Small files in the shapes of other tools: the same three questions and responses in each.

Of the responses, two are right (7 and 10) and the third is wrong: half of 9 is 4.5, and it says 4.
"""

from __future__ import annotations

import json
import struct
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from response_files import again, said, written

import w2s
from w2s.data import jsonl
from w2s.data.index import Index, Reader, responses
from w2s.errors import UserError

FILES = Path(__file__).parent / "files"
GOLD = FILES / "gold.jsonl"
LOG = "samples_gsm8k_2026-01-05T10-00-00.jsonl"
QUESTIONS = {
    "q1": "Tom has 3 apples and buys 4. How many has he?",
    "q2": 'Ann reads 5 pages a day, "for fun", on 2 days. How many pages?',
    "q3": "What is half of 9?",
}
SAID = {"q1": "3 + 4 = 7.\n#### 7", "q2": "5 * 2 = 10, so\n#### 10", "q3": "It is 4.\n#### 4"}
FORMATS = [
    ("answers.csv", "w2s"), ("answers.tsv", "w2s"), ("answers.parquet", "w2s"), ("messages.jsonl", "chat"),
    ("sharegpt.jsonl", "chat"), ("openai_batch.jsonl", "batch"), ("vllm_batch.jsonl", "batch"),
    ("completions_batch.jsonl", "batch"), ("responses_batch.jsonl", "batch"), ("inspect.json", "inspect"),
    ("inspect.eval", "inspect"), ("vllm_outputs.jsonl", "columns"), ("generated_text.json", "columns"),
    ("lists.jsonl", "columns"), ("completions.jsonl", "columns"), ("alpaca.jsonl", "gair"),
]  # fmt: skip
SEVERAL = ("vllm_batch.jsonl", "vllm_outputs.jsonl", "lists.jsonl")
"""With a second response of each question: "#### 0"."""


@pytest.mark.parametrize(("name", "layout"), FORMATS)
def test_a_file_of_another_tool_gives_its_responses(name: str, layout: str) -> None:
    with Index(FILES / name, several=name in SEVERAL) as index:
        assert index.reader.layout.name == layout and not index.reader.numbered
        assert set(index.ids) == set(SAID)
        for identity, number in index.ids.items():
            found = index.read(number)
            assert (found[0][0].response, found[0][1]) == (SAID[identity], 0)
            assert found[0][0].question == ("" if layout == "batch" else QUESTIONS[identity])
            assert [(raw.response, sample) for raw, sample in found[1:]] == [("#### 0", 1)] * (name in SEVERAL)


@pytest.mark.parametrize("name", [name for name, _ in FORMATS])
def test_it_is_graded(name: str) -> None:
    graded = w2s.grade(GOLD, FILES / name, task="number")
    assert (graded.correct, graded.questions) == (2, 3)


@pytest.mark.parametrize(("name", "cut"), [
    ("openai_batch.jsonl", {"q3": [True]}), ("inspect.json", {"q3": [True]}), ("lists.jsonl", {}),
    ("vllm_outputs.jsonl", {f"q{n}": [False, True] for n in (1, 2, 3)}),
])  # fmt: skip
def test_a_response_that_was_cut_is_known(name: str, cut: dict[str, list[bool]]) -> None:
    """OpenAI and vLLM say "length", inspect_ai "max_tokens"."""
    found: dict[str, list[bool]] = {}
    for _, raw in responses(FILES / name, Reader(question_needed=False)):
        found.setdefault(str(raw.id), []).append(raw.cut)
    assert {identity: flags for identity, flags in found.items() if any(flags)} == cut


@pytest.mark.parametrize("name", [LOG, "inspect.json", "inspect.eval", "answers.csv", "answers.parquet", "lists.jsonl"])
def test_a_log_has_its_own_gold(tmp_path: Path, name: str) -> None:
    """The log of lm-eval repeats each document for another filter: three questions. `lists` has two responses each."""
    graded = w2s.grade(FILES / name, out=tmp_path / "graded.jsonl", task="number")
    assert (graded.correct, graded.questions) == (2, 3)
    assert {row["verdict"] for _, row in jsonl.read(tmp_path / "graded.jsonl")} == {"correct", "wrong"}


def test_levels_of_a_log_group_it() -> None:
    """inspect_ai's metadata: question n has the level n, and the third is wrong."""
    graded = w2s.grade(FILES / "inspect.json", task="number", by="level")
    assert [(name, scores.correct) for name, scores in graded.groups.items()] == [("1", 1), ("2", 1), ("3", 0)]


def test_a_solution_gives_gold() -> None:
    """`problem` and `solution`, as MATH has them: the last box of the solution counts."""
    assert w2s.grade(FILES / "completions.jsonl", task="math").correct == 2


def test_two_batches_agree_with_the_questions_of_their_input(tmp_path: Path) -> None:
    """No output of a batch has questions. Two of three are the same in both; the prompt is made from the input file."""
    batches = FILES / "openai_batch.jsonl", FILES / "completions_batch.jsonl"
    with pytest.raises(UserError, match=r"openai_batch\.jsonl:1 \[question\]: question is missing(.|\n)*--questions"):
        w2s.agree(*batches, tmp_path / "h.jsonl", task="gsm8k")
    kept = w2s.agree(*batches, tmp_path / "h.jsonl", task="gsm8k", questions=FILES / "batch_input.jsonl")
    assert (kept.kept, kept.dropped) == (2, {"cut": 1})
    prompts = {row["id"]: row["prompt"] for _, row in jsonl.read(tmp_path / "h.jsonl")}
    assert prompts == {name: f"Question: {QUESTIONS[name]}\nAnswer:" for name in ("q1", "q2")}


def test_the_question_of_one_file_serves_the_other(tmp_path: Path) -> None:
    out = tmp_path / "h.jsonl"
    assert w2s.agree(FILES / "completions_batch.jsonl", FILES / "answers.csv", out, task="gsm8k").kept == 3
    assert {row["prompt"] for _, row in jsonl.read(out)} == {
        f"Question: {text}\nAnswer:" for text in QUESTIONS.values()
    }


def test_columns_have_the_names_that_a_user_gives(tmp_path: Path) -> None:
    rows = [{"nr": n, "Aufgabe": "1+1?", "Antwort": f"#### {n}", "richtig": "2"} for n in (1, 2)]
    file = written(tmp_path / "r.jsonl", *rows)
    with pytest.raises(UserError, match=r"it has nr, Aufgabe, Antwort, richtig(.|\n)*--column"):
        w2s.grade(file, task="gsm8k")
    names = {"id": "nr", "question": "Aufgabe", "response": "Antwort", "answer": "richtig"}
    assert w2s.grade(file, task="gsm8k", columns=names).correct == 1
    assert w2s.agree(file, again(file), tmp_path / "h.jsonl", task="gsm8k", columns=names).kept == 2
    with pytest.raises(UserError, match=r"\[--column\]: no column is called 'frage'"):
        w2s.grade(file, task="gsm8k", columns={"frage": "Aufgabe"})


def test_a_graded_row_has_the_response_that_was_graded(tmp_path: Path) -> None:
    """Two models' answers in one file: 5 is right, and 6 is not. The row says so when it is graded again."""
    gold, both, out = (tmp_path / f"{name}.jsonl" for name in ("gold", "both", "out"))
    gold.write_text('{"id": 1, "answer": "5"}\n')
    both.write_text('{"nr": 1, "question": "?", "response": "#### 5", "response_b": "#### 6", "by": "x"}\n')
    names = {"response": "response_b", "id": "nr"}
    assert w2s.grade(gold, both, out, task="gsm8k", columns=names).correct == 0
    row = next(fields for _, fields in jsonl.read(out))
    assert row == {
        "id": 1, "question": "?", "response": "#### 6", "by": "x", "prediction": "6", "verdict": "wrong",
        "verdict_string": "wrong",
    }  # fmt: skip
    assert w2s.grade(gold, out, task="gsm8k").correct == 0


@pytest.mark.parametrize(("name", "content", "says"), [
    ("a.csv", "id,question,response\n1,x\n", r"a\.csv:2: the row has 2 cells, and the header 3"),
    ("a.csv", "id,id,response\n", r"a\.csv:1: names the column 'id' twice"),
    ("a.csv", 'id,question,response\n1,x,"a\n', r"a\.csv:2: is not a table \(unexpected end of data\)"),
    ("a.csv", 'id,question,response\n1,x,"a"b\n', r"a\.csv:2: is not a table"),
    ("a.csv", "id,question,responses\n1,x,\"['a', 'b']\"\n", r"a\.csv:2 \[responses\]: the cell is a list(.|\n)*dumps"),
    ("a.csv", "name,age\n1,2\n", r"a\.csv:2 \[response\]: no column (.|\n)*it has name, age(.|\n)*batch: "),
    ("a.csv", b"id,question,response\n1,x,\xff\n", r"a\.csv:2: is not UTF-8"),
    ("a.parquet", b"PAR1 and no more", r"a\.parquet: is no readable Parquet file"),
    ("a.eval", b"PK\x03\x04 and no more", r"a\.eval: the zip file or spreadsheet cannot be read"),
    ("a.json", '{\n"version": 2,\n"samples": [\n{"id": 1', r"a\.json:4: is not valid JSON"),
    ("a.json", '{\n"version": 2,\n"samples": null\n}', r"a\.json:1: .* no rows; its fields: version, samples"),
    ("a.json", '{\n"samples": [{"id": 1, "epoch": 1, "input": "x", "target": "1", "output": {}, "messages": [],\n'
     '"error": {"message": "time is up"}}]}', r"a\.json:2 \[output\]: sample '1' has no output \('time is up'\)"),
    ("a.jsonl", '{"custom_id": "a", "response": {"status_code": 429, "body": {"error": "busy"}}, "error": null}',
     r"a\.jsonl:1 \[error\]: the request 'a' failed \(.*busy.*\)(.|\n)*send the request again"),
    ("a.jsonl", '{"custom_id": "a", "response": null, "error": {"code": "expired"}}', r"failed \(.*expired"),
    ("a.jsonl", '{"custom_id": "a", "response": {"status_code": 200, "body": {"data": []}}}', r"holds no completions"),
    ("a.jsonl", '{"custom_id": 7, "response": {"status_code": 200, "body": {}}}', r"\[custom_id\]: 7 is not an id"),
    ("a.jsonl", '{"messages": [{"role": "user", "content": "x"}]}', r"\[messages\]: .* does not end in an answer"),
    ("a.jsonl", '{"messages": [{"role": "assistant", "content": "x"}]}', r"\[question\]: question is missing"),
    ("a.jsonl", '{"messages": ["x"]}', r"\[messages\]: messages is not a list of messages"),
    ("a.jsonl", '{"id": 1, "problem": "x", "responses": []}', r"\[responses\]: responses is not a list of texts"),
    ("a.jsonl", '{"id": 1, "problem": "x", "outputs": [{"tokens": 1}]}', r"outputs is not a list of texts"),
    ("a.jsonl", '{"id": 1, "problem": "x", "generated_text": null}', r"\[generated_text\]: generated_text is null"),
    ("a.jsonl", '{"doc_id": 1, "doc": {"question": "x"}, "resps": [["-1.5", "False"], ["a", "b"]]}', r"\[resps\]"),
    ("a.jsonl", '{"question": "x", "response": "a"}\n{"id": 1, "question": "y", "response": "a"}',
     r"a\.jsonl:2 \[id\]: the row has an id, and the rows before it have none"),
    ("a.jsonl", '{"id": 1, "question": "x", "response": "a"}\n{"question": "y", "response": "a"}',
     r"a\.jsonl:2 \[id\]: the row has no id"),
])  # fmt: skip
def test_a_bad_file_is_named(tmp_path: Path, name: str, content: str | bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    other = tmp_path / f"strong-{name}"
    other.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(UserError, match=says):
        w2s.agree(path, other, tmp_path / "out.jsonl", task="gsm8k")
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_of_a_log_is_named_however_it_is_packed(tmp_path: Path, packed: int) -> None:
    """Each byte of a small log in turn: it is read, or refused with a message, and nothing else is raised."""
    with zipfile.ZipFile(tmp_path / "a.eval", "w", packed) as file:
        file.writestr("samples/1.json", '{"id": 1, "epoch": 1}')
    whole, refused = (tmp_path / "a.eval").read_bytes(), 0
    for place in range(4, len(whole)):
        (tmp_path / "b.eval").write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            list(jsonl.read(tmp_path / "b.eval"))
        except UserError:
            refused += 1
    assert refused > 30


def test_another_zip_file_is_no_log(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "table.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(UserError, match=r"table\.xlsx: is a zip file or a spreadsheet(.|\n)*save the table as CSV"):
        list(jsonl.read(tmp_path / "table.xlsx"))


def _as_zstandard(place: Path, *samples: bytes) -> Path:
    """A log as inspect_ai writes it today. `zipfile` knows this from Python 3.14 on: its headers are patched."""
    zstandard = pytest.importorskip("zstandard")
    with zipfile.ZipFile(place, "w") as archive:
        for number, sample in enumerate(samples):
            packed = b"".join(zstandard.compress(sample[part : part + 900]) for part in range(0, len(sample), 900))
            archive.writestr(f"samples/{number}_epoch_1.json", packed)
        entries = archive.infolist()
    content = bytearray(place.read_bytes())
    central = 0
    for entry, sample in zip(entries, samples, strict=True):
        central = content.index(b"PK\x01\x02", central + 1)
        for start in (entry.header_offset + 8, central + 10):
            content[start : start + 2] = struct.pack("<H", 93)
            content[start + 6 : start + 10] = struct.pack("<I", zlib.crc32(sample))
            content[start + 14 : start + 18] = struct.pack("<I", len(sample))
    place.write_bytes(content)
    return place


def test_a_log_of_today_is_compressed_with_zstandard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In several frames per sample, as large samples are."""
    samples = json.loads((FILES / "inspect.json").read_text())["samples"]
    log = _as_zstandard(tmp_path / "z.eval", *(json.dumps(sample).encode() for sample in samples))
    assert [row for _, row in jsonl.read(log)] == samples
    whole = log.read_bytes()
    for place in (60, 200, 300):
        log.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        with pytest.raises(UserError, match=r"z\.eval: samples/0_epoch_1\.json cannot be read"):
            list(jsonl.read(log))
    log.write_bytes(whole)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(UserError, match=r"z\.eval: is compressed with zstandard(.|\n)*pip install zstandard"):
        list(jsonl.read(log))


def test_an_image_in_a_question_is_in_the_way_only_where_the_question_is_needed(tmp_path: Path) -> None:
    image = [
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, {"type": "image", "image": "data:"}]}
    ]
    output = {"choices": [{"message": {"role": "assistant", "content": "#### 7"}, "stop_reason": "stop"}]}
    row = {"id": "q1", "epoch": 1, "input": image, "target": "7", "messages": [], "output": output}
    log = written(tmp_path / "log.jsonl", row)
    assert w2s.grade(log, task="number").correct == 1
    with pytest.raises(UserError, match=r"log\.jsonl:1 \[question\]: question is missing"):
        w2s.agree(log, again(log), tmp_path / "out", task="number")


def test_parquet_needs_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("pyarrow", "pyarrow.parquet", "pandas"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UserError, match=r"answers\.parquet: is Parquet, and neither(.|\n)*pip install pyarrow"):
        list(jsonl.read(FILES / "answers.parquet"))


def _numbered(path: Path, *texts: str, question: bool = True, **more: Any) -> Path:
    rows = [{"question": f"{text}?"} if question else {} for text in texts]
    both = zip(rows, texts, strict=True)
    return written(path, *({**row, "response": f"#### {text}", **more} for row, text in both))


def test_rows_without_ids_are_joined_where_lengths_or_questions_say_so(tmp_path: Path) -> None:
    """A row's number, from 1, is its id. Both of two rows: as they stand. Another length: the questions decide."""
    out, weak = tmp_path / "h.jsonl", _numbered(tmp_path / "w.jsonl", "1", "2")
    assert w2s.agree(weak, again(weak), out, task="gsm8k").kept == 2
    assert [row["id"] for _, row in jsonl.read(out)] == [1, 1, 2, 2]
    blind = written(tmp_path / "b.jsonl", {"response": "#### 1"}, {"response": "#### 2"})
    assert w2s.agree(weak, blind, out, task="gsm8k").kept == 2
    longer = written(tmp_path / "l.jsonl", *({"response": f"#### {n}"} for n in (1, 2, 3)))
    for shared in (False, True):
        with pytest.raises(
            UserError, match=r"l\.jsonl:1 \[id\]: the rows have no id, and .*w\.jsonl has another number"
        ):
            w2s.agree(weak, longer, out, task="gsm8k", only_shared=shared)
    more = _numbered(tmp_path / "m.jsonl", "1", "2", "3")
    assert w2s.agree(weak, more, out, task="gsm8k", only_shared=True).kept == 2
    moved = _numbered(tmp_path / "v.jsonl", "2", "1")
    with pytest.raises(UserError, match=r"v\.jsonl:1 \[question\]: id '1' has another question in .*w\.jsonl:1"):
        w2s.agree(weak, moved, out, task="gsm8k")


def test_numbers_of_rows_are_not_taken_for_the_ids_of_another_file(tmp_path: Path) -> None:
    """lm-eval counts documents from 0 and we count rows from 1: joined, each row would get its neighbour's answer."""
    numbers = written(tmp_path / "n.jsonl", *({"response": text} for text in SAID.values()))
    own = written(tmp_path / "o.jsonl", *({"id": n, "response": text} for n, text in enumerate(SAID.values(), 1)))
    golds = written(tmp_path / "g.jsonl", *({"id": n, "answer": a} for n, a in enumerate(("7", "10", "4.5"), 1)))
    for weak, strong in ((numbers, own), (own, numbers)):
        with pytest.raises(
            UserError, match=r"n\.jsonl:1 \[id\]: the rows have no id, and .*o\.jsonl has ids of its own"
        ):
            w2s.agree(weak, strong, tmp_path / "h.jsonl", task="gsm8k")
    with pytest.raises(UserError, match=r"n\.jsonl:1 \[id\]: the rows have no id, and .*g\.jsonl has ids of its own"):
        w2s.grade(golds, numbers, task="number")
    bare = written(tmp_path / "a.jsonl", *({"answer": a} for a in ("7", "10", "4.5")))
    with pytest.raises(UserError, match=r"a\.jsonl:1 \[id\]: the rows have no id, and .*o\.jsonl has ids of its own"):
        w2s.grade(bare, own, task="number")
    assert w2s.grade(bare, numbers, task="number").correct == 2
    longer = written(tmp_path / "l.jsonl", *({"answer": a} for a in ("7", "10", "4.5", "1")))
    with pytest.raises(UserError, match=r"n\.jsonl:1 \[id\]: the rows have no id, and .*l\.jsonl has another number"):
        w2s.grade(longer, numbers, task="number", only_shared=True)


def test_an_array_within_an_object_is_read_as_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever falls across the ends of chunks: keys, numbers, braces in texts."""
    from w2s.data import json_text

    rows = [{"id": n, "question": '}]"\\', "response": "ü" * n} for n in range(3)]
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"n": 1234567, "é": {"samples": [1, "]"]}, "rows": rows, "end": []}, indent=1))
    for chunk in range(1, 9):
        monkeypatch.setattr(json_text, "CHUNK", chunk)
        assert [row for _, row in jsonl.read(path)] == rows


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl"])
def test_a_long_file_is_never_whole_in_memory(tmp_path: Path, kind: str) -> None:
    """12 MB, of which the reader holds a chunk of 1 MiB, its text and a row: less than 6 MB."""
    path, text = tmp_path / f"long.{kind}", "x" * 1000
    rows: list[dict[str, Any]] = [{"id": n, "question": "?", "response": text} for n in range(12_000)]
    with open(path, "w") as file:
        if kind == "csv":
            file.write("id,question,response\n")
            file.writelines(f'{n},?,"{text}"\n' for n in range(len(rows)))
        elif kind == "json":
            file.write('{\n"version": 2,\n"samples": [\n' + ",\n".join(map(json.dumps, rows)) + "]\n}")
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    del rows
    tracemalloc.start()
    try:
        assert sum(1 for _ in jsonl.read(path)) == 12_000
        assert tracemalloc.get_traced_memory()[1] < 6e6
    finally:
        tracemalloc.stop()


def test_pairs_leave_out_what_one_file_lacks(tmp_path: Path) -> None:
    """Question 2 has no samples, and question 3 no weak answer."""
    weak = written(tmp_path / "w.jsonl", said(1, 5), said(2, 5))
    samples = [said(1, answer, sample=n) for n, answer in enumerate((5, 5, 6))] + [said(3, 1)]
    file = written(tmp_path / "s.jsonl", *samples)
    with pytest.raises(UserError, match=r"id '2' is not in"):
        w2s.pairs(weak, file, tmp_path / "p.jsonl", task="gsm8k")
    made = w2s.pairs(weak, file, tmp_path / "p.jsonl", task="gsm8k", only_shared=True)
    assert (made.kept, made.of, made.dropped) == (1, 2, {"only_in_weak": 1})
    assert any("1 questions that only" in note for note in made.notes)


@pytest.mark.parametrize("name", ["out.csv", "out.tsv.gz", "out.parquet"])
def test_no_table_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"\[--out\]: rows are written as JSON Lines(.|\n)*\.jsonl"):
        w2s.grade(GOLD, FILES / "answers.csv", tmp_path / name, task="number")
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(("name", "content"), [
    ("a.csv", "\ufeffid;response\nq1;#### 7,0\n"), ("a.csv", '"id","response"\r\n"q1","#### 7"\r\n\r\n'),
    ("a.txt", "id\tresponse\nq1\t#### 7\n"), ("a", "id,response\nq1,#### 7"), ("a.csv", "id\tresponse\nq1\t#### 7\n"),
    ("a.tsv", "id,response\nq1,#### 7\n"), ("a.tsv", "id\tresponse\tx,y\nq1\t#### 7\t1,2\n"),
    ("a.csv", '{"id": "q1", "response": "7"}'),
])  # fmt: skip
def test_tables_of_spreadsheets(tmp_path: Path, name: str, content: str) -> None:
    """Semicolons and a byte order mark, quotes and carriage returns, tabs; or no table at all, by its first line."""
    (tmp_path / name).write_bytes(content.encode())
    ((_, raw),) = responses(tmp_path / name, Reader(question_needed=False))
    assert (raw.id, raw.response.removeprefix("#### ").removesuffix(",0")) == ("q1", "7")


def test_files_without_ids_are_joined_by_their_questions(tmp_path: Path) -> None:
    """In another order, in other white space, as chats, and with samples in rows of their own."""
    weak = _numbered(tmp_path / "w.jsonl", "1", "2")
    chats = [
        {"messages": [{"role": "user", "content": f" {n}? "}, {"role": "assistant", "content": f"#### {said}"}]}
        for n, said in ((2, 2), (1, 1), (1, 1), (1, 7), (2, 2))
    ]
    samples, single = written(tmp_path / "s.jsonl", *chats), written(tmp_path / "c.jsonl", *chats[:2])
    kept = w2s.agree(weak, single, tmp_path / "h.jsonl", task="gsm8k", join="question")
    assert kept.kept == 2
    assert [row["id"] for _, row in jsonl.read(tmp_path / "h.jsonl")] == ["1?", "1?", "2?", "2?"]
    made = w2s.pairs(weak, samples, tmp_path / "p.jsonl", task="gsm8k", join="question")
    assert (made.kept, made.dropped) == (1, {"all_samples_agree": 1})
    golds = written(tmp_path / "g.jsonl", {"question": "2?", "answer": "2"}, {"question": "1?", "answer": "1"})
    assert w2s.grade(golds, samples, task="gsm8k", join="question").correct == 4
