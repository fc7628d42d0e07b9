"""MODEL_CARD.md: what a model is, for people."""

from kilnsense.bundle.contents import Bundle

CARD_TEXT = """# {name} ({model_id})

Reads the burning state of a rotary kiln from a camera frame: one of {classes}, or none with a reason.

- saved: {created}
- classifier: {classifier}; networks: {networks}
- trained on: {frames} labelled frames of {groups} camera runs ({counts})
- training data fingerprint: {fingerprint}

## Measured on groups that training did not see

{scores}

## Limits

- It knows the cameras and the burning states it was trained on. What looks different is reported as
  *unfamiliar*, and no state is named.
- It advises. It is no safety function and must not control a kiln.
- The numbers above hold for frames like those they were measured on. Measure again on your own runs.
"""


def model_card(bundle: Bundle, *, model_id: str, created: str) -> str:
    """The text of the card, Markdown."""
    labels = [row.label for row in bundle.gallery]
    networks = "none, hand-made descriptors only"
    if bundle.encoder_onnx is not None:
        networks = f"{bundle.config.branches.trunk} on {', '.join(bundle.config.branches.views)}"
    return CARD_TEXT.format(
        name=bundle.config.name,
        model_id=model_id,
        classes=", ".join(bundle.classes),
        created=created,
        classifier=bundle.config.classifier.kind,
        networks=networks,
        frames=len(labels),
        groups=len({row.group for row in bundle.gallery}),
        counts=", ".join(f"{name}: {labels.count(name)}" for name in bundle.classes),
        fingerprint=bundle.fingerprint or "none",
        scores="\n".join(f"- {name}: {value:.3f}" for name, value in bundle.scores.items()) or "Nothing.",
    )
