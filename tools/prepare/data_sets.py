"""Names of data sets that ``tfmodels data prepare`` writes."""

import enum


class DataSet(enum.StrEnum):
    """Data sets that `prepare` can write."""

    DIGITS = "digits"
    """Handwritten digits that scikit-learn ships."""
    KALDI = "kaldi"
    """Speech in Kaldi's data folders."""
    LIBRISPEECH = "librispeech"
    """Read English: folders of speakers and chapters."""
    COMMON_VOICE = "common_voice"
    """Sentences read by volunteers: the folder of a language."""
    SPEECH_COMMANDS = "speech_commands"
    """Single English words, a folder for each."""
    FSDD = "fsdd"
    """English digits in six voices."""
    ARABIC_DIGITS = "arabic_digits"
    """Arabic digits, with tables of their speakers."""
    CONNECTED_DIGITS = "connected_digits"
    """What async_sequence/fsdd is tested with, made of the recordings of fsdd."""
    ESPEAK = "espeak"
    """Sentences in six dialects that eSpeak NG says, which is formant speech."""
    ESPEAK_VOICES = "espeak_voices"
    """Phrases in six voices and three languages to learn to speak from, by eSpeak NG,
    which is formant speech."""
    LJSPEECH = "ljspeech"
    """Voices of people to learn to speak from; so are the next four."""
    CSS10 = "css10"
    VCTK = "vctk"
    LIBRITTS = "libritts"
    AISHELL3 = "aishell3"
    TONES = "tones"
    """Tones in two dialects that contradict each other."""
