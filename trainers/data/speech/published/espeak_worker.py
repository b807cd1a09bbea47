"""A process that says sentences with eSpeak NG; nothing else may import it.

It reads a JSON object from each line of its input and answers with the line ``done``,
or with what is wrong, and then ends.
"""

import ctypes
import json
import sys
import wave

_SYNCHRONOUS = 2
_RATE, _PITCH = 1, 3
_UTF8 = 1
_WHOLE_TEXT = 1
_OK = 0
_RECEIVER = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
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
        self._rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0)
        if self._rate <= 0:
            raise ValueError(f"eSpeak NG does not start: {self._rate}")
        self._voices = self._listed()
        self._samples = bytearray()
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

    def _receive(self, samples: object, count: int, _: object) -> int:
        if samples and count:
            self._samples += ctypes.string_at(samples, 2 * count)  # type: ignore[arg-type]
        return 0

    def say(self, job: dict[str, object]) -> None:
        """Writes a WAV file.

        Raises:
          ValueError: there is no such voice, or nothing was said.
        """
        voice, variant = str(job["voice"]), str(job["variant"])
        wanted = f"{self._voices.get(voice, voice)}+{variant}"
        found = self._library.espeak_SetVoiceByName(wanted.encode())
        # It may keep the voice before, or leave the variant out, and say nothing.
        current = self._library.espeak_GetCurrentVoice().contents.identifier
        if found != _OK or current != wanted.encode():
            raise ValueError(f"there is no voice {voice} with the variant {variant}")
        self._library.espeak_SetParameter(_RATE, int(str(job["rate"])), 0)
        self._library.espeak_SetParameter(_PITCH, int(str(job["pitch"])), 0)
        self._samples.clear()
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
            speaker.say(json.loads(line))
            print("done", flush=True)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        print(error, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
