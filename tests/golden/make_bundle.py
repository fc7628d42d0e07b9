"""Makes the stored bundle of format 1 that the reader is tested on: ``python tests/golden/make_bundle.py``.

It is made once per format. When the format goes up, keep the old folder and add one beside it.
"""

import json
from pathlib import Path

import numpy as np

from kilnsense.bundle import Bundle, GalleryRow, data_fingerprint, save_bundle
from kilnsense.classify.models import build_classifier
from kilnsense.config import check_config

HERE = Path(__file__).parent


def main() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(12, 3)) + np.repeat([[0.0], [4.0]], 6, axis=0)
    labels = np.repeat([0, 1], 6)
    config = check_config({"name": "sample", "classes": ["lean", "rich"]}, origin="sample")
    gallery = tuple(
        GalleryRow(f"run{n % 3}/{n}.png", config.classes[label], f"run{n % 3}", f"{n:064x}")
        for n, label in enumerate(labels)
    )
    classifier = build_classifier("knn", {"neighbours": 3}, seed=0).fit(features, labels)
    bundle = Bundle(
        config=config,
        classifier=classifier,
        arrays={"gallery.features": features.astype(np.float32)},
        thresholds={"min_confidence": 0.6},
        scores={"balanced_accuracy": 1.0},
        gallery=gallery,
        fingerprint=data_fingerprint(gallery),
    )
    saved = save_bundle(bundle, HERE / "bundle_format_1", overwrite=True)
    rows = rng.normal(size=(4, 3)) + 2.0
    expected = {
        "model_id": saved.model_id,
        "rows": rows.tolist(),
        "probabilities": classifier.predict_proba(rows).tolist(),
    }
    (HERE / "bundle_format_1.json").write_text(json.dumps(expected, indent=2) + "\n")


if __name__ == "__main__":
    main()
