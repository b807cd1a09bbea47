"""What Kaldi's models say of their states: pdfs of transitions and of contexts."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfmodels.errors import DataError
from tfmodels.lattices.lexicon import EPSILON
from tfmodels.lattices.lexicon import PhoneSet
from tfmodels.lattices.tying import Tying
from tfmodels.lattices.tying import from_rows
from trainers.data.kaldi.lines import Line
from trainers.data.kaldi.lines import filled_lines
from trainers.data.kaldi.lines import write_lines


@dataclass(frozen=True, eq=False)
class Transitions:
    """What transition ids stand for; number 0 is none of them."""

    pdf: np.ndarray
    """int32 [N+1], pdf of each, -1 for number 0."""
    phone: np.ndarray
    """int32 [N+1], phone of each."""
    pdf_class: np.ndarray
    """int32 [N+1], which of its phone's pdfs each has: the number of its state; of
    chain models, 0 where a frame enters the state and 1 where it stays."""

    def class_of_pdf(self) -> np.ndarray:
        """int32 [P], pdf class of each output; the first where it has several."""
        classes = np.zeros(int(self.pdf.max()) + 1, np.int32)
        # Of several, the one written last stays.
        classes[self.pdf[:0:-1]] = self.pdf_class[:0:-1]
        return classes

    def monophone(self) -> Tying:
        """The table of a model whose pdfs do not depend on the neighbours.

        Raises:
          DataError: they do.
        """
        rows: dict[tuple[int, int], int] = {}
        for phone, pdf_class, pdf in zip(
            self.phone[1:], self.pdf_class[1:], self.pdf[1:], strict=True
        ):
            if rows.setdefault((int(phone), int(pdf_class)), int(pdf)) != pdf:
                raise DataError(
                    "The states of a model depend on neighbours. Expected the table of"
                    " its tied states, tying.txt, or states that depend on their phone"
                    f" alone; received several pdfs of phone {phone}, class"
                    f" {pdf_class}."
                )
        num_phones, num_classes = (max(key) + 1 for key in zip(*rows, strict=True))
        table = np.full((num_phones, num_classes), -1, np.int32)
        table[tuple(np.array(list(rows)).T)] = list(rows.values())
        shape = (num_phones, num_phones, num_phones, num_classes)
        return Tying(np.broadcast_to(table[None, :, None], shape))


_STATE = re.compile(
    r"Transition-state \d+: phone = (\S+) hmm-state = (\d+)"
    r" (?:pdf = (\d+)|forward-pdf = (\d+) self-loop-pdf = (\d+))\s*"
)
_TRANSITION = re.compile(r"Transition-id = (\d+) p = \S+.*\[(.*)\]\s*")


def read_transitions(path: Path, phones: PhoneSet) -> Transitions:
    """The output of Kaldi's ``show-transitions``.

    Raises:
      DataError: a line is damaged, a phone is unknown, or ids are not 1, 2, 3 ...
    """
    pdfs, owners, classes = [-1], [0], [0]
    state: re.Match[str] | None = None
    for line in filled_lines(path):
        text = line.text.strip()
        if found := _STATE.fullmatch(text):
            state = found
            if state[1] not in phones.index:
                raise line.error("a known phone")
            continue
        transition = _TRANSITION.fullmatch(text)
        if transition is None or state is None or int(transition[1]) != len(pdfs):
            raise line.error(
                f"a transition state or, after one, transition id {len(pdfs)}"
            )
        stays = transition[2] == "self-loop"
        pdfs.append(int(state[3] or state[5 if stays else 4]))
        owners.append(phones.index[state[1]])
        classes.append(int(state[2]) if state[3] else int(stays))
    if len(pdfs) == 1:
        raise Line(path, 1, "").error("transition states and their transitions")
    return Transitions(*(np.array(v, np.int32) for v in (pdfs, owners, classes)))


def read_tying(path: Path, phones: PhoneSet) -> Tying:
    """A decision tree as a table: lines of left, phone, right, pdf class and pdf.

    Phones are names; ``<eps>`` is the end of the utterance.

    Raises:
      DataError: a line is damaged, a phone is unknown or a context comes twice.
    """
    numbers = {EPSILON: 0, **phones.index}
    rows: dict[tuple[int, int, int, int], int] = {}
    for line in filled_lines(path):
        fields = line.fields
        if len(fields) != 5 or not set(fields[:3]) <= set(numbers):
            raise line.error("left, phone, right, pdf class, pdf, of known phones")
        left, phone, right = (numbers[name] for name in fields[:3])
        pdf_class, pdf = line.integers(fields[3:])
        if not phone or (left, phone, right, pdf_class) in rows:
            raise line.error("a phone in a context that is new")
        rows[left, phone, right, pdf_class] = pdf
    if not rows:
        raise DataError(f"{path} is empty. Expected tied states; received no line.")
    return from_rows(rows)


def write_tying(path: Path, tying: Tying, phones: PhoneSet) -> None:
    """Writes a line for every state of every phone in every context."""
    names = phones.names
    write_lines(
        path,
        (
            f"{names[left]} {names[phone]} {names[right]} {pdf_class} {pdf}"
            for (left, phone, right, pdf_class), pdf in np.ndenumerate(tying.table)
            if pdf >= 0 and phone
        ),
    )
