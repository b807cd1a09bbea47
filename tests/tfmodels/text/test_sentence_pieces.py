"""Byte pairs of SentencePiece, against its own program."""

import struct
from pathlib import Path

import numpy as np
import pytest

from tfmodels.errors import DataError
from tfmodels.text.sentence_pieces import SentencePieces
from tfmodels.text.sentence_pieces import read_model

PUBLISHED = Path("data/stories260k")
MERGES = ["▁t", "he", "▁the", "in", "▁a", "re", "th", "her", "▁▁", "the", "é", "in."]


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def model_file(kinds: dict[str, int], scores: list[float]) -> bytes:
    """A byte-pair model with pieces of the kinds 1 plain, 2 unknown, 3 mark, 6 byte."""
    pieces = b"".join(
        field(1, field(1, piece.encode()) + struct.pack("<BfBB", 21, score, 24, kind))
        for (piece, kind), score in zip(kinds.items(), scores, strict=True)
    )
    # Byte pairs, and bytes for what is unknown; no normalisation.
    return pieces + field(2, b"\x18\x02\x98\x02\x01") + field(3, field(1, b"identity"))


@pytest.fixture(scope="module")
def small() -> bytes:
    kinds = {"<unk>": 2, "<s>": 3, "</s>": 3}
    kinds |= {f"<0x{value:02X}>": 6 for value in range(256)}
    plain = [*MERGES, *"▁thearin."]
    kinds |= dict.fromkeys(plain, 1)
    scores = [0.0] * 259 + [-float(number) for number in range(len(plain))]
    return model_file(kinds, scores)


def check(content: bytes, texts: list[str]) -> None:
    text_operations = pytest.importorskip("tensorflow_text")
    theirs = text_operations.SentencepieceTokenizer(content)
    ours = read_model(content)
    for text in texts:
        numbers = theirs.tokenize(text).numpy()
        assert ours.encode(text) == numbers.tolist(), text
        if len(numbers):
            expected = theirs.detokenize(numbers).numpy().decode("utf-8", "replace")
            assert ours.decode(numbers.tolist()) == expected, text
    again = SentencePieces.from_plain(ours.plain())
    assert again == ours


def test_a_small_vocabulary(small):
    random = np.random.default_rng(5)
    letters = list("thearin. é😀\n")
    drawn = ["".join(random.choice(letters, 25)) for _ in range(60)]
    check(small, ["", " ", "the rain in there", "  then  a  hare ", "▁the", *drawn])


def test_merges_follow_scores_and_not_lengths(small):
    pieces = read_model(small)
    number = {piece: place for place, piece in enumerate(pieces.pieces)}
    # "he" comes before "th", and "▁t" before both.
    assert pieces.encode("the") == [number["▁the"]]
    assert pieces.encode("a the") == [number["▁a"], number["▁the"]]
    assert pieces.encode("hé") == [number["▁"], number["h"], number["é"]]
    assert pieces.encode("ü") == [number["▁"], number["<0xC3>"], number["<0xBC>"]]
    assert pieces.decode([1, number["▁a"], number["<0xC3>"], 2]) == "a�"


def test_the_published_vocabulary():
    if not PUBLISHED.exists():
        pytest.skip("data/stories260k is absent: no published weights to compare with")
    content = (PUBLISHED / "tok512.model").read_bytes()
    text = (PUBLISHED / "tinystories_sample.txt").read_text()
    check(content, [text, *text.split("\n"), "Grüße, 日本"])
    assert len(read_model(content).pieces) == 512


def test_what_is_no_tokenizer_is_explained(small):
    for content in (b"", b"no tokenizer at all", small[:-1], small[:900]):
        with pytest.raises(DataError, match=r"not a (tokenizer|vocabulary|table)"):
            read_model(content)
    for plain in (None, [["a", "b"]], [["<s>", 0.0]], [["a", 1.0], ["a", 2.0]]):
        with pytest.raises(DataError, match=r"not a (vocabulary|table)"):
            SentencePieces.from_plain(plain)
