"""A trained synthesiser learns a new voice; a probe of its encodings; mixed texts."""

import json

import numpy as np
import pytest

import trainers
from tests.trainers.speaking import synthesiser
from tests.trainers.speaking import write_voices
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tools.convert.voices import convert_voices
from trainers.configuration import dump
from trainers.probing import probe
from trainers.runs import load_run


@pytest.mark.slow
def test_a_new_voice_changes_nothing_but_its_own_row(tmp_path):
    data = write_voices(tmp_path)
    path = tmp_path / "run.yaml"
    path.write_text(dump(synthesiser(data)), encoding="utf-8")
    trainers.train(path, tmp_path / "run")
    lines = (tmp_path / "manifest.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    new = [
        {**entry, "speaker": "s9", "id": f"new-{entry['id']}"}
        for entry in entries
        if entry["speaker"] == "s1" and entry["language"] == "es"
    ]
    own = tmp_path / "new.jsonl"
    own.write_text("\n".join(map(json.dumps, new)), encoding="utf-8")
    overrides = [f'data.manifests=["{own}"]', "data.test=null", "data.reference=null"]
    overrides.append("data.last_batch=pad")
    with pytest.raises(DataError, match=r"new voices alone.*s0, s1, s2.*s0, s1, s2"):
        convert_voices(tmp_path / "run", tmp_path / "bad", "2", True)
    added = convert_voices(tmp_path / "run", tmp_path / "more", "2", True, overrides)
    assert added == ("s9",)
    trainers.train(tmp_path / "more" / "config.yaml", tmp_path / "more")
    run = load_run(tmp_path / "run")
    before = {w.path: w.numpy() for w in run.model.weights}
    after = {w.path: w.numpy() for w in load_run(tmp_path / "more").model.weights}
    table = "tacotron/speaker_table"
    np.testing.assert_array_equal(after[table][:3], before[table])
    assert np.abs(after[table][3] - before[table].mean(0)).max() > 1e-4
    for name, array in before.items():
        if array.shape == after[name].shape and "training_step" not in name:
            np.testing.assert_array_equal(after[name], array, err_msg=name)
    found = probe(run, "test")
    assert found.keys() == {"speaker", "language"}
    # Three symbols and the end, of three pairs that training has.
    assert found["speaker"].symbols == 3 * 3 + 0
    assert 0 <= found["language"].accuracy <= 1
    with pytest.raises(ConfigError, match="cannot be probed"):
        probe(run, "nothing")
    script = run.task.voices.script("ab<es>ab</es>", run.task.config)
    rows = script.rows(0, 1)["token_languages"][0]
    np.testing.assert_array_equal(rows.argmax(1), [0, 0, 1, 1, 1, 1][: len(rows)])
    spoken = run.task.predict(run.model, "ab<es>ab</es>")
    assert np.all(np.isfinite(spoken.samples))
