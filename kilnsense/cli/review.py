"""`kilnsense review RUN`: a page to label what a run was least sure of."""

import getpass
import shlex
import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kilnsense.cli.options import AsJson
from kilnsense.cli.output import emit_json, people
from kilnsense.errors import BundleError, InputError, SourceError

if TYPE_CHECKING:
    from kilnsense.record.review_log import ReviewLog
    from kilnsense.record.store import Store
    from kilnsense.web.review import Review
    from kilnsense.web.viewer import Viewer

PORT = 8322


def review(
    run: Annotated[Path, typer.Argument(help="Folder of a run of `kilnsense label`.")],
    top: Annotated[str, typer.Option("--top", help="Share of the pictures to look at, such as 20%.")] = "20%",
    strategy: Annotated[
        str, typer.Option("--strategy", help="What comes first: margin, entropy or unfamiliar.")
    ] = "margin",
    reviewer: Annotated[str, typer.Option("--reviewer", help="Your name in the labels.")] = "",
    bundle: Annotated[
        Path | None, typer.Option("--bundle", "-b", help="Where the model is now; else as the run remembers.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option("--root", help="Where the pictures are now; else as the run remembers.")
    ] = None,
    imported: Annotated[
        Path | None,
        typer.Option("--import", help="Take the labels of an export of Label Studio; no page."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address of the page.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of the page; 0: any free one.")
    ] = PORT,
    insecure_lan: Annotated[
        bool, typer.Option("--insecure-lan", help="Let others on the network reach the page, unencrypted.")
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page.")] = False,
    as_json: AsJson = False,
) -> None:
    """Label the pictures that the model was least sure of, on a page of this computer; Ctrl-C ends it.

    Every label is at once in RUN/review/labels.csv, and a review may be ended and gone on with at any time.
    What was reviewed stands at the end in RUN/review/manifest.csv, which `kilnsense train` takes.
    """
    from kilnsense.record.review_log import Signature, open_log, plain, read_reviewed, write_manifest
    from kilnsense.record.review_queue import parse_share, queue
    from kilnsense.record.store import FILE, open_store
    from kilnsense.web.review import Review
    from kilnsense.web.serve import check_host

    check_host(host, lan=insecure_lan)
    with open_store(run / FILE) as store:
        facts = store.facts()
        share = 1.0 if imported else parse_share(top)  # an export may hold labels of any picture
        places = queue(store.rows(), share, strategy)
        said = _read_export(imported, store) if imported else {}
    if not places:
        raise InputError(f"run {run}: holds no picture to look at; finish it with `kilnsense label --resume`")
    pictures = root or Path(facts["root"])
    signature = Signature(reviewer or _user(), facts["model_id"])
    if imported:
        with open_log(run, signature) as log:
            _keep(said, log)
    else:
        viewer = _viewer(bundle or Path(facts["bundle"]), facts["model_id"], pictures)
        with open_log(run, signature) as log:
            page = Review(run.absolute().name, run / FILE, tuple(facts["classes"]), places, log, viewer)
            _serve(page, host, port, browser=not no_browser)
    labels, manifest = read_reviewed(run), log.path.with_name("manifest.csv")
    left_out = write_manifest(labels, manifest, root=pictures)
    seen = sum(plain(place.path) in labels for place in places)
    people().print(f"{seen} of {len(places)} labelled: {log.path}")
    if labels:
        settings = (f"data.root={pictures}", f"data.manifest={manifest.absolute()}")
        people().print(f"to train with: kilnsense train CONFIG {' '.join(map(_setting, settings))}")
    if left_out:
        people().print(f"{len(left_out)} labels are of no file of their own and not in {manifest.name}")
    if as_json:
        told = {"labels": str(log.path), "manifest": str(manifest), "left_out": left_out}
        emit_json("review", {"places": len(places), "labelled": seen, **told})


def _viewer(folder: Path, model_id: str, root: Path) -> "Viewer":
    """Shows the pictures below a root as the model of the run sees them."""
    from kilnsense.bundle import load_bundle
    from kilnsense.web.viewer import Viewer

    if not root.is_dir():
        raise SourceError(f"pictures {root}: are not there any more; say with --root where they are")
    if not folder.is_dir():
        raise BundleError(f"bundle {folder}: is not there any more; say with --bundle where it is")
    bundle = load_bundle(folder)
    if bundle.model_id != model_id:
        raise BundleError(
            f"bundle {folder}: is model {bundle.model_id}, the run was made by {model_id}; give that "
            f"one with --bundle, or label anew"
        )
    return Viewer(bundle, root)


def _serve(page: "Review", host: str, port: int, *, browser: bool) -> None:
    """Serves the page until Ctrl-C."""
    from kilnsense.web.guard import Pass, new_keys
    from kilnsense.web.review import review_app
    from kilnsense.web.serve import Site, serve

    def ready(known: Pass) -> None:
        people().print(f"{len(page.places)} pictures to review; Ctrl-C ends it. Open:")
        sys.stderr.write(f"{known.address}\n")  # also under --quiet: without it nobody gets in
        if browser:
            webbrowser.open(known.address)

    try:
        site = Site("review", new_keys(), host, port)
        serve(lambda known, hosts: review_app(page, known, hosts), site, ready=ready)
    except KeyboardInterrupt:  # the way to end it
        people().print("ended")


def _read_export(file: Path, store: "Store") -> dict[str, str]:
    """The labels of an export, all of them of pictures of the run."""
    from kilnsense.record.label_studio import read_label_studio
    from kilnsense.record.review_log import plain

    labels = read_label_studio(file, store.facts()["classes"])
    strange = set(labels).difference(plain(str(row.cells[0])) for row in store.rows())
    if strange:
        raise InputError(
            f"export {file}: {len(strange)} pictures are not of this run, such as {min(strange)}; give the "
            f"run whose tasks were imported"
        )
    return labels


def _keep(labels: Mapping[str, str], log: "ReviewLog") -> None:
    """Adds the labels that are new or others; so a second import changes nothing."""
    fresh = {path: label for path, label in labels.items() if log.labels.get(path) != label}
    for path, label in fresh.items():
        log.say(path, label)
    people().print(f"{len(labels)} labels in the export, {len(fresh)} of them new")


def _setting(text: str) -> str:
    return f"--set {shlex.quote(text)}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        return ""
