"""Variables that no setting has."""

import pytest

from kilnsense.config import load_config
from kilnsense.doctor.environment import FLAGS, check_environment


@pytest.mark.parametrize(
    "name",
    [
        *FLAGS,
        "KILNSENSE_TRAINING__EPOCHS",
        "KILNSENSE_DATA__ROOT",
        "KILNSENSE_CLASSIFIER__OPTIONS__NEIGHBOURS",
        "KILNSENSE_data__keep__usable",
        "OTHER_TRAINING__EPOCH",
    ],
)
def test_known_variables_are_well(name: str) -> None:
    (finding,) = check_environment(["PATH", name])
    assert finding.state == "ok"


@pytest.mark.parametrize(
    ("name", "words", "fix"),
    [
        (
            "KILNSENSE_TRAINING__EPOCH",
            "is no key of the configuration",
            "KILNSENSE_TRAINING__EPOCHS is meant",
        ),
        ("KILNSENSE_TRAINING__EPOCHS__X", "is no key", "KILNSENSE_TRAINING__EPOCHS is meant"),
        ("KILNSENSE_QQ__ZZ", "is no key of the configuration", "unset it"),
        ("KILNSENSE_SEED", "is not read: settings are named KILNSENSE_<SECTION>__<KEY>", "unset it"),
        ("KILNSENSE_DATA", "is not read", "unset it"),
    ],
)
def test_an_unknown_variable_is_found(name: str, words: str, fix: str) -> None:
    (finding,) = check_environment(["KILNSENSE_TRAINING__EPOCHS", name, "PATH"])
    assert finding.state == "warn"
    assert finding.found.startswith(f"{name} ")
    assert words in finding.found
    assert finding.fix.endswith(fix)


def test_every_unknown_variable_has_a_line() -> None:
    findings = check_environment(["KILNSENSE_B__X", "KILNSENSE_A__X"])
    assert [finding.found.split()[0] for finding in findings] == ["KILNSENSE_A__X", "KILNSENSE_B__X"]


def test_what_is_called_known_is_read_by_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILNSENSE_TRAINING__EPOCHS", "7")
    monkeypatch.setenv("KILNSENSE_SEED", "7")
    config = load_config()
    assert (config.training.epochs, config.seed) == (7, 0)
