"""The table of a model's variables."""

import re

import keras

from trainers.summaries.overview import parameter_overview


def test_every_weight_has_a_line_and_counts_add_up() -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(16, 3, bias_initializer="ones", name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Dropout(0.5),
        ]
    )
    *table, _, total = parameter_overview(model).splitlines()
    cells = [re.split(r" *\| *", line.strip("| ")) for line in table]
    assert cells[0] == ["name", "shape", "count", "mean", "std"]
    rows = {row[0].split("/", 1)[1]: row[1:] for row in cells[2:]}
    assert rows["conv/kernel"][:2] == ["3 x 3 x 3 x 16", "432"]
    assert rows["conv/bias"] == ["16", "16", "1", "0"]
    assert rows["norm/moving_variance"] == ["16", "16", "1", "0"]
    assert len(rows) == len(model.weights) == 6
    assert total == "512 parameters, 480 of them trainable."
    assert len({len(line) for line in table}) == 1
