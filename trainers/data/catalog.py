"""The kinds of data that an experiment may name."""

from typing import Annotated

import pydantic

from trainers.data.config import DigitsData
from trainers.data.config import ImageFolderData
from trainers.data.config import ManifestData
from trainers.data.config import RecordedUtterancesData
from trainers.data.config import RecordsData
from trainers.data.config import SortingData
from trainers.data.config import SpokenDigitsData
from trainers.data.config import TextData
from trainers.data.config import WordLoopData
from trainers.data.parallel.config import NumberWordsData
from trainers.data.parallel.config import ParallelTextData

AnyData = Annotated[
    DigitsData
    | ImageFolderData
    | ManifestData
    | NumberWordsData
    | ParallelTextData
    | RecordedUtterancesData
    | RecordsData
    | SortingData
    | SpokenDigitsData
    | TextData
    | WordLoopData,
    pydantic.Field(discriminator="kind"),
]
