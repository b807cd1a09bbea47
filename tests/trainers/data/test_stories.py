"""Short texts as pieces, in windows, against the vocabulary by itself."""

import json

import numpy as np
import pytest

from tfmodels.errors import DataError
from tfmodels.text.sentence_pieces import SentencePieces
from trainers.data.config import StoriesData
from trainers.data.tokens.dataset import token_dataset
from trainers.data.tokens.sources import open_notation
from trainers.data.tokens.sources import open_tokens

NAMES = ["<unk>", "<s>", "</s>", *(f"<0x{value:02X}>" for value in range(256))]
TABLE = [[name, 0.0] for name in [*NAMES, *"▁abcde"]]
A = NAMES.index("<0xFF>") + 2


@pytest.fixture
def config(tmp_path) -> StoriesData:
    (tmp_path / "pieces.json").write_text(json.dumps(TABLE))
    (tmp_path / "text").write_text("abc\n|  |de|abcdeabcde", encoding="utf-8")
    return StoriesData(
        batch_size=2,
        train=str(tmp_path / "text"),
        tokenizer=str(tmp_path / "pieces.json"),
        separator="|",
    )


def test_every_piece_is_predicted_once_and_no_text_sees_another(config):
    source = open_tokens(config, "train", 5)
    batches = list(token_dataset(source, config, "test").as_numpy_iterator())
    tokens, label, weight = (
        np.concatenate([batch[name] for batch in batches])[: source.size]
        for name in ("tokens", "label", "weight")
    )
    expected = [[1, A - 1, A, A + 1, A + 2], [1, A - 1, A + 3, A + 4]]
    long = [1, A - 1, *(A + n % 5 for n in range(10))]
    expected += [long[:6], long[5:11], long[10:]]
    assert source.size == 5
    for row, numbers in enumerate(expected):
        count = len(numbers) - 1
        assert tokens[row, :count].tolist() == numbers[:-1]
        assert label[row, :count].tolist() == numbers[1:]
        assert weight[row].tolist() == [1.0] * count + [0.0] * (5 - count)


def test_prompts_and_answers(config):
    notation = open_notation(config, 8)
    assert notation.prompt("ab") == ([1, A - 1, A, A + 1], 5)
    assert notation.prompt("") == ([1], 8)
    assert notation.prompt("abcabc") == ([1, A + 2, A, A + 1, A + 2], 4)
    assert notation.show([1, A - 1, A, A - 1, A + 1, 1, A]) == "a b"


def test_unusable_files_name_the_key(config, tmp_path):
    wrong = {
        "train": ("absent", r"correct data\.train"),
        "tokenizer": ("absent", r"correct data\.tokenizer"),
    }
    for key, (value, message) in wrong.items():
        changed = config.model_copy(update={key: str(tmp_path / value)})
        with pytest.raises(DataError, match=message):
            open_tokens(changed, "train", 5)
    (tmp_path / "text").write_text("| |")
    with pytest.raises(DataError, match="holds no text"):
        open_tokens(config, "train", 5)
    (tmp_path / "pieces.json").write_text("[")
    with pytest.raises(DataError, match="no table of pieces"):
        open_notation(config, 5)


def test_a_table_stays_itself():
    assert SentencePieces.from_plain(TABLE).plain() == TABLE
