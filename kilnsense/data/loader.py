"""Decodes many files ahead of the one that is used, in order."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from kilnsense.config import ImageConfig
from kilnsense.errors import InputError
from kilnsense.image.decode import decode_file
from kilnsense.types import Failure, Frame


def load(
    paths: Iterable[Path], *, root: Path, config: ImageConfig, workers: int = 1
) -> Iterator[Frame | Failure]:
    """Decodes files in the order of `paths`.

    At most twice `workers` pictures are held ahead of the consumer, whatever the number of paths. Threads
    serve, because decoding releases the interpreter lock. The threads end with the iterator, also where the
    consumer stops early.

    Args:
        paths: files below `root`.
        root: what the sources of the frames are relative to.
        config: width and caps.
        workers: decoding threads; 1 decodes in the calling thread.

    Yields:
        A Frame for each file, or a Failure that says why there is none.

    Raises:
        InputError: `workers` is below 1.
    """
    if workers < 1:
        raise InputError(f"workers: got {workers}, allowed: 1 and up")
    if workers == 1:
        return (load_one(path, root, config) for path in paths)
    return _ahead(paths, root, config, workers)


def load_one(path: Path, root: Path, config: ImageConfig) -> Frame | Failure:
    """Decodes one file within the caps of the config; one that cannot be judged becomes a Failure."""
    item = decode_file(
        path,
        root=root,
        width=config.width,
        max_bytes=int(config.max_megabytes * 1e6),
        max_pixels=int(config.max_megapixels * 1e6),
    )
    if isinstance(item, Frame) and min(item.pixels.shape[:2]) < config.smallest_side:
        message = (
            f"{item.width} x {item.height} pixels, needed: {config.smallest_side} each way at working width"
        )
        return Failure(item.source, "too_small", message, item.sha256)
    return item


def _ahead(paths: Iterable[Path], root: Path, config: ImageConfig, workers: int) -> Iterator[Frame | Failure]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    waiting: deque[Future[Frame | Failure]] = deque()
    try:
        for path in paths:
            waiting.append(pool.submit(load_one, path, root, config))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
