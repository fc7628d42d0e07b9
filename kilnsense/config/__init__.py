"""The configuration: the sections with their defaults, and the way to them from YAML and command line."""

from kilnsense.config.compare import CompareConfig
from kilnsense.config.label import LabelConfig
from kilnsense.config.load import (
    check_comparison,
    check_config,
    check_labelling,
    load_config,
    load_study,
    overlay,
    override,
    read_yaml,
)
from kilnsense.config.sections import (
    AugmentConfig,
    BranchConfig,
    ClassifierConfig,
    Config,
    DataConfig,
    DecideConfig,
    FusionConfig,
    ImageConfig,
    MetricConfig,
    Options,
    QualityConfig,
    SegmentConfig,
    TrainingConfig,
)
from kilnsense.config.study import OneShotConfig, Range, StudyConfig, Variant

__all__ = [
    "AugmentConfig",
    "BranchConfig",
    "ClassifierConfig",
    "CompareConfig",
    "Config",
    "DataConfig",
    "DecideConfig",
    "FusionConfig",
    "ImageConfig",
    "LabelConfig",
    "MetricConfig",
    "OneShotConfig",
    "Options",
    "QualityConfig",
    "Range",
    "SegmentConfig",
    "StudyConfig",
    "TrainingConfig",
    "Variant",
    "check_comparison",
    "check_config",
    "check_labelling",
    "load_config",
    "load_study",
    "overlay",
    "override",
    "read_yaml",
]
