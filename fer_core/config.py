"""Defines every setting once, with default, bounds and help; forms, the command line and the docs read these fields.

All configs are frozen, reject unknown keys and convert to and from JSON without loss.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fer_core.errors import ConfigError

Protocol = Literal["official", "holdout", "leaky"]


class Config(BaseModel):
    """Base class of all settings: frozen, rejects unknown keys, reports every invalid value in one message.

    A renamed setting is still read under its old name; subclasses list these in ``renamed``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    renamed: ClassVar[dict[str, str]] = {}
    """Old name -> name of a setting."""

    @model_validator(mode="before")
    @classmethod
    def _read_old_names(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        for old in cls.renamed.keys() & values.keys():
            if cls.renamed[old] in values:
                raise ValueError(f"{old} is the old name of {cls.renamed[old]}; give one of them")
        return {cls.renamed.get(name, name): value for name, value in values.items()}

    @classmethod
    def parse(cls, values: dict[str, Any] | str | bytes) -> Self:
        """Create settings from a dictionary or JSON text.

        Raises:
            ConfigError: a setting is unknown or out of bounds; the message names every such setting.
        """
        try:
            if isinstance(values, dict):
                return cls.model_validate(values)
            return cls.model_validate_json(values)
        except ValidationError as error:
            raise ConfigError(_describe(error)) from error

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for ``json.dumps``; :meth:`parse` restores the settings from them."""
        return self.model_dump(mode="json")

    def to_document(self) -> dict[str, Any]:
        """Return :meth:`to_dict` with renamed settings under their old names as well, for JSON that others read."""
        values = self.to_dict()
        return {**values, **{old: values[name] for old, name in self.renamed.items()}}


def _describe(error: ValidationError) -> str:
    faults = []
    for fault in error.errors():
        whole = not fault["loc"]  # several settings contradict each other; the message names them
        where = "" if whole else ".".join(str(part) for part in fault["loc"]) + ": "
        silent = whole or fault["type"] in ("extra_forbidden", "missing", "json_invalid")
        came = "" if silent else f" (got {fault['input']!r})"
        message = (
            "unknown setting" if fault["type"] == "extra_forbidden" else fault["msg"].removeprefix("Value error, ")
        )
        faults.append(f"{where}{message}{came}")
    return f"Invalid settings: {'; '.join(faults)}."


class PreprocessConfig(Config):
    """How gray pixels become a tensor; stored with the weights and used at every entry point."""

    mean: float = Field(
        0.5077,
        ge=0,
        le=1,
        description="Subtracted from pixel values in 0…1; the mean of FER2013's Training faces.",
    )
    std: float = Field(
        0.2551,
        gt=0,
        le=1,
        description="Divides the result; the standard deviation of FER2013's Training faces.",
    )


class AugmentConfig(Config):
    """Random augmentation of training faces; validation and test faces are never augmented."""

    flip: bool = Field(True, title="Flip", description="Flip each face horizontally with probability 0.5.")
    shift: float = Field(
        0.12,
        ge=0,
        le=0.5,
        title="Shift",
        description="Largest shift along each axis, as a fraction of the image size.",
    )
    scale: float = Field(
        0.15,
        ge=0,
        le=0.5,
        title="Scale",
        description="Largest change of size: 0.15 means factors from 0.85 to 1.15.",
    )
    rotation: float = Field(
        15.0, ge=0, le=90, title="Rotation (degrees)", description="Largest rotation in either direction, in degrees."
    )
    erasing: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Erasing",
        description="Probability that a random rectangle (2–20% of the area) is replaced by the mean.",
    )
    brightness: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Brightness",
        description="Largest change of brightness, as a fraction of the full range.",
    )
    contrast: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Contrast",
        description="Largest change of contrast: 0.2 means factors from 0.8 to 1.2.",
    )

    @classmethod
    def off(cls) -> AugmentConfig:
        """Return settings without any augmentation."""
        return cls(flip=False, shift=0, scale=0, rotation=0)


class MappedClass(Config):
    """One class of a class map: its name and the source classes it combines."""

    name: str
    sources: tuple[str, ...] = Field(min_length=1)


class ReadingConfig(Config):
    """How a data source is read: which images, which classes, whose labels."""

    renamed: ClassVar[dict[str, str]] = {"skip_broken": "skip_unreadable"}

    skip_unreadable: bool = Field(
        False,
        title="Skip unreadable images",
        description="Off: loading fails if any image is unreadable. On: unreadable images are listed and skipped.",
    )
    classes: Literal["auto", "emotions", "folders", "affectnet", "raf-db", "fer2013", "ferplus"] = Field(
        "auto",
        title="Classes",
        description="How folders become classes. auto: emotions if every folder is named after one, otherwise the folder names. emotions: folders that do not name an emotion are skipped. folders: always the folder names. affectnet, raf-db, fer2013, ferplus: the folders are the label numbers of that data set.",
    )
    crop: Literal["ask", "faces", "none"] = Field(
        "ask",
        title="Photos",
        description="What to do with photos that are not face crops. ask: refuse them. faces: crop the largest face of each photo, as for predictions. none: use the whole images.",
    )
    truth: Literal["labels", "votes"] = Field(
        "labels",
        title="Truth",
        description="labels: use the labels of the source. votes: use the majority of people's votes; faces without a majority are excluded.",
    )
    votes: str | None = Field(
        None,
        title="Votes",
        description="A file with people's votes. If empty, a votes file next to the data is used.",
    )
    class_map: tuple[MappedClass, ...] = Field(
        (),
        title="Class map",
        description="The classes to train on, in order, each made from one or more classes of the data. If empty, the classes stay as they are.",
    )


class TrainConfig(ReadingConfig):
    """Everything that determines the outcome of a training run; saved in the run and in the checkpoint."""

    renamed: ClassVar[dict[str, str]] = {
        **ReadingConfig.renamed,
        "teacher_share": "distillation_weight",
        "teacher_temperature": "distillation_temperature",
        "teacher_views": "cached_views",
    }

    data: str = Field(
        "synthetic",
        min_length=1,
        title="Data",
        description="The data: a path, or 'synthetic'.",
    )
    targets: Literal["labels", "votes", "both"] = Field(
        "labels",
        title="Targets",
        description="What the network learns. labels: one class per face. votes: soft targets from people's votes (FER+ has eight classes); faces without usable votes are excluded. both: two outputs on one trunk; the losses are added. With votes, validation accuracy is measured on faces with a majority (Barsoum et al. 2016); with both, the mean of the two accuracies selects the best epoch.",
    )
    model: str = Field("seed", min_length=1, title="Model", description="Name of the network architecture.")
    model_args: dict[str, Any] = Field(
        default_factory=dict,
        title="Model arguments",
        description='Arguments of the network architecture, e.g. {"dropout": 0.3}.',
    )
    protocol: Protocol = Field(
        "official",
        title="Protocol",
        description="official: the data set's own train, valid and test splits (holdout if it has no validation split). holdout: a share of the training faces validates; duplicates and known persons stay on one side. leaky: the validation faces are also trained on, as the lab report did; its validation accuracy is meaningless.",
    )
    holdout_share: float = Field(
        0.1,
        gt=0,
        lt=0.9,
        title="Held-out share",
        description="Share of the training faces used for validation, with the protocols holdout and leaky and for data without a validation split.",
    )
    epochs: int = Field(14, ge=1, le=10_000, title="Epochs", description="Passes over the training set.")
    freeze_epochs: int = Field(
        0,
        ge=0,
        le=10_000,
        title="Frozen epochs",
        description="The first epochs train only the last layer; the other layers keep their weights and batch-norm statistics, and dropout is off. The learning-rate schedule covers all epochs. Needs 'Initialize from'.",
    )
    batch_size: int = Field(
        128,
        ge=2,
        le=8192,
        title="Batch size",
        description="Faces per step. If there are fewer training faces, one step takes them all.",
    )
    optimizer: Literal["adamw", "sgd"] = Field(
        "adamw",
        title="Optimizer",
        description="AdamW (Loshchilov & Hutter 2019) or SGD with Nesterov momentum.",
    )
    learning_rate: float = Field(3e-3, gt=0, le=10, title="Learning rate", description="The peak learning rate.")
    weight_decay: float = Field(
        0.01,
        ge=0,
        le=1,
        title="Weight decay",
        description="Decoupled for AdamW, L2 for SGD; not applied to biases and batch norm.",
    )
    momentum: float = Field(0.9, ge=0, lt=1, title="Momentum", description="Used by SGD only.")
    schedule: Literal["constant", "cosine", "onecycle"] = Field(
        "onecycle",
        title="Schedule",
        description="Learning rate over the run: constant, cosine decay to zero, or one-cycle (warm-up, then cosine decay to zero).",
    )
    warmup_share: float = Field(
        0.2,
        ge=0,
        lt=1,
        title="Warm-up share",
        description="Share of the run that one-cycle spends warming up to the peak.",
    )
    label_smoothing: float = Field(
        0.1,
        ge=0,
        lt=1,
        title="Label smoothing",
        description="Share of each target distributed evenly over all classes (Szegedy et al. 2016).",
    )
    class_weights: Literal["none", "sqrt", "inverse"] = Field(
        "none",
        title="Class weights",
        description="Weight of rare classes in the loss. inverse: 1 / number of training faces of the class, so that all classes weigh the same. sqrt: the square root of that. The weights average 1 over the training faces and do not apply to the distillation loss. Measured on FER2013 (seed, 8 epochs, one run each, 3,589 PublicTest faces, AMD EPYC with two cores), none / sqrt / inverse: accuracy 0.591 / 0.590 / 0.547, macro-F1 0.516 / 0.545 / 0.496, recall of disgust 0.13 / 0.39 / 0.64, recall of fear 0.27 / 0.26 / 0.28.",
    )
    mixup: float = Field(
        0.0,
        ge=0,
        le=4,
        title="Mixup",
        description="Parameter α of the Beta(α, α) distribution; 0 turns mixup off (Zhang et al. 2018).",
    )
    teachers: tuple[str, ...] = Field(
        (),
        title="Teachers",
        description="Models (shipped names, runs or files, separated by commas) whose averaged predictions the network learns to match (distillation, Hinton et al. 2015).",
    )
    distillation_weight: float = Field(
        0.7,
        ge=0,
        le=1,
        title="Distillation weight",
        description="Weight of the distillation loss; the loss to the targets has the rest. Used with teachers only.",
    )
    distillation_temperature: float = Field(
        2.0,
        gt=0,
        le=20,
        title="Distillation temperature",
        description="Divides the logits of teachers and student before they are compared. Used with teachers only.",
    )
    cached_views: int = Field(
        0,
        ge=0,
        le=1000,
        title="Cached views",
        description="0: faces are augmented anew in every epoch. K: the augmented faces of the first K epochs and the teachers' predictions are cached and reused in turn, so that the teachers run only K times. Each view of FER2013 takes 67 MB of memory. Used with teachers only.",
    )
    ema_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="EMA decay",
        description="Decay per step of the exponential moving average of the weights; 0 turns it off. If on, the averaged weights are validated and saved.",
    )
    gradient_clip: float = Field(
        0.0,
        ge=0,
        le=1000,
        title="Gradient clipping",
        description="Largest norm of the whole gradient; 0 turns clipping off.",
    )
    patience: int = Field(
        0,
        ge=0,
        le=10_000,
        title="Early stopping",
        description="Stop after this many epochs without an improvement of the validation accuracy; 0 turns early stopping off.",
    )
    seed: int = Field(
        0, ge=0, lt=2**31, title="Random seed", description="The same seed and settings reproduce the run."
    )
    augment: AugmentConfig = Field(
        default_factory=AugmentConfig, title="Augmentation", description="Random augmentation of training faces."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        title="Precision",
        description="auto: bfloat16 if the processor or GPU supports it natively, otherwise float32.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device", description="auto: the GPU if there is one.")
    threads: int = Field(
        0,
        ge=0,
        le=256,
        title="Threads",
        description="Processor threads; 0 uses all cores. A resumed run keeps its number of threads.",
    )
    init_from: str | None = Field(
        None,
        title="Initialize from",
        description="A model (shipped name, run or file) that provides the initial weights. If empty, the weights are random.",
    )
    evaluate_test: bool = Field(
        False,
        title="Evaluate test split",
        description="Evaluate the best weights on the test split once, at the end. Turn this on only after every other choice has been made.",
    )
    drop_duplicates: bool = Field(
        False,
        title="Drop duplicates",
        description="Keep one of each group of duplicate training faces, and none that is also in another split.",
    )
    drop_blank: bool = Field(
        False, title="Drop blank images", description="Exclude images whose pixels all have the same value."
    )
    use_marks: bool = Field(
        False,
        title="Use marks",
        description="Applies your corrected labels and excludes faces marked 'not a face' or 'ambiguous'.",
    )
    preprocess: PreprocessConfig = Field(
        default_factory=PreprocessConfig, title="Preprocessing", description="Normalization of the pixels."
    )

    @field_validator("teachers", mode="before")
    @classmethod
    def _separated_by_commas(cls, value: Any) -> Any:
        return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.ema_decay and self.ema_decay < 0.5:
            raise ValueError("ema_decay must be 0 (off) or at least 0.5; smaller values hardly average")
        if self.cached_views and self.mixup:
            raise ValueError(
                "cached_views requires mixup 0, because cached predictions are of single faces, not of mixed ones"
            )
        if self.targets != "labels" and self.truth == "votes":
            raise ValueError(
                f"targets '{self.targets}' requires truth 'labels', because truth 'votes' already replaces the labels by the "
                "majority of the votes. Set truth to labels, or targets to labels"
            )
        if self.freeze_epochs and not self.init_from:
            raise ValueError("freeze_epochs requires init_from; freezing layers with random weights makes no sense")
        return self


class LiveConfig(Config):
    """Settings of the live view; each may change between two frames."""

    smoothing: float = Field(
        0.4,
        ge=0,
        le=5,
        title="Smoothing (seconds)",
        description="Time constant of the moving average of each face's logits; 0 turns smoothing off.",
    )
    hysteresis: float = Field(
        0.08,
        ge=0,
        le=0.5,
        title="Hysteresis",
        description="Lead in probability that another expression needs before the label changes.",
    )
    abstain_below: float | None = Field(
        None,
        ge=0,
        le=1,
        title="Not sure below",
        description="Below this probability the label is 'not sure'; empty uses the model's own threshold.",
    )
    detect_every: int = Field(
        2,
        ge=1,
        le=30,
        title="Detect faces every … frames",
        description="Between detections, faces keep their last positions. 1 is the most accurate, higher is faster.",
    )
    longest_side: int = Field(
        320,
        ge=96,
        le=1280,
        title="Detection size (pixels)",
        description="Longest side of the image the detector runs on. Smaller is faster but misses small faces.",
    )
    max_faces: int = Field(
        8, ge=1, le=50, title="Max faces", description="If there are more faces, only the largest are classified."
    )
    gap: float = Field(
        0.7,
        ge=0,
        le=10,
        title="Bridge gaps (seconds)",
        description="How long a face may be lost before its track ends.",
    )
    mirror: bool = Field(True, title="Mirror", description="Flip the image horizontally, like a mirror.")
    bars: bool = Field(True, title="Show bars", description="Draw the probabilities next to each face.")
