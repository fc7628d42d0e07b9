"""The configuration of a study: one model, what is varied in it, and how the variants are judged."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from kilnsense.config.sections import Config, Count, Name, Section


class Variant(Section):
    """A named change of the base, for settings that only make sense together."""

    name: Name
    settings: dict[str, Any] = Field({}, description="dotted paths of the base: values")


class Range(Section):
    """Numbers between two ends, both included, that a search draws from."""

    low: float
    high: float
    log: bool = Field(False, description="evenly in the logarithm")
    whole: bool = Field(False, description="whole numbers only")

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"got low {self.low} and high {self.high}, allowed: low below high")
        if self.log and self.low <= 0:
            raise ValueError(f"got low {self.low} with log, allowed: above 0")
        if self.whole and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError(f"got {self.low} to {self.high} with whole, allowed: whole numbers")
        return self


class OneShotConfig(Section):
    """N-way one-shot trials: one known picture of each of N classes, one asked picture of one of them."""

    ways: tuple[Annotated[int, Field(ge=2)], ...] = (5, 20)
    trials: Count = 400
    rotations: bool = Field(
        False, description="quarter turns of the background characters are characters of their own"
    )


class StudyConfig(Section):
    """Networks that differ in a few settings, trained on the same data and judged alike."""

    name: str = Field("study", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    title: str = Field("", description="heading of the page; empty: the name")
    task: Literal["frames", "pictures", "one_shot"] = Field(
        description="frames: labelled kiln frames, folds by group; pictures: IDX files with a test part; "
        "one_shot: characters never trained on"
    )
    base: Config = Config()
    variants: tuple[Variant, ...] = Field(
        (), description="each is crossed with the grid; none: the base alone"
    )
    grid: dict[str, tuple[Any, ...]] = Field(
        {}, description="dotted path of the base: values; all combinations are tried"
    )
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0, 1), min_length=1)
    judges: tuple[Name, ...] = Field(
        ("nearest",), min_length=1, description="nearest (by the distance trained for) and classifiers"
    )
    neighbours: Count = Field(5, description="of the judge nearest")
    parts: bool = Field(
        False, description="judge every branch and the descriptors alone too; task frames only"
    )
    folds: Annotated[int, Field(ge=2)] = Field(5, description="by group; task frames only")
    one_shot: OneShotConfig = OneShotConfig()
    search: dict[str, Range | tuple[Any, ...]] = Field(
        {
            "training.learning_rate": Range(low=3e-4, high=1e-2, log=True),
            "training.weight_decay": Range(low=1e-6, high=1e-2, log=True),
            "training.optimizer": ("adamw", "adam", "sgd", "rmsprop"),
            "training.schedule": ("cosine", "linear", "constant"),
            "training.samples_per_class": (4, 8, 16),
            "branches.dropout": Range(low=0.0, high=0.5),
        },
        description="what --search draws from, beside variants and grid",
    )

    @model_validator(mode="after")
    def _names_differ(self) -> "StudyConfig":
        names = [variant.name for variant in self.variants]
        if len(set(names)) != len(names):
            raise ValueError(f"variants: got {names}, allowed: every name once")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds: got {list(self.seeds)}, allowed: every seed once")
        listed = {f"grid.{path}": values for path, values in self.grid.items()}
        listed |= {f"search.{path}": v for path, v in self.search.items() if not isinstance(v, Range)}
        empty = [path for path, values in listed.items() if not values]
        if empty:
            raise ValueError(f"{empty[0]}: got no values, allowed: one or more")
        return self
