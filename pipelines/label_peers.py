"""Two plain pipelines beside which `bench_label.py` measures: colour clusters, their boxes, a network.

sensible: cv2.imread, KMeans(n_init=1) on the Lab of all pixels, the frame and the box of each cluster as
    crops of 128, mobilenetv4_conv_small in eager torch. The weights are random, as none are fetched.
good: the same with k-means fitted on 10,000 pixels and predicted for all.
"""

import time
from multiprocessing.pool import Pool
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

CLUSTERS, CROP, PIXELS = 4, 128, 10_000


class Peer:
    """A plain pipeline up to the embedding of one frame."""

    def __init__(self) -> None:
        import timm
        import torch

        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.torch = torch
        self.net = timm.create_model("mobilenetv4_conv_small", pretrained=False, num_classes=0).eval()

    def __call__(self, path: Path, every_pixel: bool) -> NDArray[np.float32]:
        """(5 d,) the embeddings of the frame and of its clusters' boxes, darkest cluster first."""
        bgr = cv2.imread(str(path))
        lab = cv2.cvtColor(bgr.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)
        pixels = lab.reshape(-1, 3)
        rng = np.random.default_rng(0)
        fitted = pixels if every_pixel else pixels[rng.choice(len(pixels), PIXELS, replace=False)]
        means = KMeans(CLUSTERS, n_init=1, random_state=0).fit(fitted)
        clusters = means.predict(pixels).reshape(lab.shape[:2])
        crops = [bgr]
        for cluster in np.argsort(means.cluster_centers_[:, 0]):
            rows, columns = np.nonzero(clusters == cluster)
            crops.append(bgr[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1])
        vectors = []
        with self.torch.inference_mode():
            for crop in crops:
                small = cv2.cvtColor(cv2.resize(crop, (CROP, CROP)), cv2.COLOR_BGR2RGB)
                image = self.torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255
                vectors.append(self.net(image)[0].numpy())
        return np.concatenate(vectors)


_peer: list[Peer] = []


def embed(path: Path, every_pixel: bool) -> NDArray[np.float32]:
    """By the pipeline of this process."""
    if not _peer:
        _peer.append(Peer())
    return _peer[0](path, every_pixel)


def peer(
    pool: Pool, paths: list[Path], *, every_pixel: bool, processes: int
) -> tuple[NDArray[np.float32], float]:
    """(N, d) embeddings, and seconds a file with the processes warm."""
    pool.starmap(embed, [(paths[0], False)] * 2 * processes, chunksize=1)
    start = time.perf_counter()
    rows = pool.starmap(embed, [(path, every_pixel) for path in paths], chunksize=1)
    return np.stack(rows), (time.perf_counter() - start) / len(paths)
