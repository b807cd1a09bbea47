"""The tiny configurations that see, and what each must reach."""

from tools.results.recipe import Recipe

_DIGITS = (
    "always the commonest class 0.103; logistic regression 0.900, nearest neighbour"
    " 0.956, support vector machine with RBF kernel 0.964 (scikit-learn, same split)"
)
RECIPES = (
    Recipe("googlenet/tiny", "test/top1", 0.95, _DIGITS),
    Recipe("googlenet/async_tiny", "test/top1", 0.95, _DIGITS, processes=2),
    Recipe("inception_v4/tiny", "test/top1", 0.95, _DIGITS),
    Recipe("inception_v4/resnet_v2_tiny", "test/top1", 0.96, _DIGITS),
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
