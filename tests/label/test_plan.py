from pathlib import Path

from kilnsense.label.inputs import PORTION, open_source
from kilnsense.label.plan import FIRST, plan_inputs


def test_inputs_are_counted_by_kind_and_the_first_are_named(tmp_path: Path) -> None:
    names = [f"b/{number:03d}.JPG" for number in range(3)] + ["a.png", "z.mp4", "notes", "x.csv", "y.csv"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    plan = plan_inputs(open_source(tmp_path))
    assert plan.kinds == {
        ("picture", ".jpg"): 3,
        ("other", ".csv"): 2,
        ("picture", ".png"): 1,
        ("video", ".mp4"): 1,
        ("other", ""): 1,
    }
    assert next(iter(plan.kinds)) == ("picture", ".jpg")
    assert plan.first == tuple(sorted(names)[:FIRST])
    assert plan.total == plan.share == 8


def test_the_shards_of_a_plan_are_all_of_it(tmp_path: Path) -> None:
    for number in range(2 * PORTION + 5):
        (tmp_path / f"{number}.png").touch()
    shares = [plan_inputs(open_source(tmp_path), shard=number, shards=2).share for number in (1, 2)]
    assert shares == [PORTION + 5, PORTION]
