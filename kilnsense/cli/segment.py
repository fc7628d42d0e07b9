"""`kilnsense segment SOURCE`: which colours become which region, to look at and as a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kilnsense.cli.options import AsJson, Overwrite, Settings
from kilnsense.cli.output import emit_json, now, people, show_table, track
from kilnsense.cli.runs import run_folder, write_run
from kilnsense.errors import ConfigError, ImageError, InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kilnsense.config import Config
    from kilnsense.segment.codebook import Codebook
    from kilnsense.types import Frame, Region

COLUMNS = (
    *("path", "status", "reason", "region", "present", "area"),
    *("mean_l", "mean_a", "mean_b", "spread_l", "spread_a", "spread_b"),
    *("left", "top", "right", "bottom", "centroid_x", "centroid_y"),
)
"""Columns of regions.csv: Lab in CIE units, areas and places as shares 0..1."""

LEARN_FROM = 200
"""Frames of a folder that its codebook is learned from, evenly spread."""

Rows = list[list[str]]


def segment(
    source: Annotated[Path, typer.Argument(help="Folder of pictures, or one picture.")],
    config_file: Annotated[Path | None, typer.Option("--config", "-c", help="YAML file.")] = None,
    settings: Settings = None,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", "-b", help="Take codebook and config of a trained model.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the run.")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Split pictures into colour regions: an overlay with a legend per picture, and regions.csv.

    Without --bundle the regions are learned from the pictures themselves. Files that are no pictures get a
    row with the reason, and the exit code is then 3.
    """
    from kilnsense.data.folders import list_images
    from kilnsense.data.loader import load_one
    from kilnsense.types import Failure

    config, codebook = _settings(config_file, settings or [], bundle)
    paths = list_images(source)
    root = source if source.is_dir() else source.parent
    if not paths:
        raise InputError(f"source {source}: holds no files; give a folder of pictures or one picture")
    if codebook is None:
        codebook = _learn(source, paths, config)
    started, folder = now(), run_folder("segment", config, out=out, overwrite=overwrite)
    rows: Rows = []
    seen: list[tuple[Region, ...]] = []
    taken: set[Path] = set()
    bad = 0
    for path in track(paths, total=len(paths), what="segmenting"):
        item = load_one(path, root, config.image)
        if isinstance(item, Failure):
            rows.append([item.source, "bad", item.reason, *[""] * (len(COLUMNS) - 3)])
            bad += 1
            continue
        found, picture = _segment(item, codebook, config)
        seen.append(found)
        rows += [_row(item.source, region) for region in found]
        _write_picture(folder, item.source, picture, taken)
    _write_table(folder, rows)
    write_run(folder, "segment", started=started, config=config, values={"frames": len(seen), "bad": bad})
    _report(folder, codebook, seen, bad, as_json=as_json)
    if bad:
        raise typer.Exit(3)


def _settings(
    config_file: Path | None, settings: list[str], bundle: Path | None
) -> "tuple[Config, Codebook | None]":
    from kilnsense.config import load_config

    if bundle is None:
        return load_config(config_file, settings), None
    if config_file is not None or settings:
        raise ConfigError("--bundle brings its own config; leave out --config and --set")
    from kilnsense.recogniser import open_recogniser

    recogniser = open_recogniser(bundle)
    return recogniser.config, recogniser.codebook


def _learn(source: Path, paths: list[Path], config: "Config") -> "Codebook":
    from kilnsense.data.loader import load_one
    from kilnsense.recogniser import judged_mask
    from kilnsense.seeds import generator
    from kilnsense.segment.codebook import learn_codebook
    from kilnsense.types import Failure, Frame

    root = source if source.is_dir() else source.parent
    step = -(-len(paths) // LEARN_FROM)
    chosen = track(paths[::step], total=len(paths[::step]), what="learning the regions")
    failures: list[Failure] = []

    def frames() -> Iterator[Frame]:
        for path in chosen:
            item = load_one(path, root, config.image)
            if isinstance(item, Frame):
                yield item
            else:
                failures.append(item)

    rng = generator(config.seed, "codebook")
    try:
        return learn_codebook(
            frames(), config.segment, mask_of=lambda frame: judged_mask(frame, config), rng=rng
        )
    except InputError as error:
        if failures and len(failures) == len(paths[::step]):
            bad = failures[0]
            raise ImageError(
                bad.reason,
                f"source {source}: no picture to learn the regions from ({bad.source}: {bad.message})",
            ) from error
        raise InputError(f"source {source}: no picture to learn the regions from ({error})") from error


def _segment(
    frame: "Frame", codebook: "Codebook", config: "Config"
) -> "tuple[tuple[Region, ...], NDArray[np.uint8]]":
    from kilnsense.recogniser import judged_mask
    from kilnsense.segment.overlay import overlay
    from kilnsense.segment.regions import regions
    from kilnsense.segment.regions import segment as split

    segmentation = split(frame, codebook, config.segment, mask=judged_mask(frame, config))
    found = regions(frame, segmentation, min_area=config.segment.min_area)
    return found, overlay(frame, segmentation, found)


def _row(source: str, region: "Region") -> list[str]:
    numbers = (*region.mean_lab, *region.spread_lab, *region.box, *region.centroid)
    cells = [f"{number:.6f}" for number in numbers] if region.present else [""] * len(numbers)
    return [source, "ok", "", region.name, str(int(region.present)), f"{region.area:.6f}", *cells]


def _write_picture(folder: Path, source: str, picture: "NDArray[np.uint8]", taken: set[Path]) -> None:
    """Writes ``<stem>_overlay.jpg``, in the source's sub-folders; a second of a stem keeps its suffix."""
    from kilnsense.image.encode import to_jpeg
    from kilnsense.record.publish import publish

    place = folder / source
    target = place.with_name(f"{place.stem}_overlay.jpg")
    if target in taken:
        target = place.with_name(f"{place.name}_overlay.jpg")
    taken.add(target)
    publish(target, [to_jpeg(picture, quality=92)])


def _write_table(folder: Path, rows: Rows) -> None:
    from kilnsense.csv_line import csv_line
    from kilnsense.record.publish import publish

    publish(folder / "regions.csv", map(csv_line, (COLUMNS, *rows)))


def _report(
    folder: Path, codebook: "Codebook", seen: "list[tuple[Region, ...]]", bad: int, *, as_json: bool
) -> None:
    summary = []
    for slot, name in enumerate(codebook.names):
        shown = [found[slot] for found in seen if found[slot].present]
        area = sum(region.area for region in shown) / len(shown) if shown else 0.0
        summary.append({"region": name, "frames": len(shown), "mean_area": round(area, 6)})
    show_table(
        f"Regions of {len(seen)} pictures, darkest first",
        ("region", "present in", "mean share"),
        [(row["region"], row["frames"], f"{row['mean_area']:.1%}") for row in summary],
    )
    people().print(f"overlays and regions.csv: {folder}" + (f"; {bad} files are no pictures" if bad else ""))
    if as_json:
        table = str(folder / "regions.csv")
        emit_json("segment", {"table": table, "frames": len(seen), "bad": bad, "regions": summary})
