"""The tiny configurations of texts and symbols, and what each must reach."""

from tools.results.recipe import Recipe

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
RECIPES = (
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
    Recipe("gnmt/multi30k_hour", "test/bleu", 30, _CAPTIONS, (), (0,), figures="final"),
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
)
