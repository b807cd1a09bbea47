"""Prepares a corpus to learn to speak from, which eSpeak NG says."""

from pathlib import Path

from tools.console import print_to_terminal


def prepare_voices(output: Path) -> dict[str, str]:
    """Writes recordings, a manifest with phonemes and their times, and checksums.

    Args:
      output: folder to write into.

    Returns:
      The section `data` of an experiment that reads it, without `batch_size`.

    Raises:
      DataError: eSpeak NG is not installed, or the folder cannot be written.
    """
    from collections import Counter

    from rich.progress import Progress

    from trainers.data.speech.manifest import write_manifest
    from trainers.data.synthesis.espeak_voices import speak_voices

    with Progress() as progress:
        bar = progress.add_task("eSpeak NG", total=None)
        found = speak_voices(output, progress=lambda: progress.advance(bar))
    print_to_terminal(
        "eSpeak NG makes formant speech: nobody has said this, and figures on it say"
        " nothing about recordings of people."
    )
    path = output / "manifest.jsonl"
    write_manifest(path, found)
    for split, count in Counter(each.split for each in found).items():
        print_to_terminal(f"{split}: {count:,} utterances")
    untimed = sum(each.durations_ms is None for each in found)
    print_to_terminal(f"{untimed:,} utterances have no times of phonemes")
    return {
        "kind": "synthesis_manifest",
        "manifests": f"[{path}]",
        "validation": "[validation]",
        "words": "[words]",
        "reference": "[reference]",
        "symbols": "phonemes",
        "buckets": "[{frames: 96, symbols: 24}, {frames: 120, symbols: 24}]",
    }
