"""The tiny configurations that see, and what each must reach."""

from tools.results.recipe import Recipe

_DIGITS = (
    "always the commonest class 0.103; logistic regression 0.900, nearest neighbour"
    " 0.956, support vector machine with RBF kernel 0.964 (scikit-learn, same split)"
)
_NOTHING = "finding nothing: precision 0, localisation error 1"
RECIPES = (
    Recipe("googlenet/tiny", "test/top1", 0.95, _DIGITS, figures="ensemble"),
    *(
        Recipe(
            f"googlenet/{name}_tiny",
            "test/top1",
            0.95,
            _DIGITS,
            seeds=(0,),
            figures="compressed",
        )
        for name in ("qat", "pruned", "compressed")
    ),
    Recipe("googlenet/async_tiny", "test/top1", 0.95, _DIGITS, processes=2),
    Recipe(
        "googlenet/detection_tiny",
        "test/map50",
        0.85,
        _NOTHING,
        seeds=(0,),
        figures="boxes",
    ),
    Recipe(
        "googlenet/localization_tiny",
        "test/localization_error",
        0.05,
        _NOTHING,
        seeds=(0,),
        asks="at most",
        figures="final",
    ),
    Recipe("inception_v4/tiny", "test/top1", 0.95, _DIGITS, figures="ensemble"),
    Recipe(
        "inception_v4/resnet_v2_tiny", "test/top1", 0.96, _DIGITS, figures="ensemble"
    ),
    Recipe("gpipe/amoebanet_tiny", "test/top1", 0.93, _DIGITS),
    *(
        Recipe(
            "raml/digits",
            "test/superclass_error",
            bound,
            baseline,
            overrides,
            asks="at most",
            figures="classes",
        )
        for bound, baseline, overrides in (
            (0.012, "plain likelihood, below", ()),
            (0.02, "another temperature, above", ("objective.tau=0.15",)),
            (0.02, "reward-augmented likelihood, above", ("objective.ml_mix=1",)),
        )
    ),
)
