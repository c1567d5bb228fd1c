from __future__ import annotations

import copy

import pytest
from tokenizers import processors

from w2s.errors import UserError
from w2s.records import Example, Preference
from w2s.training import data
from w2s.training.data import IGNORE, Encoded

BOS, EOS = 0, 1


def test_prompt_then_completion_then_one_eos(tokenizer):
    (row,) = data.encode(tokenizer, [Example("q", "x y", " z")], 50)
    x, space, y, z = (tokenizer.encode(text, add_special_tokens=False)[0] for text in ("x", " ", "y", "z"))
    assert row.prompt == (BOS, x, space, y)
    assert row.completion == (space, z, EOS)
    assert row.labels == [IGNORE] * 4 + [space, z, EOS]
    assert row.tokens == [*tokenizer("x y")["input_ids"], space, z, EOS]


def test_a_token_may_not_straddle_the_boundary(tokenizer):
    """`ab` is one token, but after the prompt "a" a model can only go on with "b"."""
    (row,) = data.encode(tokenizer, [Example("q", "a", "b ab")], 50)
    a, b, both, space = (tokenizer.encode(text, add_special_tokens=False)[0] for text in ("a", "b", "ab", " "))
    assert row.prompt == (BOS, a)
    assert row.completion == (b, space, both, EOS)


def test_special_tokens_in_the_text_are_not_doubled(tokenizer):
    (row,) = data.encode(tokenizer, [Example("q", "<s>x", " z</s>")], 50)
    assert row.prompt.count(BOS) == 1
    assert row.completion.count(EOS) == 1 and row.completion[-1] == EOS


def test_an_example_that_is_too_long_is_named_and_measured(tokenizer):
    """BOS + 3 + 4 + EOS = 9 tokens."""
    rows = [Example("fits", "x", " z"), Example("too-long", "xyz", " zzz")]
    assert len(data.encode(tokenizer, rows, 9)) == 2
    with pytest.raises(UserError, match=r"'too-long' has 9 tokens \(1 of 2"):
        data.encode(tokenizer, rows, 8)


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (Example("q7", "x", ""), "'q7' has an empty completion"),
        (Example("q7", "x", " a</s>b"), "'q7' has an EOS inside"),
    ],
)
def test_unusable_text_is_refused(tokenizer, example, message):
    with pytest.raises(UserError, match=message):
        data.encode(tokenizer, [example], 50)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Encoded("q7", (BOS, 9), (8, 7)), "'q7' does not end with EOS"),
        (Encoded("q7", (BOS, 9), ()), "'q7' does not end with EOS"),
        (Encoded("q7", (), (8, EOS)), "'q7' has an empty prompt"),
    ],
)
def test_the_preflight_names_the_row(row, message):
    with pytest.raises(UserError, match=message):
        data.check([Encoded("good", (BOS, 9), (8, EOS)), row], EOS, 50)


def test_a_tokenizer_without_eos_is_refused(tokenizer):
    mute = copy.deepcopy(tokenizer)
    mute.pad_token = mute.eos_token = None
    with pytest.raises(UserError, match="no end-of-sequence token"):
        data.encode(mute, [Example("q", "x", " z")], 50)


def test_nothing_to_train_on_is_refused(tokenizer):
    with pytest.raises(UserError, match="nothing to train on"):
        data.encode(tokenizer, [], 50)


def test_a_pair_may_not_prefer_a_text_to_itself(tokenizer):
    with pytest.raises(UserError, match="'q7' prefers a completion to itself"):
        data.encode_pairs(tokenizer, [Preference("q7", "x", " z", " z")], 50)


def test_chosen_and_rejected_share_their_prompt(tokenizer):
    chosen, rejected = data.encode_pairs(tokenizer, [Preference("q", "a", "b", "c")], 50)
    assert chosen[0].prompt == rejected[0].prompt


@pytest.mark.parametrize(
    ("example", "field"), [(Example("q7", "x<s>y", " z"), "prompt"), (Example("q7", "x", " z<s>"), "completion")]
)
def test_a_second_bos_is_refused_wherever_it_stands(tokenizer, example, field):
    with pytest.raises(UserError, match=rf"\[{field}\]: example 'q7' has a BOS inside"):
        data.encode(tokenizer, [example], 50)


def test_a_bos_that_the_tokenizer_does_not_put_in_front_is_a_mark_of_turns(tokenizer):
    """As SmolLM2's, "<|im_start|>": its chats have one at each turn."""
    turns = copy.deepcopy(tokenizer)
    turns.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    (row,) = data.encode(turns, [Example("q", "<s>x<s>y", " z")], 50)
    assert [place for place, token in enumerate(row.tokens) if token == BOS] == [0, 2]
    assert not data.spells_marks(turns, "<s>x<s>y", " z")


@pytest.mark.parametrize(
    ("prompt", "completion", "spelled"),
    [("x", " z", False), ("<s><s>x", " z</s>", False), ("x<s>", " z", True), ("x", " z</s> z", True),
     ("x", "<s>z", True), ("x</s>y", " z", False)],
)  # fmt: skip
def test_what_spells_a_mark_is_what_check_refuses(tokenizer, prompt, completion, spelled):
    assert data.spells_marks(tokenizer, prompt, completion) == spelled
    try:
        data.encode(tokenizer, [Example("q", prompt, completion)], 50)
    except UserError:
        assert spelled
    else:
        assert not spelled


def test_where_bos_and_eos_are_one_token_only_the_eos_rule_counts():
    """As in GPT-2, whose only special token begins and ends every text."""
    data.check([Encoded("q", (BOS, 9), (8, BOS))], BOS, 50, BOS)


def test_padding_is_by_length_even_where_the_padding_token_is_eos():
    batch = data.pad([Encoded("a", (5,), (6, EOS)), Encoded("b", (5,), (EOS,))], EOS)
    assert batch["input_ids"].tolist() == [[5, 6, EOS], [5, EOS, EOS]]
    assert batch["labels"].tolist() == [[IGNORE, 6, EOS], [IGNORE, EOS, IGNORE]]


def test_texts_end_to_end_keep_their_positions_and_targets():
    """Two texts of 3 and 4 tokens; the token before each completion token is where its logits are, so the last is not
    needed."""
    batch = data.pack([Encoded("a", (5,), (6, EOS)), Encoded("b", (7, 8), (9, EOS))])
    assert batch["input_ids"].tolist() == [[5, 6, 7, 8, 9]]
    assert batch["position_ids"].tolist() == [[0, 1, 0, 1, 2]]
    assert batch["logits_to_keep"].tolist() == [0, 1, 3, 4]
    assert batch["targets"].tolist() == [6, EOS, 9, EOS]
    assert batch["owners"].tolist() == [0, 0, 1, 1]


def test_a_prompt_that_is_shared_stands_there_once():
    """Of three texts the first and the last have the prompt 5 6: its last place predicts the first token of both."""
    rows = [Encoded("a", (5, 6), (7, EOS)), Encoded("b", (5,), (8, EOS)), Encoded("a", (5, 6), (9, 10, EOS))]
    batch = data.pack(rows, share_prompts=True)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 9, 10, 5, 8]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 2, 3, 0, 1]]
    assert batch["logits_to_keep"].tolist() == [1, 2, 1, 3, 4, 5, 6]
    assert batch["targets"].tolist() == [7, EOS, 9, 10, EOS, 8, EOS]
    assert batch["owners"].tolist() == [0, 0, 2, 2, 2, 1, 1]


class TestBatches:
    lengths = tuple((7 * i) % 31 + 1 for i in range(67))

    def epoch(self, seed: int, epoch: int) -> list[list[int]]:
        return data.batches(self.lengths, 4, seed, epoch)

    def test_every_index_once_and_only_the_last_batch_is_not_full(self):
        found = self.epoch(0, 0)
        assert sorted(index for batch in found for index in batch) == list(range(67))
        assert [len(batch) for batch in found] == [4] * 16 + [3]

    def test_the_order_comes_from_seed_and_epoch(self):
        assert self.epoch(3, 1) == self.epoch(3, 1)
        assert self.epoch(3, 1) != self.epoch(3, 2)
        assert self.epoch(3, 1) != self.epoch(4, 1)

    def test_a_batch_is_in_order_of_length_but_drawn_without_regard_to_it(self):
        """Lengths are 1 to 31: the range of 4 drawn evenly is 18 on average, and below 2 in neighbouring lengths."""
        found = [[self.lengths[index] for index in batch] for batch in self.epoch(0, 0)[:16]]
        assert all(batch == sorted(batch) for batch in found)
        assert sum(batch[-1] - batch[0] for batch in found) / 16 > 10
