"""Language models in the ARPA form."""

import math

import numpy as np
import pytest

from tfmodels.errors import DataError
from tfmodels.lattices.language_model import BEGIN
from tfmodels.lattices.language_model import END
from tfmodels.lattices.language_model import estimate
from trainers.data.kaldi.arpa import read_arpa
from trainers.data.kaldi.arpa import write_arpa

WORDS = ("<eps>", "a", "b")
TEXT = """Some remark

\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-99 <s> -0.3
-0.5 </s>
-0.4 a -0.2
-0.6 b
-1.2 <unk>

\\2-grams:
-0.1 <s> a
-0.7 a b
-0.9 a <unk>

\\end\\
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "lm.arpa"


def test_probabilities_and_weights_of_backing_off(file):
    file.write_text(TEXT)
    model = read_arpa(file, WORDS)
    ten = math.log(10)
    assert model.log_prob((BEGIN,), 1) == pytest.approx(-0.1 * ten)
    assert model.log_prob((BEGIN,), 2) == pytest.approx((-0.3 - 0.6) * ten)
    assert model.log_prob((1,), 2) == pytest.approx(-0.7 * ten)
    assert model.log_prob((1,), 1) == pytest.approx((-0.2 - 0.4) * ten)
    assert model.log_prob((1,), END) == pytest.approx((-0.2 - 0.5) * ten)
    assert model.log_prob((2,), END) == pytest.approx(-0.5 * ten)
    assert model.words == (1, 2)
    assert model.follow((1,), 2).target == ()


def test_round_trip(file):
    model = estimate([(1, 2), (2, 2, 1), ()], (1, 2))
    write_arpa(file, model, WORDS)
    again = read_arpa(file, WORDS)
    assert again.histories == model.histories
    for history in model.histories:
        for word in (1, 2, END):
            found = again.log_prob(history, word)
            assert found == pytest.approx(model.log_prob(history, word), abs=1e-7)
        total = [arc.weight for arc in again.arcs(history)]
        assert np.exp([*total, again.final(history)]).sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\\data\\", "data", "in some line"),
        ("\\end\\", "", "after the last"),
        ("ngram 2=3", "ngram 2=4", "incomplete"),
        ("ngram 2=3", "ngram 2=x", "line 5.*whole numbers"),
        ("\\2-grams:", "\\3-grams:", "line 14.*announced"),
        ("-0.7 a b", "-0.7 a", "line 16.*2 words"),
        ("-0.7 a b", "x a b", "line 16.*numbers"),
        ("-0.7 a b", "-0.7 a b c d", "line 16"),
    ],
)
def test_damaged_models(file, old, new, message):
    file.write_text(TEXT.replace(old, new))
    with pytest.raises(DataError, match=message):
        read_arpa(file, WORDS)


def test_models_of_other_words(file):
    file.write_text(TEXT.replace("</s>", "q"))
    assert read_arpa(file, ("<eps>", "q")).words == (1,)
