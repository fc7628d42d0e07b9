"""The settings of a comparison of classifiers: one model, and how the classifiers on top of it are judged."""

from typing import Annotated

from pydantic import Field, model_validator

from kilnsense.config.sections import Config, Count, Name, Positive, Section


class CompareConfig(Section):
    """A comparison; the command line fills it, and a resumed run must be given the same."""

    base: Config
    name: str = Field("kiln", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    bundle: str = Field("", description="identity of the bundle that was given; empty: a config was")
    frozen: bool = Field(False, description="the bundle's regions and networks are kept, not trained anew")
    classifiers: tuple[Name, ...] = Field(("knn", "svm", "mlp"), min_length=1)
    folds: Annotated[int, Field(ge=2)] = 5
    repeats: Count = 2
    metric: str = "macro_f1"
    tune: bool = Field(False, description="a small search for each classifier within every fold")
    group_by: str = Field("auto", description="auto, given, time, names or none")
    block_minutes: Positive = Field(60.0, description="length of a block of time stamps")
    embargo_minutes: float = Field(15.0, ge=0, description="gap between judged frames and those learned from")

    @model_validator(mode="after")
    def _each_once(self) -> "CompareConfig":
        if len(set(self.classifiers)) != len(self.classifiers):
            raise ValueError(f"classifiers: got {', '.join(self.classifiers)}, allowed: every name once")
        if self.frozen and not self.bundle:
            raise ValueError("frozen: got a config, allowed: a bundle, whose networks can be kept")
        return self
