"""`kilnsense label --dry-run`: what a run would read and write; nothing is written."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kilnsense.cli.output import emit_json, people, show_table

if TYPE_CHECKING:
    from kilnsense.config import LabelConfig
    from kilnsense.label.inputs import Source


def tell_plan(
    source: "Source", settings: "LabelConfig", out: Path | None, files: Sequence[str], *, as_json: bool
) -> None:
    """Says what a run would read and write.

    Args:
        source: of the run.
        settings: of the run.
        out: folder that was asked for; None: one named for the time.
        files: that would be written, below the folder of the run.
        as_json: say it to programs too.
    """
    from kilnsense.label.plan import plan_inputs

    plan = plan_inputs(source, shard=settings.shard, shards=settings.shards)
    folder = out or Path("runs") / "label" / f"<UTC time>-{settings.name}"
    rows = [(kind, ending or "none", count) for (kind, ending), count in plan.kinds.items()]
    show_table(f"{plan.total} files in {source.root}", ("kind", "ending", "files"), rows)
    say = people().print
    say("by their names alone; a run looks into every file")
    if settings.shards > 1:
        say(f"{plan.share} of them in shard {settings.shard} of {settings.shards}")
    say(f"first: {', '.join(plan.first)}")
    say(f"would write into {folder}: {', '.join(files)}")
    if as_json:
        kinds = [
            {"kind": kind, "ending": ending, "files": count} for (kind, ending), count in plan.kinds.items()
        ]
        told = {"dry_run": True, "inputs": plan.total, "in_shard": plan.share, "kinds": kinds}
        told |= {"first": list(plan.first), "folder": str(folder), "would_write": list(files)}
        emit_json("label", told)
