"""The tiny configurations and what each must reach, in the order of the page."""

from tools.results import speech
from tools.results import text
from tools.results import vision

RECIPES = (*vision.RECIPES, *text.RECIPES, *speech.RECIPES)
