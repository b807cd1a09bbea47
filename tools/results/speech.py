"""The tiny configurations of speech, and what each must reach."""

from tools.results.recipe import SEEDS
from tools.results.recipe import Recipe
from tools.results.spoken import RECOGNISER

_SILENCE = "saying nothing 1.0"
_CONFLICT = (
    "who does not know the dialect gets 0.20 of the words wrong, and half of those that"
    " mean another one elsewhere"
)
_CROSS_ENTROPY = "the end of cross entropy, decoded at its own best scale"
_ESPEAK = (
    *("data", "prepare", "espeak", "--output", "data/espeak"),
    *("--utterances", "1250"),
)
_VOICES = ("data", "prepare", "espeak_voices", "--output", "data/voices")
RECIPES = (
    *(
        Recipe(
            config,
            "ratio",
            0.70,
            _CROSS_ENTROPY,
            overrides,
            seeds,
            processes,
            asks="at most",
            figures="errors_by_stage",
        )
        for config in ("async_sequence/tiny", "async_sequence/smbr_tiny")
        for overrides, seeds, processes in (
            ((), SEEDS, 2),
            # As many updates, each from the gradients of both.
            (("strategy.synchronous=true",), (0,), 0),
        )
    ),
    Recipe(
        "async_sequence/fsdd",
        "test/wer",
        0.05,
        _SILENCE,
        processes=2,
        asks="at most",
        figures="final",
    ),
    Recipe(
        "multidialect_asr/fsdd",
        "test/wer",
        0.05,
        _SILENCE,
        asks="at most",
        figures="final",
    ),
    # The utterances of the hybrid system are of three to six words.
    Recipe(
        "multidialect_asr/fsdd",
        "test/wer",
        0.06,
        f"{_SILENCE}; `async_sequence/fsdd` on the same utterances: see there",
        (
            "data.words=[1, 6]",
            "data.buckets=[{frames: 132, units: 14}, {frames: 240, units: 26},"
            " {frames: 400, units: 40}]",
            "data.graphemes=data/fsdd_connected/graphemes.json",
            "run.steps=1000",
        ),
        (0,),
        asks="at most",
        figures="same_utterances",
        prepare=(
            *("data", "prepare", "connected_digits", "--source", "data/fsdd"),
            *("--output", "data/fsdd_connected"),
        ),
    ),
    Recipe(
        "multidialect_asr/tiny",
        "test/wer",
        0.1,
        _SILENCE,
        asks="at most",
        figures="final",
        prepare=_ESPEAK,
    ),
    Recipe(
        RECOGNISER,
        "test/wer",
        0.1,
        _SILENCE,
        seeds=(0,),
        asks="at most",
        figures="final",
        prepare=_VOICES,
    ),
    Recipe(
        "multilingual_tts/vocoder_tiny",
        "test/loss",
        7.0,
        "nats a sample; knowing the high byte before 2.41 for the next and 5.25 for the"
        " low one beside it, nothing 9.00",
        seeds=(0,),
        asks="at most",
        figures="bytes",
        prepare=_VOICES,
    ),
    *(
        Recipe(
            "multilingual_tts/tiny",
            "test/mcd_crossed",
            bound,
            "the wanted voice with another text 11.2 dB",
            overrides,
            seeds,
            asks="at most",
            figures="spoken",
            prepare=_VOICES,
        )
        for bound, overrides, seeds in (
            (7.5, (), SEEDS),
            (
                6.4,
                (
                    "run.steps=4764",
                    "run.evaluate_every=4764",
                    "optimizer.learning_rate.every=4764",
                    "objective.kl_steps=1200",
                    "objective.guidance_steps=1600",
                ),
                (0,),
            ),
            # Without times of phonemes.
            (
                10.5,
                (
                    "objective.alignment_weight=0",
                    "objective.guided_weight=1.0",
                    "objective.monotone_weight=0.6",
                    "objective.guidance_steps=1150",
                ),
                (0,),
            ),
            # Without the adversary; without tones and stress; with all told to all.
            (7.5, ("objective.classifier_weight=0",), (0,)),
            (7.5, ("data.tones=false",), (0,)),
            (7.5, ("model.conditioning=decoder_input",), (0,)),
        )
    ),
    Recipe(
        "multidialect_asr/english_arabic",
        "test/wer",
        0.15,
        _SILENCE,
        asks="at most",
        figures="final",
    ),
    *(
        Recipe(
            "multidialect_asr/conflicting",
            "test/wer",
            0.03 if knows else 0.17,
            _CONFLICT,
            overrides,
            (0,),
            asks="at most" if knows else "at least",
            figures="told",
            prepare=("data", "prepare", "tones", "--output", "data/tones"),
        )
        for knows, overrides in (
            (False, ("model.conditioning=null",)),
            (
                False,
                (
                    "model.conditioning=null",
                    "data.variety_symbol=end",
                    "data.graphemes=data/tones/symbols.json",
                    "model.vocabulary_size=22",
                ),
            ),
            (True, ()),
            (True, ("model.conditioning={kind: mean, at: encoder}",)),
            (True, ("model.conditioning={kind: mean, identifier: embed}",)),
            (True, ("model.conditioning={kind: weight}",)),
            (True, ("model.conditioning={kind: layer}",)),
            (True, ("model.conditioning={kind: rank_one}",)),
            (True, ("model.conditioning={kind: adapter, bottleneck: 16}",)),
        )
    ),
    Recipe(
        "multidialect_asr/one_dialect",
        "test/wer/north",
        0.03,
        _CONFLICT,
        (),
        (0,),
        asks="at most",
        figures="final",
        prepare=("data", "prepare", "tones", "--output", "data/tones"),
    ),
    *(
        Recipe(
            "mwer/tiny",
            "test/expected_errors",
            bound,
            baseline,
            overrides,
            asks="at most",
            figures=figures,
            prepare=_ESPEAK,
        )
        for figures, bound, baseline, overrides in (
            ("expected_errors", 0.8, "cross entropy alone, below", ()),
            (
                "against_errors",
                1.1,
                "minimum word error rate, above",
                ("objective.cross_entropy_weight=1000",),
            ),
        )
    ),
    *(
        Recipe(
            "mwer/fsdd_noisy",
            "test/expected_errors",
            bound,
            baseline,
            overrides,
            seeds,
            asks="at most",
            figures=figures,
        )
        for figures, bound, baseline, overrides, seeds in (
            (
                "expected_errors",
                0.1,
                "cross entropy alone, below",
                (),
                SEEDS,
            ),
            (
                "against_errors",
                0.11,
                "minimum word error rate, above",
                ("objective.cross_entropy_weight=1000",),
                SEEDS,
            ),
            (
                "drawn_errors",
                0.11,
                "the four best answers in place of drawn ones, above",
                (
                    "objective.answers=samples",
                    "optimizer.learning_rate.initial=0.00005",
                ),
                (0,),
            ),
        )
    ),
)
