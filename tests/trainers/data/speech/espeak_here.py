"""Whether eSpeak NG is installed here."""

import importlib.util

import pytest

needs_espeak = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None,
    reason="the optional extra speech is not installed",
)
