"""The sections of a model's configuration: strict, frozen pydantic models with every key and its default.

Names of swappable parts are checked where the part is built (`kilnsense.parts.build`).
"""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Cost = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]
Cell = Annotated[str, BeforeValidator(lambda got: str(got).lower() if isinstance(got, int | float) else got)]
Point = tuple[Share, Share]
Options = dict[str, float | int | str | bool | tuple[int, ...]]


class Section(BaseModel):
    """A part of the configuration: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(Section):
    """Where the labelled frames are."""

    root: str = Field(
        "", description="folder of class folders, or the folder the manifest's paths start from"
    )
    manifest: str = Field("", description="CSV below root; empty: one folder per class below root")
    path_column: str = "path"
    label_column: str = "label"
    group_column: str = Field(
        "group",
        description="frames of one camera run; never split across train and test; several columns with "
        "commas, such as kiln,day; empty: every frame is a group of its own",
    )
    time_column: str = Field(
        "", description="when a frame was taken, ISO 8601 or seconds; empty: as the file or its name says"
    )
    keep: dict[str, Cell] = Field({}, description="only rows with these values, column: value")
    held_out: tuple[str, ...] = Field((), description="groups that training must not see")


class ImageConfig(Section):
    """How pictures are decoded, and which part of them is judged."""

    width: Count = Field(
        480, description="pictures are reduced to about this width in pixels, never enlarged"
    )
    max_megabytes: Positive = Field(50.0, description="larger files are refused")
    max_megapixels: Positive = Field(50.0, description="larger pictures are refused")
    smallest_side: Count = Field(32, description="pictures with fewer rows or columns are refused, pixels")
    roi: tuple[Point, ...] = Field(
        (), description="polygon (x, y) in shares of the picture; empty: all of it"
    )
    exclude: tuple[tuple[Point, ...], ...] = Field((), description="polygons never judged: a burnt-in clock")


class QualityConfig(Section):
    """From where on a picture is too bad to judge; 0 or 1 at the harmless end switches a check off."""

    dark_below: float = Field(30.0, ge=0, le=255, description="99th percentile of the luma, 0..255")
    saturated_above: Share = Field(0.4, description="share of pixels with two channels at 250 or above")
    blurred_below: float = Field(5.0, ge=0, description="variance of the Laplacian of the luma at 480 width")
    hazy_above: Share = Field(0.9, description="haze, 0 clear to 1 nothing but veil")


class SegmentConfig(Section):
    """k-means colour segmentation; names are in the codebook's order of lightness, darkest first."""

    names: tuple[Name, ...] = Field(("coal", "wall", "material", "flame"), min_length=2, max_length=16)
    space: Literal["lab", "weighted_rgb"] = "lab"
    position_weight: float = Field(0.0, ge=0, description="Lab units per picture height of a y channel")
    restarts: int = Field(4, ge=0, description="k-means++ restarts beside the codebook seed")
    min_area: Share = Field(0.002, description="below this share of the judged pixels a region is absent")


class BranchConfig(Section):
    """What the networks see and what they are."""

    views: tuple[str, ...] = ("region:flame", "region:material", "scale:0.25", "scale:0.5", "scale:1.0")
    mode: Literal["crop", "pooled"] = "pooled"
    size: int = Field(96, ge=16, description="side of a crop, or height of the pooled picture, in pixels")
    trunk: str = Field("small", description="a name of BACKBONES or timm:<model>")
    sharing: Literal["shared", "separate"] = "shared"
    pretrained: bool = False
    weights: str = Field(
        "", description="safetensors file for the trunk; empty: timm's own loading if pretrained"
    )
    pool: Literal["moments", "flat"] = Field(
        "moments", description="flat: every cell of the feature map has weights of its own; crops only"
    )
    hidden: tuple[Count, ...] = Field((), description="widths of hidden layers in the head")
    dropout: float = Field(0.0, ge=0, lt=1, description="before each linear map of the head")
    head: Literal["vector", "palette"] = "vector"
    dimensions: Count = Field(32, description="of a vector head")
    normalise: bool = Field(True, description="vectors of unit length; false: as long as they come")
    colours: Count = Field(5, description="of a palette head")
    residual: float = Field(20.0, ge=0, description="largest learned shift of a palette colour, Lab units")


class MetricConfig(Section):
    """What every branch is trained for. Which miners there are depends on what the loss is over."""

    distance: str = "euclidean"
    squared: bool = Field(
        False, description="the distance squared, for miner, loss and margin alike; not of squared_euclidean"
    )
    loss: str = Field("triplet", description="over triplets, pairs or classes")
    loss_options: Options = {}
    miner: str = Field("semi_hard", description="not used by a loss over classes")
    miner_options: Options = {}
    first_miner: str = Field("", description="miner of the first epochs, with first_epochs; empty: the same")
    first_epochs: int = Field(0, ge=0, description="how many epochs the first miner serves; 0 without one")
    margin: float | None = Field(
        None,
        ge=0,
        description="in units of the distance; none: the default of loss and distance. triplet_cosine "
        "converts it to a cosine's: 0.2 by euclidean is 0.1 there",
    )
    margin_end: float | None = Field(
        None,
        ge=0,
        description="margin at the last step, reached evenly; none: fixed. Losses without a margin (ratio, "
        "energy, weighted_l1_bce) have it in mining and counts alone, softmax has no use for it",
    )
    margin_by: str = Field(
        "",
        description="colour difference of the views' palettes that scales the margin; empty: none. Losses "
        "without a margin: as for margin_end",
    )
    views: Literal["within", "across"] = Field(
        "within", description="across: anchors and their partners come from two kinds of view"
    )


class TrainingConfig(Section):
    """The training loop."""

    enabled: bool = Field(True, description="false: descriptors only, no network is trained")
    epochs: Count = 20
    batches_per_epoch: Count = 12
    samples_per_class: int = Field(8, ge=2)
    classes_per_batch: int = Field(8, ge=2, description="at most; all classes where there are fewer")
    tuples: Count = Field(64, description="pairs or triplets in a batch of miner as_drawn")
    optimizer: Literal["adamw", "adam", "sgd", "rmsprop"] = Field(
        "adamw", description="sgd has Nesterov momentum 0.9"
    )
    learning_rate: Positive = 2e-3
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = Field(1e-4, ge=0)
    layer_decay: float = Field(1.0, gt=0, le=1, description="rate factor per trunk stage from the top down")
    warmup_epochs: int = Field(1, ge=0)
    clip_norm: Positive = 1.0
    patience: Count = Field(6, description="epochs without a better validation before the loop stops")
    validation_share: float = Field(
        0.25, ge=0, lt=1, description="of the groups, for the choice of the epoch; 0: learn from all of them"
    )
    mixed_precision: bool = Field(True, description="on a GPU only")
    threads: Count = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"


class AugmentConfig(Section):
    """What cameras change. Strengths are the ends of uniform ranges; 0 switches one off."""

    exposure_stops: float = Field(0.7, ge=0, description="gain in linear light, plus or minus")
    white_balance: float = Field(0.06, ge=0, lt=1, description="relative gain of red and blue, plus or minus")
    haze: Share = 0.25
    blur: float = Field(1.2, ge=0, description="largest sigma in pixels")
    noise: float = Field(0.02, ge=0, lt=1, description="largest standard deviation, of full scale")
    jpeg_quality: int = Field(60, ge=0, le=100, description="lowest quality; 0: never re-encoded")
    shift: float = Field(0.04, ge=0, lt=0.5, description="share of the picture, plus or minus")
    hue_degrees: float = Field(0.0, ge=0, le=180, description="hue is a signal: better left alone")


class FusionConfig(Section):
    """How branches and descriptors become one row, or one opinion."""

    kind: str = "concat"
    descriptors: bool = True
    components: Count = Field(32, description="of pca")


class ClassifierConfig(Section):
    """The classifier on the fused rows; options go to its builder by name."""

    kind: str = "svm"
    options: Options = {}


class DecideConfig(Section):
    """When a state may be named."""

    folds: int = Field(5, ge=2, description="grouped folds for calibration, fusion weights and thresholds")
    min_confidence: Share = Field(0.5, description="calibrated probability below which no state is named")
    doubtful_share: Share = Field(
        0.05, description="of familiar left-out frames: the least sure get no state"
    )
    familiar_quantile: float = Field(0.9, gt=0, lt=1, description="of how far frames of left-out groups lie")
    costs: tuple[tuple[Cost, ...], ...] = Field(
        (),
        description="what mistakes cost, for comparisons; a row for each true class, a column for each class "
        "said, 0 where right; empty: squared states, twice where the kiln is taken for hotter than it is",
    )


class Config(Section):
    """Everything that makes a model, and nothing else."""

    name: str = Field("kiln", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    classes: tuple[Name, ...] = Field(("under", "normal", "over"), min_length=2)
    seed: int = Field(0, ge=0)
    data: DataConfig = DataConfig()
    image: ImageConfig = ImageConfig()
    quality: QualityConfig = QualityConfig()
    segment: SegmentConfig = SegmentConfig()
    branches: BranchConfig = BranchConfig()
    metric: MetricConfig = MetricConfig()
    training: TrainingConfig = TrainingConfig()
    augment: AugmentConfig = AugmentConfig()
    fusion: FusionConfig = FusionConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    decide: DecideConfig = DecideConfig()

    @model_validator(mode="after")
    def _names_agree(self) -> "Config":
        for label, listed in (("classes", self.classes), ("segment.names", self.segment.names)):
            if len(set(listed)) != len(listed):
                raise ValueError(f"{label}: got {list(listed)}, allowed: every name once")
        costs, size = self.decide.costs, len(self.classes)
        if costs and ([len(row) for row in costs] != [size] * size or any(costs[i][i] for i in range(size))):
            raise ValueError(
                f"decide.costs: got {[list(row) for row in costs]}, allowed: {size} rows of {size} numbers "
                f"in the order {', '.join(self.classes)}, 0 where right"
            )
        for view in self.branches.views:
            kind, _, rest = view.partition(":")
            if kind == "region" and rest not in self.segment.names:
                names = ", ".join(self.segment.names)
                raise ValueError(f"branches.views: {view!r} names no region of segment.names ({names})")
            if kind == "scale" and not _is_share(rest):
                raise ValueError(f"branches.views: got {view!r}, allowed: scale:0.1 .. scale:1.0")
            if kind not in ("region", "scale"):
                raise ValueError(f"branches.views: got {view!r}, allowed: region:<name> or scale:<fraction>")
        return self


def _is_share(text: str) -> bool:
    try:
        return 0.0 < float(text) <= 1.0
    except ValueError:
        return False
