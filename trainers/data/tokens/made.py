"""A text made here, for language models where no text is at hand."""

import random

_PEOPLE = ("Anna", "the baker", "Ben", "the captain", "Clara", "the doctor", "my aunt")
_VERBS = ("finds", "carries", "paints", "sells", "hides", "washes", "borrows")
_KINDS = ("red", "small", "heavy", "broken", "golden", "quiet", "old", "warm")
_THINGS = ("boat", "lamp", "basket", "clock", "apple", "letter", "drum", "chair")
_PLACES = ("in the garden", "near the river", "at the market", "behind the house")
_TIMES = ("in the morning", "at noon", "after dinner", "before the rain", "every day")
_SEED = 8


def made_text(sentences: int = 16_000) -> str:
    """Sentences of a small grammar, about one megabyte, always the same.

    Every second sentence says again what was found in the one before, which a model
    gets right only if it remembers it.

    Args:
      sentences: how many pairs of them.
    """
    drawn = random.Random(_SEED)
    lines = []
    for _ in range(sentences):
        person, verb, kind, thing, place, time = map(
            drawn.choice, (_PEOPLE, _VERBS, _KINDS, _THINGS, _PLACES, _TIMES)
        )
        start = f"{time.capitalize()} {person} {verb} a {kind} {thing} {place}."
        lines.append(f"{start} The {thing} is {kind}.\n")
    return "".join(lines)
