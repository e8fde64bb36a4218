"""Every setting once: default, bounds and help. The form, the command line and the docs read these fields.

All configs are frozen, refuse unknown keys, and go to and from JSON strictly.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fer_core.errors import ConfigError

Protocol = Literal["official", "holdout", "leaky"]


class Config(BaseModel):
    """Base of all settings: frozen, no unknown keys, errors in plain sentences."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def parse(cls, values: dict[str, Any] | str | bytes) -> Self:
        """Settings from a dictionary or a JSON text.

        Raises:
            ConfigError: a setting is unknown or outside its bounds; every fault is named.
        """
        try:
            if isinstance(values, dict):
                return cls.model_validate(values)
            return cls.model_validate_json(values)
        except ValidationError as error:
            raise ConfigError(_describe(error)) from error

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for ``json.dumps``; :meth:`parse` gives the same settings back."""
        return self.model_dump(mode="json")


def _describe(error: ValidationError) -> str:
    faults = []
    for fault in error.errors():
        whole = not fault["loc"]  # a fault of several settings together; its message names them
        where = "" if whole else ".".join(str(part) for part in fault["loc"]) + ": "
        silent = whole or fault["type"] in ("extra_forbidden", "missing", "json_invalid")
        came = "" if silent else f" (it is {fault['input']!r})"
        message = (
            "no such setting" if fault["type"] == "extra_forbidden" else fault["msg"].removeprefix("Value error, ")
        )
        faults.append(f"{where}{message}{came}")
    return f"Settings refused: {'; '.join(faults)}."


class PreprocessConfig(Config):
    """How grey pixels become a tensor; stored with the weights and used by every door."""

    mean: float = Field(
        0.5077,
        ge=0,
        le=1,
        description="Subtracted from pixels in 0…1: the mean over FER2013's Training faces.",
    )
    std: float = Field(
        0.2551,
        gt=0,
        le=1,
        description="Divides pixels after the mean: the deviation over FER2013's Training faces.",
    )


class AugmentConfig(Config):
    """Random changes to training faces; validation and test faces never pass through them."""

    flip: bool = Field(True, title="Mirror", description="Mirror each face left to right with probability one half.")
    shift: float = Field(
        0.12,
        ge=0,
        le=0.5,
        title="Shift",
        description="Largest shift along each axis, as a share of the side.",
    )
    scale: float = Field(
        0.15,
        ge=0,
        le=0.5,
        title="Scale",
        description="Largest enlargement or reduction: 0.15 means 0.85 to 1.15.",
    )
    rotation: float = Field(
        15.0, ge=0, le=90, title="Rotation (degrees)", description="Largest rotation either way, in degrees."
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
        description="Largest change of brightness, as a share of the full range.",
    )
    contrast: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Contrast",
        description="Largest change of contrast: 0.2 means factors 0.8 to 1.2.",
    )

    @classmethod
    def off(cls) -> AugmentConfig:
        """No augmentation at all."""
        return cls(flip=False, shift=0, scale=0, rotation=0)


class MappedClass(Config):
    """One class of a class map: its name, and the classes of the source that it is made of."""

    name: str
    sources: tuple[str, ...] = Field(min_length=1)


class ReadingConfig(Config):
    """How a source of faces is read: which faces, which classes, whose labels."""

    skip_broken: bool = Field(
        False,
        title="Leave out broken faces",
        description="Leave out faces that cannot be read, instead of refusing them all.",
    )
    classes: Literal["auto", "emotions", "folders"] = Field(
        "auto",
        title="Classes",
        description="What the class folders mean. auto: the emotions where every folder is named after one, else the folders' own names. emotions: folders that name no emotion are left out. folders: always their own names.",
    )
    truth: Literal["labels", "votes"] = Field(
        "labels",
        title="Truth",
        description="labels: each face's label is the one its source gives. votes: the majority of people's votes; faces without a majority are left out.",
    )
    votes: str | None = Field(
        None,
        title="Votes",
        description="A file of people's votes; empty takes one that lies beside the data.",
    )
    class_map: tuple[MappedClass, ...] = Field(
        (),
        title="Class map",
        description="The classes made from those of the data, in order; empty takes them as they are.",
    )


class TrainConfig(ReadingConfig):
    """All that decides the outcome of a training; saved in the run and in the checkpoint."""

    data: str = Field(
        "synthetic",
        min_length=1,
        title="Data",
        description="Where the faces come from: a path, or 'synthetic'.",
    )
    targets: Literal["labels", "votes", "both"] = Field(
        "labels",
        title="Targets",
        description="What the network learns for each face. labels: its label. votes: how people's votes are divided among the classes (FER+ has eight); faces without votes for a class are left out. both: two outputs on one trunk, one for each; the loss is the sum of the two. Validation by votes is the accuracy on faces with a majority (Barsoum et al. 2016); with both, the mean of the two accuracies decides which epoch is best.",
    )
    model: str = Field("seed", min_length=1, title="Model", description="Name of the architecture.")
    model_args: dict[str, Any] = Field(
        default_factory=dict,
        title="Model arguments",
        description='Arguments of the architecture, e.g. {"dropout": 0.3}.',
    )
    protocol: Protocol = Field(
        "official",
        title="Protocol",
        description="official: train / valid / test as the data set says; without validation faces it is holdout. holdout: a share of the training faces validates, copies and known persons kept on one side. leaky: validation faces are trained on too, as the lab report did; never honest.",
    )
    holdout_share: float = Field(
        0.1,
        gt=0,
        lt=0.9,
        title="Held-out share",
        description="Share of the training faces that validate, for the protocols holdout and leaky, and for data without validation faces.",
    )
    epochs: int = Field(14, ge=1, le=10_000, title="Epochs", description="How often every training face is seen.")
    freeze_epochs: int = Field(
        0,
        ge=0,
        le=10_000,
        title="Frozen epochs",
        description="So many of the epochs, the first ones, train the last layer alone; the layers below stay as they came, without dropout and with the statistics of their batch norms. The schedule of the learning rate runs over all epochs. For trainings that start from a model.",
    )
    batch_size: int = Field(
        128,
        ge=2,
        le=8192,
        title="Batch size",
        description="Faces per step. With fewer training faces than that, all of them make one step.",
    )
    optimizer: Literal["adamw", "sgd"] = Field(
        "adamw",
        title="Optimizer",
        description="AdamW (Loshchilov & Hutter 2019) or SGD with Nesterov momentum.",
    )
    learning_rate: float = Field(3e-3, gt=0, le=10, title="Learning rate", description="The peak of the schedule.")
    weight_decay: float = Field(
        0.01,
        ge=0,
        le=1,
        title="Weight decay",
        description="Decoupled for AdamW, L2 for SGD; never applied to biases and batch norm.",
    )
    momentum: float = Field(0.9, ge=0, lt=1, title="Momentum", description="For SGD only.")
    schedule: Literal["constant", "cosine", "onecycle"] = Field(
        "onecycle",
        title="Schedule",
        description="How the learning rate goes over the run: constant, cosine to zero, or one-cycle (warm up, then cosine to zero).",
    )
    warmup_share: float = Field(
        0.2,
        ge=0,
        lt=1,
        title="Warm-up share",
        description="Share of the run in which one-cycle climbs to the peak.",
    )
    label_smoothing: float = Field(
        0.1,
        ge=0,
        lt=1,
        title="Label smoothing",
        description="Share of each target spread evenly over all classes (Szegedy et al. 2016).",
    )
    class_weights: Literal["none", "sqrt", "inverse"] = Field(
        "none",
        title="Class weights",
        description="How much more a face of a rare class counts in the loss. inverse: by 1 / the number of its class's training faces, so that every class counts alike. sqrt: by the square root of that. The mean over the training faces is 1. Not applied to the distance from the teachers. Measured on FER2013 (seed, 8 epochs, one run each, 3,589 PublicTest faces, two cores, AMD EPYC), none / sqrt / inverse: accuracy 0.591 / 0.590 / 0.547, macro-F1 0.516 / 0.545 / 0.496, recall of disgust 0.13 / 0.39 / 0.64, of fear 0.27 / 0.26 / 0.28.",
    )
    mixup: float = Field(
        0.0,
        ge=0,
        le=4,
        title="Mixup",
        description="α of mixup's Beta(α, α); 0 turns it off (Zhang et al. 2018).",
    )
    teachers: tuple[str, ...] = Field(
        (),
        title="Teachers",
        description="Models (shipped names, runs, or files; separated by commas) whose averaged answer to the same changed face is imitated (distillation, Hinton et al. 2015).",
    )
    teacher_share: float = Field(
        0.7,
        ge=0,
        le=1,
        title="Teachers' share",
        description="How much of the loss is the distance from the teachers' answer; the rest is the labels'. For distillation only.",
    )
    teacher_temperature: float = Field(
        2.0,
        gt=0,
        le=20,
        title="Teachers' temperature",
        description="Logits of both sides are divided by this before they are compared. For distillation only.",
    )
    teacher_views: int = Field(
        0,
        ge=0,
        le=1000,
        title="Teachers' views",
        description="0: every epoch shows the faces changed anew. K: the changed faces of the first K epochs are kept with the teachers' answers and shown again in turn, which saves asking the teachers. Each of FER2013 takes 67 MB of memory. For distillation only.",
    )
    ema_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="Weight average (EMA)",
        description="Decay of the exponential moving average of weights per step; 0 turns it off. When on, the average is validated and saved.",
    )
    gradient_clip: float = Field(
        0.0,
        ge=0,
        le=1000,
        title="Gradient clipping",
        description="Largest norm of all gradients together; 0 turns it off.",
    )
    patience: int = Field(
        0,
        ge=0,
        le=10_000,
        title="Early stopping",
        description="Stop after this many epochs without a better validation accuracy; 0 turns it off.",
    )
    seed: int = Field(
        0, ge=0, lt=2**31, title="Random seed", description="The same seed and settings give the same run."
    )
    augment: AugmentConfig = Field(
        default_factory=AugmentConfig, title="Augmentation", description="Random changes to training faces."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        title="Precision",
        description="auto: bfloat16 where the processor or GPU computes it natively, else float32.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", title="Device", description="auto: the GPU where there is one."
    )
    threads: int = Field(
        0,
        ge=0,
        le=256,
        title="Threads",
        description="Processor threads; 0 takes all cores. Resuming uses the number the run began with.",
    )
    init_from: str | None = Field(
        None,
        title="Start from",
        description="A model (shipped name, run, or file) whose weights the training starts from.",
    )
    evaluate_test: bool = Field(
        False,
        title="Evaluate test split",
        description="Evaluate the best weights on the test split once, at the end. Do this only when every choice is made.",
    )
    drop_duplicates: bool = Field(
        False,
        title="Drop duplicates",
        description="Of training faces with the same pixels keep one, and none that also stands in another split.",
    )
    drop_blank: bool = Field(
        False, title="Drop blank images", description="Leave out images that hold one single grey value."
    )
    use_marks: bool = Field(
        False,
        title="Use marks",
        description="Use your marks: faces marked with another label are relabelled, 'not a face' and 'ambiguous' are left out.",
    )
    preprocess: PreprocessConfig = Field(
        default_factory=PreprocessConfig, title="Preprocessing", description="How pixels become a tensor."
    )

    @field_validator("teachers", mode="before")
    @classmethod
    def _separated_by_commas(cls, value: Any) -> Any:
        return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.ema_decay and self.ema_decay < 0.5:
            raise ValueError("ema_decay must be 0 (off) or at least 0.5; smaller values average nothing")
        if self.teacher_views and self.mixup:
            raise ValueError("teacher_views needs mixup 0: kept answers are of single faces, not of mixed ones")
        if self.targets != "labels" and self.truth == "votes":
            raise ValueError(
                f"targets '{self.targets}' needs truth 'labels': with truth 'votes' the labels are the majority of the "
                "votes already. Set truth to labels, or targets to labels"
            )
        if self.freeze_epochs and not self.init_from:
            raise ValueError("freeze_epochs needs init_from: random layers are not worth keeping as they are")
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
