"""The settings of a labelling run: what is read, by which model, and when a state may be named."""

from pydantic import Field, model_validator

from kilnsense.config.sections import Count, Section, Share


class LabelConfig(Section):
    """A labelling run; the command line fills it, and a resumed run must be given the same."""

    name: str = Field("kiln", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    model_id: str = Field(description="identity of the bundle")
    source: str = Field(description="folder or file, absolute")
    exclude: tuple[str, ...] = Field((), description="patterns of paths that are passed over")
    since: str = Field("", description="files changed before this moment are passed over; empty: none")
    every: Count = Field(25, description="of a video each so manieth frame is judged, the first included")
    min_confidence: Share | None = Field(
        None, description="no state is named below; none: as the bundle says"
    )
    shard: Count = 1
    shards: Count = Field(1, description="the inputs are dealt into so many parts, and one of them is done")

    @model_validator(mode="after")
    def _shard_exists(self) -> "LabelConfig":
        if self.shard > self.shards:
            raise ValueError(
                f"shard: got {self.shard}/{self.shards}, allowed: 1/{self.shards} and up to the last"
            )
        return self
