from __future__ import annotations

import json

import pytest

from w2s.data.sealed import is_sealed, seal

CONTENT = {"name": "\u00e9\ud800", "value": 1e-05, "deep": {"b": [1, None], "a": True}}


def test_the_digest_is_the_sha256_of_the_rest_as_canonical_json():
    """`printf '{"a":1,"b":[2]}' | sha256sum`, whatever the order of the fields."""
    digest = "0855bfc20eb6cfaa4be7d6b510c63dd22997718bddadcb1a4915cec3a16145b9"
    assert seal({"b": [2], "a": 1}) == seal({"a": 1, "b": [2]}) == {"a": 1, "b": [2], "sha256": digest}


def test_what_was_written_reads_back_as_sealed():
    assert is_sealed(json.loads(json.dumps(seal(CONTENT)))) and seal(seal(CONTENT)) == seal(CONTENT)


@pytest.mark.parametrize(
    "change", [{"value": 2e-05}, {"value": None}, {"deep": {"b": [1], "a": True}}, {"more": 1}, {"sha256": "0"}]
)
def test_any_change_breaks_the_seal(change):
    assert not is_sealed(seal(CONTENT) | change)
    assert not is_sealed(CONTENT)
