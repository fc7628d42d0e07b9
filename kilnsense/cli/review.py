"""`kilnsense review RUN`: a page to label what a run was least sure of."""

import getpass
import shlex
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from kilnsense.cli.options import AsJson
from kilnsense.cli.output import emit_json, people
from kilnsense.errors import BundleError, InputError

PORT = 8322


def review(
    run: Annotated[Path, typer.Argument(help="Folder of a run of `kilnsense label`.")],
    top: Annotated[str, typer.Option("--top", help="Share of the pictures to look at, such as 20%.")] = "20%",
    strategy: Annotated[
        str, typer.Option("--strategy", help="What comes first: margin, entropy or unfamiliar.")
    ] = "margin",
    reviewer: Annotated[str, typer.Option("--reviewer", help="Your name in the labels.")] = "",
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
    from kilnsense.bundle import load_bundle
    from kilnsense.record.review_log import Signature, open_log, plain, read_reviewed, write_manifest
    from kilnsense.record.review_queue import parse_share, queue
    from kilnsense.record.store import FILE, open_store
    from kilnsense.web.guard import Pass, new_keys
    from kilnsense.web.review import Review, review_app
    from kilnsense.web.serve import Site, check_host, serve
    from kilnsense.web.viewer import Viewer

    check_host(host, lan=insecure_lan)
    with open_store(run / FILE) as store:
        facts = store.facts()
        places = queue(store.rows(), parse_share(top), strategy)
    if not places:
        raise InputError(f"run {run}: holds no picture to look at; finish it with `kilnsense label --resume`")
    bundle, root = load_bundle(Path(facts["bundle"])), Path(facts["root"])
    if bundle.model_id != facts["model_id"]:
        raise BundleError(
            f"bundle {facts['bundle']}: is model {bundle.model_id} now, the run was made by "
            f"{facts['model_id']}; put that one back, or label anew"
        )
    viewer = Viewer(bundle, root)

    def ready(known: Pass) -> None:
        people().print(f"{len(places)} pictures to review; Ctrl-C ends it. Open:")
        sys.stderr.write(f"{known.address}\n")  # also under --quiet: without it nobody gets in
        if not no_browser:
            webbrowser.open(known.address)

    with open_log(run, Signature(reviewer or _user(), bundle.model_id)) as log:
        title = run.absolute().name
        page = Review(title, run / FILE, tuple(facts["classes"]), places, log, viewer)
        try:
            site = Site("review", new_keys(), host, port)
            serve(lambda known, hosts: review_app(page, known, hosts), site, ready=ready)
        except KeyboardInterrupt:  # the way to end it
            people().print("ended")
    labels, manifest = read_reviewed(run), log.path.with_name("manifest.csv")
    left_out = write_manifest(labels, manifest, root=root)
    seen = sum(plain(place.path) in labels for place in places)
    people().print(f"{seen} of {len(places)} labelled: {log.path}")
    if labels:
        settings = (f"data.root={root}", f"data.manifest={manifest.absolute()}")
        people().print(f"to train with: kilnsense train CONFIG {' '.join(map(_setting, settings))}")
    if left_out:
        people().print(f"{len(left_out)} labels are of no file of their own and not in {manifest.name}")
    if as_json:
        told = {"labels": str(log.path), "manifest": str(manifest), "left_out": left_out}
        emit_json("review", {"places": len(places), "labelled": seen, **told})


def _setting(text: str) -> str:
    return f"--set {shlex.quote(text)}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        return ""
