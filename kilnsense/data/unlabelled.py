"""Pictures that lie among labelled ones and have no label, or are filtered out."""

from pathlib import Path

from kilnsense.config import DataConfig
from kilnsense.data.folders import is_kept, list_images, read_rows

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
"""Endings of files that somebody may have meant to label; other files are no loss."""


def unlabelled_files(config: DataConfig, *, base: Path = Path()) -> list[str]:
    """Sources of pictures below the root that have no label, sorted.

    With a manifest: rows without a label, and pictures that stand in no row, those that `config.keep` filters
    out excepted. With class folders: pictures beside them.

    Raises:
        SourceError, InputError: as `read_samples`.
    """
    root = base / config.root
    if not config.manifest:
        return sorted(path.name for path in root.iterdir() if path.is_file() and _is_picture(path))
    rows = [row for _, row in read_rows(root / config.manifest, config)]
    sources = [Path(row[config.path_column].replace("\\", "/")).as_posix() for row in rows]
    empty = [
        source
        for source, row in zip(sources, rows, strict=True)
        if not row[config.label_column] and is_kept(row, config)
    ]
    beside = [path.relative_to(root).as_posix() for path in list_images(root) if _is_picture(path)]
    return sorted({*empty, *(set(beside) - set(sources))})


def filtered_files(config: DataConfig, *, base: Path = Path()) -> list[str]:
    """Sources of the rows of a manifest that `config.keep` filters out, sorted; none without a manifest.

    Raises:
        SourceError, InputError: as `read_samples`.
    """
    if not config.manifest:
        return []
    rows = [row for _, row in read_rows(base / config.root / config.manifest, config)]
    return sorted(
        Path(row[config.path_column].replace("\\", "/")).as_posix()
        for row in rows
        if not is_kept(row, config)
    )


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES and not path.name.startswith(".")
