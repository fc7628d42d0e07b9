"""A trained model as a folder: nothing in it can run code, and everything in it is checked before it is read.

::

    bundle.json            format, versions, config, thresholds, scores, size and SHA-256 of every other file
    classifier.skops       the fitted classifier, types from a fixed list
    gallery.safetensors    named arrays: codebook, familiarity, features of the labelled frames
    gallery.csv            the labelled frames: path, label, group, sha256
    encoder.onnx           the networks, as they are run      (absent where only descriptors are used)
    encoder.safetensors    the networks' weights, to go on training   (absent likewise)
    MODEL_CARD.md          what the model is, for people

A change that an older reader would misread raises `FORMAT`, keeps the reader of the old format, and stores
a sample of the old one under ``tests/golden/``.
"""

from kilnsense.bundle.contents import Bundle, GalleryRow, data_fingerprint
from kilnsense.bundle.read import load_bundle, read_identity
from kilnsense.bundle.write import save_bundle

__all__ = ["Bundle", "GalleryRow", "data_fingerprint", "load_bundle", "read_identity", "save_bundle"]
