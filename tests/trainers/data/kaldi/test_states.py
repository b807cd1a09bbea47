"""Transitions and tied states of Kaldi's models."""

import numpy as np
import pytest

from tfmodels.errors import DataError
from tfmodels.lattices.lexicon import PhoneSet
from tfmodels.lattices.topology import chain
from tfmodels.lattices.topology import left_to_right
from tfmodels.lattices.tying import left_biphone
from trainers.data.kaldi.states import read_transitions
from trainers.data.kaldi.states import read_tying
from trainers.data.kaldi.states import write_tying

PHONES = PhoneSet.create(["SIL", "AH_B"], "SIL")
# As TransitionModel::Print writes it, with and without counts.
HYBRID = """Transition-state 1: phone = SIL hmm-state = 0 pdf = 2
 Transition-id = 1 p = 0.25 count of pdf = 120 [self-loop]
 Transition-id = 2 p = 0.75 count of pdf = 120 [0 -> 1]
Transition-state 2: phone = AH_B hmm-state = 0 pdf = 0
 Transition-id = 3 p = 0.5 [self-loop]
 Transition-id = 4 p = 0.5 [0 -> 1]
"""
CHAIN = """\
Transition-state 1: phone = AH_B hmm-state = 0 forward-pdf = 5 self-loop-pdf = 3
 Transition-id = 1 p = 0.5 [self-loop]
 Transition-id = 2 p = 0.5 [0 -> 1]
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "states.txt"


def test_transitions_of_a_hybrid_model(file):
    file.write_text(HYBRID)
    transitions = read_transitions(file, PHONES)
    assert transitions.pdf.tolist() == [-1, 2, 2, 0, 0]
    assert transitions.phone.tolist() == [0, 1, 1, 2, 2]
    assert transitions.pdf_class.tolist() == [0, 0, 0, 0, 0]
    assert transitions.monophone().pdfs(1, 2, 0) == (0,)
    assert transitions.monophone().pdfs(0, 1, 2) == (2,)


def test_transitions_of_a_chain_model(file):
    file.write_text(CHAIN)
    transitions = read_transitions(file, PHONES)
    assert transitions.pdf.tolist() == [-1, 3, 5]
    assert transitions.phone.tolist() == [0, 2, 2]
    assert transitions.pdf_class.tolist() == [0, 1, 0]
    assert transitions.class_of_pdf()[[5, 3]].tolist() == [0, 1]
    assert transitions.monophone().pdfs(0, 2, 0) == (5, 3)


def test_states_in_context_are_no_monophones(file):
    again = HYBRID + HYBRID[HYBRID.index("Transition-state 2") :]
    again = again.replace("id = 3", "id = 5", 2).replace("id = 5", "id = 3", 1)
    text = again.replace("id = 4", "id = 6").replace("id = 6", "id = 4", 1)
    head, tail = text.rsplit("pdf = 0", 1)
    file.write_text(f"{head}pdf = 1{tail}")
    with pytest.raises(DataError, match=r"tying\.txt.*phone 2, class 0"):
        read_transitions(file, PHONES).monophone()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HYBRID.replace("AH_B", "EH"), "line 4.*a known phone"),
        (HYBRID.replace("id = 3", "id = 5"), "line 5.*transition id 3"),
        (HYBRID.replace("p = 0.5 ", ""), "line 5"),
        (HYBRID.split("\n", 1)[1], "line 1"),
        ("", "transition states"),
    ],
)
def test_damaged_transitions(file, text, message):
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        read_transitions(file, PHONES)


def test_tables_of_contexts(file):
    file.write_text("SIL AH_B <eps> 0 4\n<eps> SIL AH_B 0 0\n")
    tying = read_tying(file, PHONES)
    assert tying.pdfs(1, 2, 0) == (4,)
    assert tying.pdfs(0, 1, 2) == (0,)


def test_round_trip_of_a_table(file):
    tying = left_biphone({1: left_to_right(3), 2: chain()}, independent=[1])
    write_tying(file, tying, PHONES)
    np.testing.assert_array_equal(read_tying(file, PHONES).table, tying.table)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SIL EH SIL 0 1", "known phones"),
        ("SIL AH_B SIL 0", "known phones"),
        ("SIL <eps> SIL 0 1", "a phone in a context"),
        ("SIL AH_B SIL 0 1", "new"),
        ("SIL AH_B SIL 1 -1", "at least 0"),
    ],
)
def test_damaged_tables(file, line, message):
    file.write_text(f"SIL AH_B SIL 0 7\n{line}\n")
    with pytest.raises(DataError, match=f"line 2.*{message}"):
        read_tying(file, PHONES)
    file.write_text("")
    with pytest.raises(DataError, match="empty"):
        read_tying(file, PHONES)
