"""A program that trains a recogniser whose answers do not end by themselves.

Its arguments are changes to ``multidialect_asr/fsdd``; see `training_worker`.
"""

import sys

from tools.benchmark.recognition_model import never_end
from tools.benchmark.training_worker import serve

if __name__ == "__main__":
    serve("multidialect_asr/fsdd", sys.argv[1:], never_end)
