"""To Label Studio and back: tasks with the model's opinion, a labelling form, and what people made of them.

Pictures stay where they are: Label Studio serves them as local files, ``/data/local-files/?d=`` and the path
below its document root, percent-encoded. A local storage must lie below that root and not be it, so the root
is the folder that holds the folder of the pictures; `environment` says it in its own words.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from kilnsense.errors import InputError, SourceError
from kilnsense.image.clip import split_name
from kilnsense.record.publish import publish
from kilnsense.record.review_log import plain
from kilnsense.record.review_queue import flags, probabilities
from kilnsense.record.store import Row, Store

TASKS, FORM = "tasks.json", "labeling_config.xml"
CHOICE, IMAGE = "state", "image"
"""Names in the form of what is chosen and of what is looked at."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        tasks, form: the files to import.
        count: tasks.
        left_out: frames of videos, which Label Studio cannot show as pictures.
    """

    tasks: Path
    form: Path
    count: int
    left_out: int


def label_studio(store: Store, folder: Path, rows: Iterable[Row] | None = None) -> Exported:
    """Writes tasks and form for Label Studio, whole or not at all; files that are no pictures get no task.

    Args:
        store: of the run.
        folder: for both files; made where it is missing.
        rows: of the run, in the order of the tasks; None: all of them.

    Raises:
        StorageError: they cannot be written.
    """
    facts, counts = store.facts(), {True: 0, False: 0}
    classes, root = tuple(facts["classes"]), Path(facts["root"])

    def tasks() -> Iterator[str]:
        between = "[\n"
        for row in store.rows() if rows is None else rows:
            if row.status == "bad":
                continue
            alone = split_name(str(row.cells[0]))[1] is None
            counts[alone] += 1
            if alone:
                yield between + json.dumps(_task(row, classes, root, facts["model_id"]))
                between = ",\n"
        yield "\n]\n" if counts[True] else "[]\n"

    publish(folder / TASKS, tasks())
    publish(folder / FORM, _form(classes))
    return Exported(folder / TASKS, folder / FORM, counts[True], counts[False])


def environment(store: Store) -> dict[str, str]:
    """The variables with which Label Studio must be started to find the pictures of a run."""
    return {
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(Path(store.facts()["root"]).parent),
    }


def read_label_studio(file: Path, classes: Sequence[str]) -> dict[str, str]:
    """The labels of a JSON export, by path below the root of the run, in the order of the tasks.

    Skipped tasks and cancelled annotations count as none; of several annotations the one changed last holds.

    Raises:
        SourceError: it cannot be read.
        InputError: it is no export of such tasks, or names an unknown class.
    """
    try:
        tasks = json.loads(file.read_bytes())
    except OSError as error:
        raise SourceError(f"export {file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"export {file}: is no JSON ({error}); export as JSON from Label Studio") from error
    labels = {}
    for number, task in enumerate(tasks if isinstance(tasks, list) else [None], start=1):
        where = f"export {file}, task {number}"
        try:
            path, label = str(task["data"]["path"]), _chosen(task["annotations"])
        except (KeyError, TypeError, IndexError) as error:
            raise InputError(
                f"{where}: is not as `kilnsense` wrote it and Label Studio exports it ({error!r}); export as "
                f"JSON, not as JSON-MIN"
            ) from error
        if label is None:
            continue
        if label not in classes:
            raise InputError(f"{where}: got {label!r}, allowed: {', '.join(classes)}")
        labels[path] = label
    return labels


def _task(row: Row, classes: Sequence[str], root: Path, model_id: str) -> Mapping[str, Any]:
    path, shares = str(row.cells[0]), probabilities(row.cells)
    # A file name need not be text; Label Studio decodes what is percent-encoded.
    place = quote(os.fsencode(f"{root.name}/{path}"))
    data = {
        IMAGE: f"/data/local-files/?d={place}",
        "path": plain(path),
        "status": row.status,
        "reason": row.reason,
        "quality": ", ".join(flags(row.cells)),
        "unfamiliarity": row.unfamiliarity,
    }
    if not shares:
        return {"data": data}
    best = classes[max(range(len(shares)), key=shares.__getitem__)]
    choice = {"from_name": CHOICE, "to_name": IMAGE, "type": "choices", "value": {"choices": [best]}}
    said = {"model_version": model_id, "score": row.confidence, "result": [{"id": CHOICE, **choice}]}
    return {"data": data, "predictions": [said]}


def _form(classes: Sequence[str]) -> Iterator[str]:
    yield "<View>\n"
    yield f'  <Image name="{IMAGE}" value="${IMAGE}" zoom="true"/>\n'
    yield '  <Text name="why" value="$reason"/>\n'
    yield f'  <Choices name="{CHOICE}" toName="{IMAGE}" choice="single" showInline="true" required="true">\n'
    for number, name in enumerate(classes, start=1):
        hotkey = f' hotkey="{number}"' if number <= 9 else ""
        yield f"    <Choice value={quoteattr(name)}{hotkey}/>\n"
    yield "  </Choices>\n</View>\n"


def _chosen(annotations: Sequence[Mapping[str, Any]]) -> str | None:
    """The label that holds; None where nobody gave one."""
    given = []
    for one in annotations:
        choices = [part for part in one["result"] if part.get("from_name") == CHOICE]
        if choices and not one.get("was_cancelled"):
            changed = str(one.get("updated_at") or one.get("created_at") or "")
            given.append((changed, str(choices[0]["value"]["choices"][0])))
    return max(given, key=lambda entry: entry[0])[1] if given else None
