"""One tiny rendered data set and one tiny trained model, shared by all tests of the joining layers."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kilnsense.bundle import Bundle
from kilnsense.cli.main import run
from kilnsense.config import Config, load_config
from kilnsense.recogniser import Recogniser, open_recogniser

CONFIG = """\
name: tiny
data: {{root: {root}, manifest: manifest.csv, keep: {{usable: "1"}}, held_out: [run005]}}
image: {{width: 160}}
quality: {{dark_below: 0, saturated_above: 1, blurred_below: 0, hazy_above: 1}}
branches: {{views: ["region:material", "scale:1.0"], size: 32, dimensions: 8}}
training: {{epochs: 3, batches_per_epoch: 3, samples_per_class: 2}}
classifier: {{kind: knn}}
decide: {{folds: 2, min_confidence: 0.4}}
"""


@pytest.fixture(autouse=True)
def _clean_environment() -> Iterator[None]:
    """The flags of the command line become variables of the process; no test may hand them on."""
    names = ("KILNSENSE_DEBUG", "KILNSENSE_QUIET", "NO_COLOR")
    before = {name: os.environ.get(name) for name in names}
    yield
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six rendered runs of eight frames, 160 x 120, with a manifest."""
    root = tmp_path_factory.mktemp("tiny") / "frames"
    size = ["--runs", "6", "--frames", "8", "--size", "160x120", "--difficulty", "easy"]
    assert run(["--quiet", "simulate", *size, "--out", str(root)]) == 0
    os.environ.pop("KILNSENSE_QUIET", None)
    return root


@pytest.fixture(scope="session")
def tiny_file(tiny_root: Path) -> Path:
    """A config that learns from five of the runs and holds out the sixth."""
    file = tiny_root.parent / "tiny.yaml"
    file.write_text(CONFIG.format(root=tiny_root), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def tiny_config(tiny_file: Path) -> Config:
    return load_config(tiny_file)


@pytest.fixture(scope="session")
def tiny_training(tiny_config: Config, tmp_path_factory: pytest.TempPathFactory) -> tuple:  # type: ignore[type-arg]
    """(folder, bundle, learned, remarks) of the tiny config, trained once."""
    from kilnsense.training.train import train

    folder, remarks = tmp_path_factory.mktemp("model"), []
    bundle, learned = train(tiny_config, folder=folder, say=remarks.append)
    return folder, bundle, learned, tuple(remarks)


@pytest.fixture(scope="session")
def tiny_learned(tiny_training):  # type: ignore[no-untyped-def]
    """The tiny model in training form, with torch networks (`kilnsense.training.learn.Learned`)."""
    return tiny_training[2]


@pytest.fixture(scope="session")
def tiny_saved(tiny_training: tuple) -> Bundle:  # type: ignore[type-arg]
    """The bundle that training gave back."""
    return tiny_training[1]


@pytest.fixture(scope="session")
def tiny_bundle(tiny_training: tuple) -> Path:  # type: ignore[type-arg]
    """The folder of the tiny bundle; read it, never change it."""
    return tiny_training[0] / "bundle"


@pytest.fixture(scope="session")
def tiny_recogniser(tiny_bundle: Path) -> Recogniser:
    return open_recogniser(tiny_bundle)


@pytest.fixture(scope="session")
def tiny_trial(tiny_config: Config, tiny_learned, tiny_recogniser: Recogniser):  # type: ignore[no-untyped-def]
    """The tiny model judged on its held-out run, beside the baselines that are fitted at once."""
    from kilnsense.training.trial import judge_held_out

    quick = (("majority", "none"), ("knn", "mean luminance"), ("svm", "region statistics"))
    return judge_held_out(
        tiny_config, tiny_learned, tiny_recogniser, classifiers=("knn", "svm"), baselines=quick
    )
