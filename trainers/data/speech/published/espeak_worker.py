"""A process that says sentences with eSpeak NG; nothing else may import it.

It reads a JSON object from each line of its input and answers with one: when each
phoneme begins, and phonemes as mnemonics where they are asked for. Or it answers with
what is wrong, and then ends.
"""

import ctypes
import json
import sys
import wave
from typing import Any

_SYNCHRONOUS = 2
_RATE, _PITCH = 1, 3
_UTF8 = 1
_WHOLE_TEXT = 1
_OK = 0
_PHONEME_EVENTS = 1
_END_OF_EVENTS, _PHONEME = 0, 7
# Mnemonics, not IPA, which has one sign for two tones of Mandarin; parted by "_".
_MNEMONICS = ord("_") << 8
_PITCH_RANGE, _USUAL_RANGE = 4, 50


class _Event(ctypes.Structure):
    """What happens at a time of the sound."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    ]


_RECEIVER = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.POINTER(ctypes.c_short),
    ctypes.c_int,
    ctypes.POINTER(_Event),
)


class _Voice(ctypes.Structure):
    """What eSpeak NG says of a voice, as far as is needed.

    Of languages, the first: a byte, which is its priority, and its name.
    """

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
    ]


class Speaker:
    """The library, opened."""

    def __init__(self) -> None:
        """Loads it.

        Raises:
          ValueError: it cannot start.
        """
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        voice = ctypes.POINTER(_Voice)
        self._library.espeak_GetCurrentVoice.restype = voice
        self._library.espeak_ListVoices.restype = ctypes.POINTER(voice)
        data = espeakng_loader.get_data_path().encode()
        self._rate = self._library.espeak_Initialize(
            _SYNCHRONOUS, 0, data, _PHONEME_EVENTS
        )
        if self._rate <= 0:
            raise ValueError(f"eSpeak NG does not start: {self._rate}")
        # Breath is noise, which else begins with the time of day.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._voices = self._listed()
        self._samples = bytearray()
        self._events: list[tuple[str, int]] = []
        self._receiver = _RECEIVER(self._receive)
        self._library.espeak_SetSynthCallback(self._receiver)

    def _listed(self) -> dict[str, str]:
        """The identifier of each language's own voice."""
        voices = self._library.espeak_ListVoices(None)
        found: dict[str, str] = {}
        number = 0
        while voices[number]:
            voice = voices[number].contents
            language = voice.languages[1:].decode()
            found.setdefault(language, voice.identifier.decode())
            number += 1
        return found

    def _receive(self, samples: object, count: int, events: Any) -> int:
        if samples and count:
            self._samples += ctypes.string_at(samples, 2 * count)  # type: ignore[arg-type]
        number = 0
        while events[number].type != _END_OF_EVENTS:
            event = events[number]
            if event.type == _PHONEME:
                self._events.append((event.name.decode(), event.milliseconds))
            number += 1
        return 0

    def answer(self, job: dict[str, object]) -> dict[str, object]:
        """Chooses the job's voice, and says or spells its text.

        Raises:
          ValueError: there is no such voice, or nothing was said.
        """
        self._choose(job)
        answer: dict[str, object] = {}
        if job.get("spell"):
            answer["clauses"] = self._spelled(str(job["text"]))
        if "path" in job:
            self._say(job)
            answer["events"] = self._events
            answer["seconds"] = len(self._samples) / 2 / self._rate
        return answer

    def _spelled(self, text: str) -> list[tuple[str, str]]:
        """The written form and the mnemonics of each clause.

        All of them are read: what is left over would be a part of the next text.
        """
        content = text.encode()
        whole = ctypes.create_string_buffer(content)
        begin = ctypes.addressof(whole)
        place = ctypes.c_void_p(begin)
        clauses = []
        while place.value is not None:
            before = place.value - begin
            said = self._library.espeak_TextToPhonemes(
                ctypes.byref(place), _UTF8, _MNEMONICS
            )
            after = len(content) if place.value is None else place.value - begin
            written = content[before:after].decode(errors="replace")
            clauses.append((written, said.decode()))
        return clauses

    def _choose(self, job: dict[str, object]) -> None:
        """Sets voice, rate and pitch; eSpeak NG keeps those of the job before.

        Raises:
          ValueError: there is no such voice.
        """
        voice, variant = str(job["voice"]), str(job["variant"])
        wanted = self._voices.get(voice, voice)
        if variant:
            wanted += f"+{variant}"
        found = self._library.espeak_SetVoiceByName(wanted.encode())
        # It may keep the voice before, or leave the variant out, and say nothing.
        current = self._library.espeak_GetCurrentVoice().contents.identifier
        if found != _OK or current != wanted.encode():
            raise ValueError(f"there is no voice {voice} with the variant {variant}")
        self._library.espeak_SetParameter(_RATE, int(str(job.get("rate", 175))), 0)
        self._library.espeak_SetParameter(_PITCH, int(str(job.get("pitch", 50))), 0)
        self._library.espeak_SetParameter(_PITCH_RANGE, _USUAL_RANGE, 0)

    def _say(self, job: dict[str, object]) -> None:
        """Writes a WAV file.

        Raises:
          ValueError: nothing was said.
        """
        self._samples.clear()
        self._events = []
        text = str(job["text"]).encode() + b"\0"
        said = self._library.espeak_Synth(
            text, len(text), 0, _WHOLE_TEXT, 0, _UTF8, None, None
        )
        if said != _OK or not self._samples:
            raise ValueError(f"eSpeak NG says nothing: {said}")
        with wave.open(str(job["path"]), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(self._rate)
            file.writeframes(bytes(self._samples))


def _main() -> int:
    try:
        speaker = Speaker()
        for line in sys.stdin:
            print(json.dumps(speaker.answer(json.loads(line))), flush=True)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        print(error, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
