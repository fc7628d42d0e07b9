"""What `kilnsense label` writes beside its tables: sorted folders, tasks for Label Studio, a review queue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kilnsense.cli.output import people
from kilnsense.errors import ConfigError

if TYPE_CHECKING:
    from kilnsense.label.inputs import Source
    from kilnsense.record.store import Store

WHOLE = "1/1"
"""The shard that is all of the inputs."""


@dataclass(frozen=True)
class Beside:
    """What is asked for.

    Attributes:
        placed: how files are put into sorted folders; "" for not at all.
        export: ``label-studio`` or "".
        review_top: share of the review queue; "" for none.
    """

    placed: str
    export: str
    review_top: str


@dataclass(frozen=True)
class Extra:
    """Something more of a run that is done.

    Attributes:
        file: to look at, below the folder of the run.
        write: writes it, from the store into the folder of the run.
    """

    file: str
    write: Callable[["Store", Path], object]


def way_asked(wanted: Mapping[str, bool]) -> str:
    """The one way to put files into folders that is asked for; "" for none. Raises ConfigError for two."""
    chosen = [name for name, asked in wanted.items() if asked]
    if len(chosen) > 1:
        raise ConfigError(
            f"--{chosen[0]} and --{chosen[1]}: allowed: one of them; both fill the same folders"
        )
    return chosen[0] if chosen else ""


def check_move(beside: Beside, *, sure: bool, shard: str) -> None:
    """Refuses a move that would surprise. Raises ConfigError."""
    if beside.placed != "move":
        if sure:
            raise ConfigError("--yes: nothing to agree to; it belongs to --move")
        return
    if not sure:
        raise ConfigError(
            "--move: takes the files out of the source; add --yes if that is meant, look first with --dry-run"
        )
    if beside.export:
        raise ConfigError("--move and --export: allowed: one of them; tasks lead to where the files were")
    if shard != WHOLE:
        raise ConfigError(
            f"--move and --shard={shard}: allowed: one of them; other shards still look for the files"
        )


def extras_of(beside: Beside, source: "Source") -> list[Extra]:
    """What is written beside the tables; refused before any work where it cannot be.

    Raises:
        ConfigError: an unknown export, or a wrong share.
        InputError: files are to be moved out of a source that something records into.
    """
    from kilnsense.label.run import QUEUE, publish_queue
    from kilnsense.label.still import expect_still
    from kilnsense.record.exports import MANIFEST
    from kilnsense.record.label_studio import TASKS, label_studio
    from kilnsense.record.review_queue import parse_share

    if beside.export not in ("", "label-studio"):
        raise ConfigError(f"--export: got {beside.export!r}, allowed: label-studio")
    share = parse_share(beside.review_top) if beside.review_top else None
    extras = []
    if beside.placed == "move":
        expect_still(source)
    if beside.placed:
        extras.append(
            Extra(f"sorted/{MANIFEST}", lambda store, run: _place(store, run, beside.placed, source))
        )
    if beside.export:
        extras.append(
            Extra(f"label_studio/{TASKS}", lambda store, run: label_studio(store, run / "label_studio"))
        )
    if share is not None:
        extras.append(Extra(QUEUE, lambda store, run: publish_queue(store, run, share)))
    return extras


def _place(store: "Store", run: Path, way: str, source: "Source") -> None:
    """Fills the sorted folders, and says what could not be placed."""
    from kilnsense.label.still import expect_still
    from kilnsense.record.exports import image_folder
    from kilnsense.record.moving import move_files

    root, folder = Path(store.facts()["root"]), run / "sorted"
    if way == "move":
        expect_still(source, listed=store.count_inputs())
        _tell(move_files(store, root, folder).left_out, f"stay in {root}")
    else:
        _tell(image_folder(store, root, folder, way).left_out, f"are not in {folder}")


def _tell(paths: Sequence[str], where: str) -> None:
    if paths:
        shown = ", ".join(paths[:3]) + (", ..." if len(paths) > 3 else "")
        people().print(f"{len(paths)} inputs {where}: {shown}")
