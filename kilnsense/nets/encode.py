"""Embeddings of views with a torch encoder; `features.embed` is the way without torch."""

import numpy as np
import torch

from kilnsense.nets.branches import Encoder, check_views
from kilnsense.types import Embeddings, Views


@torch.inference_mode()
def encode(encoder: Encoder, views: Views, *, batch_size: int = 32, device: str = "cpu") -> Embeddings:
    """Embeddings of N frames, (N, V, D); absent views get zeros.

    The encoder is used in evaluation mode on `device` (it must be there already) and left in the mode it was
    in.

    Raises:
        InputError: the views are not those of the encoder, or an embedding is not finite.
    """
    check_views(encoder, views.names)
    training = encoder.training
    encoder.eval()
    values = np.zeros((len(views), len(views.names), encoder.head.width), np.float32)
    for start in range(0, len(views), batch_size):
        rows = slice(start, start + batch_size)
        batch = [torch.from_numpy(a[rows]).to(device) for a in (views.pixels, views.masks, views.palettes)]
        values[rows] = encoder(*batch).float().cpu().numpy()
    encoder.train(training)
    values[~views.present] = 0
    return Embeddings(views.names, values, views.present)
