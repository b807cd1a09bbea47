"""The demo: what a newcomer runs first."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_demo_trains_exports_verifies_and_predicts(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tools.cli",
            "demo",
            "--workdir",
            str(tmp_path / "demo"),
        ],
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    rows = dict(re.findall(r"│ (\w+) +│ (0\.\d+) ", done.stdout))
    assert set(rows) == {"keras", "saved_model", "tflite_float32", "tflite_int8"}
    assert all(float(top1) >= 0.92 for top1 in rows.values())
    assert "tensorboard --logdir" in done.stdout
    assert re.search(r"digit\.png, a 2 .*is: 2 \(", done.stdout)
