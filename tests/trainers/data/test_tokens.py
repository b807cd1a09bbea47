"""Sequences to be sorted and windows of text, against plain Python."""

import numpy as np
import pytest

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.data.config import SortingData
from trainers.data.config import TextData
from trainers.data.tokens.dataset import token_dataset
from trainers.data.tokens.made import made_text
from trainers.data.tokens.sources import open_tokens
from trainers.interfaces import Shard

SORTING = SortingData(
    symbols=5, length=4, batch_size=6, train_examples=15, test_examples=7
)
TEXT = "Grüße aus Köln, wo der Rhein fließt. 日本語も少し。\n" * 3


def batches(config, split, count, length=8, **options):
    source = open_tokens(config, split, length)
    dataset = token_dataset(source, config, split, **options)
    return list(dataset.take(count).as_numpy_iterator())


def joined(parts, name):
    return np.concatenate([part[name] for part in parts])


@pytest.fixture
def text_config(tmp_path):
    """Text in two files: three times the same lines, and one of them."""
    (tmp_path / "train.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "test.txt").write_text(TEXT[: len(TEXT) // 3], encoding="utf-8")
    return TextData(
        batch_size=4,
        train=str(tmp_path / "train.txt"),
        test=str(tmp_path / "test.txt"),
    )


def test_a_sequence_is_start_symbols_separator_sorted_symbols():
    for batch in batches(SORTING, "train", 3):
        tokens, label = batch["tokens"], batch["label"]
        assert tokens.dtype == label.dtype == np.int32
        assert tokens.shape == label.shape == batch["weight"].shape == (6, 9)
        assert np.all(tokens[:, 0] == 6)
        assert np.all(tokens[:, 5] == 5)
        np.testing.assert_array_equal(tokens[:, 1:], label[:, :-1])
        np.testing.assert_array_equal(label[:, 5:], np.sort(tokens[:, 1:5]))


def test_only_sorted_symbols_of_real_rows_count():
    weight = joined(batches(SORTING, "train", 3), "weight")
    real = np.arange(18) < 15
    np.testing.assert_array_equal(
        weight, real[:, None] & np.isin(np.arange(9), (5, 6, 7, 8))
    )


def test_symbols_are_equally_likely():
    config = SORTING.model_copy(update={"batch_size": 2000, "train_examples": 2000})
    symbols = batches(config, "train", 1)[0]["tokens"][:, 1:5]
    counts = np.bincount(symbols.ravel(), minlength=5)
    # Chi-square with 4 degrees of freedom: above 18.5 once in a thousand.
    assert np.sum((counts - 1600) ** 2) / 1600 < 18.5


def test_batches_depend_on_seed_and_step_alone():
    first = batches(SORTING, "train", 6, seed=1)
    late = batches(SORTING, "train", 2, seed=1, start=4)
    for one, two in zip(first[4:], late, strict=True):
        np.testing.assert_array_equal(one["tokens"], two["tokens"])
    other = batches(SORTING, "train", 6, seed=2)
    assert not np.array_equal(first[0]["tokens"], other[0]["tokens"])
    # Three batches make an epoch, and the next has new sequences.
    assert not np.array_equal(first[0]["tokens"], first[3]["tokens"])


@pytest.mark.parametrize("shards", [(1, 3), (2, 2), (3, 3)])
def test_replicas_share_the_same_global_batch(shards):
    count, replicas = shards
    whole = joined(batches(SORTING, "train", 2), "tokens")
    each = replicas // count
    parts = [
        batches(SORTING, "train", 2 * each, shard=Shard(i, count, replicas))
        for i in range(count)
    ]
    shared = [
        batch["tokens"]
        for step in range(2)
        for part in parts
        for batch in part[step * each : (step + 1) * each]
    ]
    np.testing.assert_array_equal(np.concatenate(shared), whole)


def test_the_test_split_is_fixed_and_apart_from_training():
    big = SORTING.model_copy(update={"symbols": 16, "length": 12})
    one = batches(big, "test", 9, seed=0)
    two = batches(big, "test", 9, seed=3)
    np.testing.assert_array_equal(joined(one, "tokens"), joined(two, "tokens"))
    assert len(one) == 2
    assert joined(one, "weight").any(axis=1).sum() == 7
    trained = {tuple(row) for row in joined(batches(big, "train", 9), "tokens")}
    assert not trained & {tuple(row) for row in joined(one, "tokens")}


def test_prompts_to_sort():
    source = open_tokens(SORTING, "train", 0)
    assert source.prompt("3 1 4 0") == ([6, 3, 1, 4, 0, 5], 4)
    assert source.show([6, 3, 1, 5, 1]) == "^ 3 1 | 1"


@pytest.mark.parametrize("text", ["", "3 1 4", "3 1 4 0 2", "3 1 4 5", "3 1 4 -1", "a"])
def test_what_cannot_be_sorted_is_explained(text):
    source = open_tokens(SORTING, "train", 0)
    with pytest.raises(DataError, match="Expected 4 numbers from 0 to 4"):
        source.prompt(text)


def test_every_byte_but_the_first_is_a_label_once(text_config):
    text = TEXT[: len(TEXT) // 3].encode()
    parts = batches(text_config, "test", 99)
    counts = joined(parts, "weight") > 0
    assert bytes(joined(parts, "label")[counts].tolist()) == text[1:]
    assert bytes(joined(parts, "tokens")[counts].tolist()) == text[:-1]


def test_characters_are_counted_where_they_begin(text_config):
    parts = batches(text_config, "test", 99)
    begins = joined(parts, "weight") * joined(parts, "character")
    assert begins.sum() == len(TEXT) // 3 - 1


def test_training_visits_every_window_in_a_new_order(text_config):
    source = open_tokens(text_config, "train", 8)
    num_bytes = len(TEXT.encode())
    assert source.size == -(-(num_bytes - 1) // 8)
    steps = -(-source.size // 4)
    epochs = []
    for start in (0, steps):
        parts = batches(text_config, "train", steps, start=start)
        rows = joined(parts, "label") * (joined(parts, "weight") > 0)
        epochs.append([tuple(row) for row in rows if any(row)])
        assert joined(parts, "weight").sum() == num_bytes - 1
    assert sorted(epochs[0]) == sorted(epochs[1])
    assert epochs[0] != epochs[1]


def test_prompts_to_continue(text_config):
    source = open_tokens(text_config, "train", 8)
    assert source.prompt("ab") == ([97, 98], 4)
    tokens, num_new = source.prompt("Köln am Rhein")
    assert source.show(tokens) == "hein"
    assert len(tokens) + num_new <= 9
    assert source.show([75, 195]) == "K\ufffd"
    with pytest.raises(DataError, match="empty text"):
        source.prompt("")


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the text"),
        (b"", "received 0"),
        (b"12345678", "more than 8 bytes, the model's max_length; received 8"),
    ],
)
def test_unusable_files_name_the_key(tmp_path, text_config, split, content, message):
    path = tmp_path / "bad.txt"
    if content is not None:
        path.write_bytes(content)
    config = text_config.model_copy(update={split: str(path)})
    with pytest.raises(DataError, match=message) as caught:
        open_tokens(config, split, 8)
    assert f"data.{split}" in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_share_of_one_file_is_the_test_split(text_config):
    share = text_config.model_copy(update={"test": None, "test_share": 0.25})
    assert share.held_out_splits() == ("test",)
    whole = TEXT.encode()
    test = bytes(joined(batches(share, "test", 99), "tokens").ravel().tolist())
    end = len(whole) - len(whole) // 4
    assert test.startswith(whole[end : end + 16])
    assert open_tokens(share, "train", 8).size == -(-(end - 1) // 8)
    with pytest.raises(ConfigError, match="one test split"):
        TextData.parse({**share.plain(), "test": "a file"})


def test_a_text_is_made_where_there_is_none(tmp_path):
    config = TextData(
        batch_size=4,
        train=str(tmp_path / "absent"),
        test_share=0.1,
        made_when_missing=True,
    )
    made = made_text()
    assert made == made_text()
    assert 900_000 < len(made) < 1_300_000
    tests = open_tokens(config, "test", 64).size
    assert open_tokens(config, "train", 64).size == pytest.approx(9 * tests, rel=0.01)
    (tmp_path / "absent").write_text("There is one now, of so few characters. " * 4)
    assert open_tokens(config, "train", 64).size == 3
