"""Phones, words, pronunciations; priors of pdfs."""

import numpy as np
import pytest

from tests.tfmodels.lattices.speech import LEXICON
from tests.tfmodels.lattices.speech import PHONES
from tfmodels.errors import DataError
from tfmodels.lattices.lexicon import Lexicon
from tfmodels.lattices.lexicon import PhoneSet
from tfmodels.lattices.priors import count_pdfs
from tfmodels.lattices.priors import log_priors


def test_words_are_numbered_from_one_as_they_come():
    assert LEXICON.words == ("<eps>", "x", "y", "z")
    assert LEXICON.pronunciations == ((), ((2,), (3, 2)), ((2, 3),), ((3, 2),))
    assert LEXICON.encode(["z", "x"]) == (3, 1)
    again = Lexicon.create([("x", ["a"]), ("x", ["a"])], PHONES)
    assert again.pronunciations == ((), ((2,),))


def test_phones_and_their_classes():
    phones = PhoneSet.create(["sil", "a", "b"], "sil", {"vowel": ["a"], "all": "ab"})
    assert phones.index == {"sil": 1, "a": 2, "b": 3}
    assert phones.silence == 1
    assert phones.classes == {"vowel": {2}, "all": {2, 3}}


def test_what_is_unknown_is_named():
    with pytest.raises(DataError, match="no pronunciation of q"):
        LEXICON.encode(["x", "q"])
    for names in (["a", "q"], []):
        with pytest.raises(DataError, match="pronunciation of x"):
            Lexicon.create([("x", names)], PHONES)
    with pytest.raises(DataError, match="no such phone"):
        PhoneSet.create(["a"], "sil")
    with pytest.raises(DataError, match="no such phone"):
        PhoneSet.create(["a"], "a", {"vowel": ["e"]})


def test_priors_are_counts_plus_one():
    counts = count_pdfs([np.array([0, 2, 2]), np.array([2])], num_pdfs=4)
    assert counts.tolist() == [1, 0, 3, 0]
    np.testing.assert_allclose(np.exp(log_priors(counts)), np.array([2, 1, 4, 1]) / 8)
    assert log_priors(counts).dtype == np.float32


def test_alignments_of_other_models_are_refused():
    with pytest.raises(DataError, match=r"\[0, 2\)"):
        count_pdfs([np.array([0, 2])], num_pdfs=2)
