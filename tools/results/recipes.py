"""The tiny configurations and what each must reach."""

from tools.results.recipe import SEEDS
from tools.results.recipe import Recipe

_DIGITS = (
    "always the commonest class 0.103; logistic regression 0.900, nearest neighbour"
    " 0.956, support vector machine with RBF kernel 0.964 (scikit-learn, same split)"
)
_SORTING = (
    "the likeliest symbol at each place gets 0.26 of the tokens and no sequence right;"
    " sorting takes all 12 symbols into account"
)
_NUMBERS = "the nearest training number's words: 0, as all test numbers are others"
_CAPTIONS = (
    "the translation of the training caption with most (rare) words in common 8.5, the"
    " English caption itself 0.5"
)
_CHARACTERS = (
    "a uniform guess 4.17 nats, by the character's frequency 3.35, by the one before"
    " 2.49; nanoGPT's figure for these sizes 1.88"
)
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
RECIPES = (
    Recipe("googlenet/tiny", "test/top1", 0.95, _DIGITS),
    Recipe("googlenet/async_tiny", "test/top1", 0.95, _DIGITS, processes=2),
    Recipe("inception_v4/tiny", "test/top1", 0.95, _DIGITS),
    Recipe("inception_v4/resnet_v2_tiny", "test/top1", 0.96, _DIGITS),
    Recipe("gpipe/tiny", "test/sequence_accuracy", 0.97, _SORTING),
    *(
        Recipe(
            "gpipe/tiny",
            "test/sequence_accuracy",
            0.97,
            _SORTING,
            ("strategy.stages=4", *overrides),
            seeds=(0,),
        )
        for overrides in (
            ("strategy.schedule=gpipe",),
            ("strategy.schedule=1f1b",),
            ("strategy.schedule=interleaved_1f1b", "strategy.chunks=2"),
            ("strategy.schedule=zb_h1",),
            ("strategy.schedule=1f1b", "strategy.rematerialize=always"),
        )
    ),
    Recipe(
        "optimal_clipping/tiny",
        "test/nats_per_character",
        2.0,
        _CHARACTERS,
        seeds=(0,),
        asks="at most",
        figures="clipped",
    ),
    Recipe("gpipe/amoebanet_tiny", "test/top1", 0.93, _DIGITS),
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
        "gnmt/tiny",
        "test/exact_match",
        0.97,
        _NUMBERS,
        figures="integer_engine",
    ),
    # All forms of an export, of which `verify` asks for so many equal answers.
    Recipe(
        "gnmt/tiny",
        "test/exact_match",
        0.97,
        _NUMBERS,
        ("export.min_agreement=0.98",),
        (0,),
        figures="all_exports",
    ),
    Recipe(
        "gnmt/tiny",
        "test/exact_match",
        0.9,
        _NUMBERS,
        ("strategy.kind=parameter_server",),
        (0,),
        processes=2,
        figures="final",
    ),
    *(
        Recipe(
            "gnmt/multi30k",
            "test/bleu",
            12,
            _CAPTIONS,
            overrides,
            (0,),
            figures="final" if overrides else "integer_engine",
        )
        for overrides in (
            (),
            ("model.clip=null",),
            ("model.clip={start: 8.0, end: 1.0, end_step: 600}",),
            ("model.clip={start: 8.0, end: 1.0, end_step: 1440}",),
        )
    ),
    *(
        Recipe(
            "gnmt/multi30k_reward",
            "gain",
            bound,
            baseline,
            overrides,
            (0,),
            figures="expected_reward",
        )
        for bound, baseline, overrides in (
            (0.02, "0, of the model before that stage", ()),
            (0.0, "expected GLEU, above", ("objective.likelihood_weight=1000",)),
        )
    ),
    Recipe(
        "raml/tiny",
        "test/exact_match",
        0.80,
        "plain maximum likelihood with as many steps, below",
        figures="final",
    ),
    Recipe(
        "raml/tiny",
        "test/exact_match",
        0.75,
        "reward-augmented likelihood, above",
        ("objective={kind: cross_entropy}",),
        figures="final",
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
        "multilingual_tts/tiny",
        "test/mcd_crossed",
        7.5,
        "the wanted voice with another text 11.2 dB",
        asks="at most",
        figures="spoken",
        prepare=("data", "prepare", "espeak_voices", "--output", "data/voices"),
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
    *(
        Recipe(
            "mwer/tiny",
            "test/expected_errors",
            0.4,
            baseline,
            overrides,
            (0,),
            asks="at most",
            figures=figures,
            prepare=_ESPEAK,
        )
        for figures, baseline, overrides in (
            ("expected_errors", "cross entropy alone, below", ()),
            (
                "against_errors",
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
                0.2,
                "cross entropy alone, below",
                (),
                SEEDS,
            ),
            (
                "against_errors",
                0.26,
                "minimum word error rate, above",
                ("objective.cross_entropy_weight=1000",),
                SEEDS,
            ),
            (
                "drawn_errors",
                0.26,
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
