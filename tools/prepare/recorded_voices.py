"""Prepares published corpora of voices: one manifest for any of them."""

from collections import Counter
from pathlib import Path

from tfmodels.errors import ConfigError
from tools.console import print_to_terminal

CORPORA = ("ljspeech", "css10", "vctk", "libritts", "aishell3")
"""Names that `prepare_recorded_voices` knows."""


def prepare_recorded_voices(
    name: str, source: Path | None, output: Path
) -> dict[str, str]:
    """Writes a manifest, which says where in each recording somebody speaks.

    Args:
      name: one of `CORPORA`.
      source: the corpus's folder.
      output: folder for the manifest.

    Returns:
      The section `data` of an experiment that reads it, without `batch_size`.

    Raises:
      ConfigError: `source` is missing.
      DataError: the corpus is damaged.
    """
    from rich.progress import track

    from trainers.data.speech.manifest import write_manifest
    from trainers.data.synthesis import corpora

    if source is None:
        raise ConfigError(
            f"the folder of {name} is missing. Expected --source. Received none."
        )
    entries = list(corpora.CORPORA[name](source))
    found = [corpora.without_silence(each) for each in track(entries, "recordings")]
    path = output / "manifest.jsonl"
    write_manifest(path, found)
    counts = Counter(each.split for each in found)
    for split, count in counts.items():
        print_to_terminal(f"{split}: {count:,} utterances")
    return {
        "kind": "synthesis_manifest",
        "manifests": f"[{path}]",
        **{
            key: f"[{key}]" if counts[key] else "null" for key in ("validation", "test")
        },
        "front_end": "public22k",
        "rms_db": "-23.0",
        "buckets": "[{frames: 400, symbols: 100}, {frames: 900, symbols: 200}]",
    }
