"""Every kind of model, task, objective and data, and which of them go together."""

from typing import TYPE_CHECKING
from typing import Annotated

import pydantic

from tfmodels.acoustic.config import AcousticConfig
from tfmodels.catalog import MODELS
from tfmodels.classification.config import ImageClassifierConfig
from tfmodels.config import Config
from tfmodels.config import tagged_union
from tfmodels.detection.config import DetectorConfig
from tfmodels.gnmt.config import GNMTConfig
from tfmodels.las.config import LASConfig
from tfmodels.tacotron.config import TacotronConfig
from tfmodels.transformer.config import TransformerConfig
from tfmodels.wavernn.config import WaveRNNConfig
from trainers.data.catalogue import TensorFlowDatasetsData
from trainers.data.config import DigitsData
from trainers.data.config import ImageData
from trainers.data.config import ImageFolderData
from trainers.data.config import ManifestData
from trainers.data.config import RecordedUtterancesData
from trainers.data.config import RecordsData
from trainers.data.config import SortingData
from trainers.data.config import SpokenDigitsData
from trainers.data.config import StoriesData
from trainers.data.config import TextData
from trainers.data.config import TokenData
from trainers.data.config import UtteranceData
from trainers.data.config import WordLoopData
from trainers.data.detection.config import DetectionData
from trainers.data.detection.config import DigitCanvasesData
from trainers.data.parallel.config import NumberWordsData
from trainers.data.parallel.config import ParallelData
from trainers.data.parallel.config import ParallelTextData
from trainers.data.speech.config import ConnectedDigitsData
from trainers.data.speech.config import SpeechData
from trainers.data.speech.config import SpeechManifestData
from trainers.data.synthesis.config import SynthesisData
from trainers.data.synthesis.config import SynthesisManifestData
from trainers.objectives.config import CrossEntropyConfig
from trainers.objectives.config import DetectionObjectiveConfig
from trainers.objectives.config import ExpectedRewardConfig
from trainers.objectives.config import SynthesisConfig
from trainers.objectives.minimum_word_error.config import MinimumWordErrorConfig
from trainers.objectives.quantization_aware.config import QuantizationAwareConfig
from trainers.objectives.reward_augmented.config import RewardAugmentedConfig
from trainers.objectives.sequence_discriminative.config import (
    SequenceDiscriminativeConfig,
)
from trainers.objectives.weight_noise.config import WeightNoiseConfig
from trainers.tasks.config import AcousticModelingConfig
from trainers.tasks.config import DetectionConfig
from trainers.tasks.config import ImageClassificationConfig
from trainers.tasks.config import LanguageModelingConfig
from trainers.tasks.config import SpeechRecognitionConfig
from trainers.tasks.config import SpeechSynthesisConfig
from trainers.tasks.config import TranslationConfig
from trainers.tasks.config import VocodingConfig

if TYPE_CHECKING:
    AnyModel = Config
    AnyTask = (
        AcousticModelingConfig
        | DetectionConfig
        | ImageClassificationConfig
        | LanguageModelingConfig
        | SpeechRecognitionConfig
        | SpeechSynthesisConfig
        | TranslationConfig
        | VocodingConfig
    )
    AnyObjective = (
        CrossEntropyConfig
        | DetectionObjectiveConfig
        | ExpectedRewardConfig
        | MinimumWordErrorConfig
        | QuantizationAwareConfig
        | RewardAugmentedConfig
        | SequenceDiscriminativeConfig
        | SynthesisConfig
        | WeightNoiseConfig
    )
else:
    AnyModel = tagged_union(entry.config for entry in MODELS.values())
    AnyTask = tagged_union(
        [
            AcousticModelingConfig,
            DetectionConfig,
            ImageClassificationConfig,
            LanguageModelingConfig,
            SpeechRecognitionConfig,
            SpeechSynthesisConfig,
            TranslationConfig,
            VocodingConfig,
        ]
    )
    AnyObjective = tagged_union(
        [
            CrossEntropyConfig,
            DetectionObjectiveConfig,
            ExpectedRewardConfig,
            MinimumWordErrorConfig,
            QuantizationAwareConfig,
            RewardAugmentedConfig,
            SequenceDiscriminativeConfig,
            SynthesisConfig,
            WeightNoiseConfig,
        ]
    )

AnyData = Annotated[
    ConnectedDigitsData
    | DigitCanvasesData
    | DigitsData
    | ImageFolderData
    | ManifestData
    | NumberWordsData
    | ParallelTextData
    | RecordedUtterancesData
    | RecordsData
    | SortingData
    | SpeechManifestData
    | SpokenDigitsData
    | StoriesData
    | SynthesisManifestData
    | TensorFlowDatasetsData
    | TextData
    | WordLoopData,
    pydantic.Field(discriminator="kind"),
]

DATA_OF_TASK: dict[type[Config], tuple[type[Config], ...]] = {
    AcousticModelingConfig: (UtteranceData,),
    DetectionConfig: (DetectionData,),
    ImageClassificationConfig: (ImageData,),
    LanguageModelingConfig: (TokenData, SpeechData),
    SpeechRecognitionConfig: (SpeechData,),
    SpeechSynthesisConfig: (SynthesisData,),
    TranslationConfig: (ParallelData,),
    VocodingConfig: (SynthesisData,),
}
"""What each task can learn from; a language model of speech, the transcripts."""

MODEL_OF_TASK: dict[type[Config], type[Config]] = {
    AcousticModelingConfig: AcousticConfig,
    DetectionConfig: DetectorConfig,
    ImageClassificationConfig: ImageClassifierConfig,
    LanguageModelingConfig: TransformerConfig,
    SpeechRecognitionConfig: LASConfig,
    SpeechSynthesisConfig: TacotronConfig,
    TranslationConfig: GNMTConfig,
    VocodingConfig: WaveRNNConfig,
}
"""What each task can teach."""

TASK_OF_OBJECTIVE: dict[type[Config], type[Config]] = {
    DetectionObjectiveConfig: DetectionConfig,
    ExpectedRewardConfig: TranslationConfig,
    MinimumWordErrorConfig: SpeechRecognitionConfig,
    SequenceDiscriminativeConfig: AcousticModelingConfig,
    SynthesisConfig: SpeechSynthesisConfig,
}
"""Objectives that need one kind of task; others suit all."""
