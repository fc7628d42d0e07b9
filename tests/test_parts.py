import pytest

from kilnsense.errors import ConfigError
from kilnsense.parts import build, near_match, pick


def circle(*, radius: float, name: str = "circle") -> tuple[str, float]:
    return name, radius


TABLE = {"circle": circle}


def test_build_passes_the_options_on() -> None:
    assert build(TABLE, "circle", {"radius": 2.0}, kind="shape") == ("circle", 2.0)
    assert build(TABLE, "circle", {"radius": 1.0, "name": "disc"}, kind="shape") == ("disc", 1.0)


def test_pick_returns_the_entry() -> None:
    assert pick(TABLE, "circle", kind="shape") is circle


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("circel", {}, "shape: got 'circel', allowed: circle; did you mean 'circle'?"),
        ("square", {}, "shape: got 'square', allowed: circle$"),
        (
            "circle",
            {"radius": 1, "nme": "x"},
            "shape 'circle': unknown option 'nme', allowed: radius, name; did you",
        ),
        ("circle", {"name": "x"}, "shape 'circle': option 'radius' is missing"),
    ],
)
def test_faults_name_the_part_the_option_and_the_way_out(
    name: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        build(TABLE, name, options, kind="shape")


def test_near_match_is_silent_when_nothing_is_near() -> None:
    assert near_match("knm", ["knn", "svm"]) == "; did you mean 'knn'?"
    assert near_match("forest", ["knn", "svm"]) == ""
