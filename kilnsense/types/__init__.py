"""The values that cross between layers: frozen dataclasses that check themselves when they are made.

Single frames travel as `Frame`, `Quality`, `Segmentation`, `Region`; from `Views` on, a batch of N frames
travels together. Arrays are never changed after they were put into one of these.
"""

from kilnsense.types.batch import Embeddings, Features, Scores, Views
from kilnsense.types.live import (
    ALARM_ACTIONS,
    BAD_PICTURES,
    CAMERA_STATES,
    PRIORITIES,
    STEADY,
    UNKNOWN,
    UNKNOWN_REASONS,
    Aggregate,
    AlarmEvent,
    AlarmStatus,
    CameraHealth,
    Reading,
    Span,
    StoredPicture,
)
from kilnsense.types.moment import Moment
from kilnsense.types.picture import QUALITY_FLAGS, Failure, Frame, Quality
from kilnsense.types.region import Region, Segmentation
from kilnsense.types.verdict import VERDICT_REASONS, Record, Verdict

__all__ = [
    "ALARM_ACTIONS",
    "BAD_PICTURES",
    "CAMERA_STATES",
    "PRIORITIES",
    "QUALITY_FLAGS",
    "STEADY",
    "UNKNOWN",
    "UNKNOWN_REASONS",
    "VERDICT_REASONS",
    "Aggregate",
    "AlarmEvent",
    "AlarmStatus",
    "CameraHealth",
    "Embeddings",
    "Failure",
    "Features",
    "Frame",
    "Moment",
    "Quality",
    "Reading",
    "Record",
    "Region",
    "Scores",
    "Segmentation",
    "Span",
    "StoredPicture",
    "Verdict",
    "Views",
]
