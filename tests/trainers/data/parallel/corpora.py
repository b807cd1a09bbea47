"""Small parallel texts as files."""

from pathlib import Path

from trainers.data.parallel.config import ParallelTextData

SOURCES = [f"the {'very ' * (n % 5)}small cat {n}" for n in range(23)]
TARGETS = [f"die {'sehr ' * (n % 3)}kleine Katze {n}" for n in range(23)]


def write(folder: Path, name: str, lines: list[str]) -> str:
    path = folder / name
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return str(path)


def pair(folder: Path, name: str, sources=SOURCES, targets=TARGETS) -> dict[str, str]:
    return {
        "source": write(folder, f"{name}.en", sources),
        "target": write(folder, f"{name}.de", targets),
    }


def config(folder: Path, **values) -> ParallelTextData:
    return ParallelTextData.parse(
        {
            "batch_size": 4,
            "pool": 3,
            "vocabulary_size": 320,
            "train": [pair(folder, "train")],
            "test": [pair(folder, "test", SOURCES[:7], TARGETS[:7])],
            **values,
        }
    )
