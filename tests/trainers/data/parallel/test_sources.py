"""Files that are read, files that are explained, and what becomes of a vocabulary."""

import gzip
import json

import pytest

from tests.trainers.data.parallel import corpora
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tools import data as command
from trainers.data.parallel.check import check_parallel
from trainers.data.parallel.config import NumberWordsData
from trainers.data.parallel.config import ParallelTextData
from trainers.data.parallel.sources import open_parallel


def test_compressed_files_tables_and_line_ends(tmp_path):
    plain = open_parallel(corpora.config(tmp_path))
    packed = {}
    for side, lines in (("source", corpora.SOURCES), ("target", corpora.TARGETS)):
        path = tmp_path / f"packed.{side}.gz"
        path.write_bytes(gzip.compress("\r\n".join(lines).encode()))
        packed[side] = str(path)
    rows = [
        f"{pair[0]}\t{pair[1]}\tCC-BY"
        for pair in zip(corpora.SOURCES, corpora.TARGETS, strict=True)
    ]
    table = {"source": corpora.write(tmp_path, "pairs.tsv", rows)}
    for train in (packed, table):
        other = open_parallel(corpora.config(tmp_path, train=[train]))
        assert other.references("train") == corpora.TARGETS
        assert other.sentences("train") == corpora.SOURCES
        assert other.vocabulary == plain.vocabulary


def test_lines_end_where_a_newline_is_and_nowhere_else(tmp_path):
    lines = ["a\u2028b", "c\x85d\x0be", " f "]
    train = [corpora.pair(tmp_path, "odd", lines, lines)]
    source = open_parallel(corpora.config(tmp_path, train=train))
    assert source.references("train") == lines


def test_texts_are_normalised_and_references_are_not(tmp_path):
    lines = ["cafe\u0301"] * 3
    train = [corpora.pair(tmp_path, "nfd", lines, lines)]
    source = open_parallel(corpora.config(tmp_path, train=train))
    assert source.references("train") == lines
    assert source.encode("cafe\u0301") == source.encode("café")
    assert source.decode(source.encode("cafe\u0301")) == "café"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"en": b"a\nb\nc\n", "de": b"x\ny\n"}, r"not aligned.*3 and 2 lines; .*data"),
        ({"en": b"a\nb\n", "de": b""}, r"not aligned.*2 and 0 lines"),
        ({"en": b"", "de": b""}, "holds no line"),
        ({"en": b"a\nb\xff\n", "de": b"x\ny\n"}, r"line 2 of \S+en is not UTF-8.*0xff"),
        ({"en": b"a\nb\n", "de": b"\xc3\ny\n"}, r"line 1 of \S+de .*data.train\[0\]"),
        ({"en": b"a\n"}, r"cannot read \S+de: No such file.*data.train\[0\]"),
        ({"en": b"a\tb\nno tab\n", "de": None}, r"line 2 of \S+en is no pair"),
        ({"en.gz": b"not compressed", "de": b"x\n"}, "Not a gzipped file"),
        ({"en.gz": gzip.compress(b"ab" * 99)[:-9], "de": b"x\n"}, "cannot read"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, files, message):
    paths = [tmp_path / f"t.{name}" for name in ({"de": None} | files)]
    for path, content in zip(paths, ({"de": b""} | files).values(), strict=True):
        if content:
            path.write_bytes(content)
        elif content is not None and path.suffix[1:] in files:
            path.write_bytes(b"")
    corpus = {"source": str(paths[1]), "target": str(paths[0])}
    if files.get("de", b"") is None:
        del corpus["target"]
    with pytest.raises(DataError, match=message):
        open_parallel(corpora.config(tmp_path, train=[corpus]))


def test_all_training_corpora_have_a_language_or_none(tmp_path):
    files = corpora.pair(tmp_path, "t")
    train = [{**files, "target_language": "de"}, files]
    with pytest.raises(ConfigError, match=r"in all of data.train or in none.*'de'"):
        corpora.config(tmp_path, train=train)


def test_a_held_out_language_must_be_known(tmp_path):
    files = corpora.pair(tmp_path, "t")
    source = open_parallel(
        corpora.config(
            tmp_path,
            train=[{**files, "target_language": "de"}],
            test=[{**files, "target_language": "xx"}],
        )
    )
    assert source.encode("cat") == source.encode("cat", "de")
    with pytest.raises(DataError, match=r"its languages \(de\).*'xx'"):
        source.examples("test")


@pytest.mark.parametrize("segmentation", ["wordpieces", "mixed"])
def test_the_vocabulary_is_written_once_and_read_then(tmp_path, segmentation):
    path = tmp_path / "run" / "vocabulary.json"
    values = {
        "vocabulary": str(path),
        "segmentation": segmentation,
        "vocabulary_size": 400,
    }
    learned = open_parallel(corpora.config(tmp_path, **values)).vocabulary
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) > len(learned.pieces)
    other = corpora.pair(tmp_path, "other", ["xyz"], ["xyz"])
    read = open_parallel(corpora.config(tmp_path, train=[other], **values))
    assert read.vocabulary == learned
    assert read.vocabulary.hash == learned.hash


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot read the vocabulary"),
        ("[]", "this is no vocabulary"),
        (json.dumps({"kind": "mixed", "languages": [], "pieces": ["▁"]}), "other data"),
        (
            json.dumps({"kind": "wordpieces", "languages": ["fr"], "pieces": ["▁"]}),
            r"other data.*\[\].*\['fr'\]",
        ),
    ],
)
def test_a_vocabulary_that_does_not_fit(tmp_path, content, message):
    path = tmp_path / "vocabulary.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        open_parallel(corpora.config(tmp_path, vocabulary=str(path)))


def test_more_number_words_than_numbers():
    with pytest.raises(ConfigError, match=r"of at most 100 together.*Received 1101"):
        NumberWordsData.parse({"batch_size": 1, "numbers": 100, "train_examples": 101})


def test_the_check_counts_and_lists(tmp_path, capsys):
    (tmp_path / "t.en").write_bytes(
        b"a cat\n\nbad \xff line\n" + b"cat " * 30 + b"\nextra\n"
    )
    (tmp_path / "t.de").write_bytes("a\nb\nc\n☃☃\n".encode())
    train = {"source": str(tmp_path / "t.en"), "target": str(tmp_path / "t.de")}
    vocabulary = tmp_path / "vocabulary.json"
    config = corpora.config(
        tmp_path,
        train=[train],
        max_length=20,
        alphabet=3,
        vocabulary=str(vocabulary),
    )
    seen = []
    reports = check_parallel(config, lambda split, count: seen.append((split, count)))
    report = reports["train"]
    assert (report.pairs, report.empty, report.long) == (3, 1, 1)
    assert report.source.longest == 32
    assert report.source.median == 3
    # ☃ has three bytes.
    assert report.target.longest == 8
    assert 0.1 < report.spelled < 0.3
    assert len(report.problems) == 2
    assert "line 3" in report.problems[0]
    assert "5 and 4 lines" in report.problems[1]
    assert reports["test"].problems == []
    assert reports["test"].pairs == 7
    assert sum(count for _, count in seen) == 10
    assert not vocabulary.exists()
    assert command._check_translations(config) == 2
    printed = capsys.readouterr().out
    assert "train: 1 pairs with an empty side, 1 of more than 20 pieces" in printed


def test_the_configuration_is_whole(tmp_path):
    config = corpora.config(tmp_path)
    assert ParallelTextData.parse(config.plain()) == config
    assert config.held_out_splits() == ("test",)
