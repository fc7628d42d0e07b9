"""The values that cross between layers: frozen dataclasses that check themselves when they are made.

Single frames travel as `Frame`, `Quality`, `Segmentation`, `Region`; from `Views` on, a batch of N frames
travels together. Arrays are never changed after they were put into one of these.
"""

from kilnsense.types.batch import Embeddings, Features, Scores, Views
from kilnsense.types.picture import QUALITY_FLAGS, Failure, Frame, Quality
from kilnsense.types.region import Region, Segmentation
from kilnsense.types.verdict import VERDICT_REASONS, Record, Verdict

__all__ = [
    "QUALITY_FLAGS",
    "VERDICT_REASONS",
    "Embeddings",
    "Failure",
    "Features",
    "Frame",
    "Quality",
    "Record",
    "Region",
    "Scores",
    "Segmentation",
    "Verdict",
    "Views",
]
