"""The settings of a new training: every field of TrainConfig, validated before it starts."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import streamlit as st

from fer_core.config import TrainConfig
from fer_core.data.reading import Reading
from fer_core.errors import ConfigError, DataError, FerError
from fer_core.formatting import duration
from fer_core.presets import PRESETS, PROTOCOL_PRESETS, default_preset
from fer_core.training.runs import Run
from pages.ui.review.classes import data_caption
from pages.ui.shell import cache, session
from pages.ui.shell.formatting import is_built_in, plain, source_name
from pages.ui.shell.forms import Form
from pages.ui.shell.identity import server_mode
from pages.ui.shell.limits.trainings import start_training
from pages.ui.shell.runs import all_runs, summary
from pages.ui.shell.session import state_of
from pages.ui.train.state import TrainState

if TYPE_CHECKING:
    from fer_core.data import FaceDataset

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "Length and batches": ("batch_size", "patience"),
    "Optimizer and schedule": (
        "optimizer",
        "learning_rate",
        "schedule",
        "warmup_share",
        "weight_decay",
        "momentum",
        "gradient_clip",
    ),
    "Regularisation": ("label_smoothing", "mixup", "class_weights", "ema_decay"),
    "Distillation": ("teachers", "distillation_weight", "distillation_temperature", "cached_views"),
    "Augmentation": ("augment",),
    "Machine and repeatability": ("seed", "precision", "device", "threads"),
}
DRAWN_BY_HAND: Final = (
    "data",
    "skip_unreadable",
    "classes",
    "crop",
    "truth",
    "votes",
    "class_map",
    "protocol",
    "holdout_share",
    "model",
    "targets",
    "epochs",
    "freeze_epochs",
    "init_from",
    "evaluate_test",
)
"""Fields with their own widget above the groups; fields in neither place appear under "More"."""

PROTOCOLS: Final[dict[str, str]] = {
    "official": "Official: the splits of the data set",
    "holdout": "Holdout: validate on a share of the training faces",
    "leaky": "Leaky: validate on training faces, as the lab report did",
}

TARGETS: Final[dict[str, str]] = {
    "labels": "Labels: one class per face",
    "votes": "Votes: soft targets from people's votes",
    "both": "Labels and votes: two outputs on one trunk",
}


def train_form() -> Form:
    """The form of the Train page."""
    return Form(TrainConfig, "train", state_of(TrainState).form)


def remaining_fields() -> list[str]:
    """Fields of TrainConfig outside all groups, so that new settings appear automatically."""
    named = {name for group in GROUPS.values() for name in group} | set(DRAWN_BY_HAND)
    return [name for name in TrainConfig.model_fields if name not in named]


def draw_settings(form: Form) -> TrainConfig | None:
    """Draw all settings and return them; shows the error and returns None if they are invalid."""
    _data(form)
    _suit_preset(form)
    _protocol(form)
    _model(form)
    _preset(form)
    form.input("epochs")
    for title, names in GROUPS.items():
        with st.expander(title):
            form.draw(*names)
    with st.expander("More"):
        form.draw(*remaining_fields())
        form.input("evaluate_test")
    try:
        values = {name: value for name, value in form.values().items() if name not in Reading.model_fields}
        config = TrainConfig.parse({**values, **_reading(str(form.value("data"))).model_dump()})
    except ConfigError as error:
        st.error(plain(error), icon=":material/error:")
        return None
    _outlook(config)
    return config


def _reading(source: str) -> Reading:
    """Reading settings of the Data page, with the class map if the data are in memory."""
    return cache.reading_in_use(source) if cache.loaded_dataset(source) is not None else cache.reading(source)


def checked(config: TrainConfig) -> TrainConfig:
    """The settings with the class map in force; refuses what cannot be trained, before a run is made.

    Raises:
        DataError, ConfigError, ModelError: the data, or settings that do not fit it.
    """
    from fer_core.data import make_split
    from fer_core.training.outputs import make_outputs, split_for_targets

    dataset = cache.dataset(config.data)
    split = make_split(dataset, config.protocol, config.holdout_share, config.seed)
    if config.evaluate_test and not dataset.counts()["test"]:
        raise DataError(f"{dataset.name} has no test faces, so the test split cannot be evaluated. Switch that off.")
    split_for_targets(dataset, split, make_outputs(dataset, config.targets), config)
    return config.model_copy(update={"class_map": dataset.class_map})


def copy_settings(form: Form, run: Run, *, from_weights: bool) -> None:
    """Fill the form with the settings of a run; with ``from_weights``, initialize from its best weights.

    Raises:
        RunError: the run's settings cannot be read.
    """
    config = run.config
    state_of(TrainState).suited_to = config.data
    form.reset()
    form.fill({**config.to_dict(), "init_from": run.id if from_weights else config.init_from})


def _data(form: Form) -> None:
    in_use = session.data_source()
    state = state_of(TrainState)
    if state.followed_data != in_use:  # the form follows the data in use; afterwards another choice here stands
        state.followed_data = in_use
        form.fill({"data": in_use})
    current = str(form.value("data"))
    options = list(dict.fromkeys([in_use, current, session.BUILT_IN, *session.recent_sources()]))
    field = TrainConfig.model_fields["data"]
    chosen = st.selectbox(
        "Data",
        options,
        format_func=_shown,
        help=f"{field.description} More sources can be opened on the Data page.",
        key=form.key("data", current),
    )
    form.enter("data", chosen)


def _shown(source: str) -> str:
    """Display name of a data source: its path in local mode, its name on a shared server."""
    return source if server_mode() == "local" and not is_built_in(source) else source_name(source)


def _protocol(form: Form) -> None:
    names = list(PROTOCOLS)
    current = form.value("protocol")
    chosen = st.selectbox(
        "Protocol",
        names,
        format_func=PROTOCOLS.__getitem__,
        help=TrainConfig.model_fields["protocol"].description,
        key=form.key("protocol", current),
    )
    if chosen != current:
        form.enter("protocol", chosen)
        _take_preset(form, default_preset(chosen, _training_faces(str(form.value("data")))))
        st.rerun()
    if chosen == "leaky":
        st.warning(
            "Leaky on purpose: the network also trains on the “validation” faces, so their accuracy measures memory. "
            "The chart adds the leak-free accuracy, on faces never trained on.",
            icon=":material/warning:",
        )
    if chosen != "official" or _lacks_validation(str(form.value("data"))):
        form.input("holdout_share")


def _lacks_validation(source: str) -> bool:
    """Whether the data have no validation split; False if they are not in memory."""
    dataset = cache.loaded_dataset(source)
    return dataset is not None and not dataset.counts()["valid"]


def _model(form: Form) -> None:
    known = cache.architectures()
    names = list(dict.fromkeys([*known, str(form.value("model"))]))
    chosen = st.selectbox(
        "Model",
        names,
        help="Architecture of the network.",
        key=form.key("model", str(form.value("model"))),
    )
    form.enter("model", chosen)
    st.caption(plain(known.get(chosen, "Unknown architecture.")))
    _targets(form)
    _start_from(form)


def _targets(form: Form) -> None:
    field, current = TrainConfig.model_fields["targets"], str(form.value("targets"))
    chosen = st.selectbox(
        field.title or "",
        list(TARGETS),
        format_func=TARGETS.__getitem__,
        help=field.description,
        key=form.key("targets", current),
    )
    form.enter("targets", chosen)


def _start_from(form: Form) -> None:
    available = cache.models()
    current = form.value("init_from")
    options = list(dict.fromkeys(["", *available, current or ""]))
    chosen = st.selectbox(
        "Initialize from",
        options,
        format_func=lambda name: f"the weights of {available.get(name, name)}" if name else "random weights",
        help=TrainConfig.model_fields["init_from"].description,
        key=form.key("init_from", current or ""),
    )
    form.enter("init_from", chosen or None)
    if chosen:
        form.input("freeze_epochs")
    else:
        form.enter("freeze_epochs", 0)


def _preset(form: Form) -> None:
    names = list(PRESETS)
    state = state_of(TrainState)
    current = state.preset or PROTOCOL_PRESETS[str(form.value("protocol"))]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Preset",
            names,
            format_func=lambda name: PRESETS[name].title,
            help="Sets the fields below to proven combinations.",
            key=form.key("preset", current if current in names else names[0]),
        )
        reset = st.button(
            "Reset to defaults",
            icon=":material/restart_alt:",
            type="tertiary",
            help="Resets the fields below to the preset. Data, protocol, model and targets stay.",
        )
    if chosen != current or reset:
        _take_preset(form, chosen)
        st.rerun()
    st.caption(plain(PRESETS[chosen].description))


def _take_preset(form: Form, name: str) -> None:
    state = state_of(TrainState)
    kept = ["data", "protocol", "holdout_share", "model", "model_args", "targets", "init_from"]
    before = PRESETS[state.preset].values if state.preset in PRESETS else {}
    if "init_from" in before:  # network and start came with the preset, and go with it unless they were changed
        kept = [field for field in kept if field not in before or form.value(field) != before[field]]
    form.reset(keep=tuple(kept))
    form.fill(PRESETS[name].values)
    state.preset = name


def _suit_preset(form: Form) -> None:
    """Select the preset that suits the number of faces, once per data set."""
    state, source = state_of(TrainState), str(form.value("data"))
    if state.suited_to == source:
        return
    state.suited_to = source
    protocol = str(form.value("protocol"))
    suited = default_preset(protocol, _training_faces(source))
    if suited != (state.preset or PROTOCOL_PRESETS[protocol]):
        _take_preset(form, suited)


def _training_faces(source: str) -> int | None:
    """Number of training faces; None if the data are unreadable, which starting a training reports."""
    with suppress(FerError):
        return cache.dataset(source).counts()["train"]
    return None


def _outlook(config: TrainConfig) -> None:
    """Estimate the duration from the data in memory and the speed of the last run with this architecture."""
    dataset = cache.loaded_dataset(config.data)
    if dataset is None:
        return
    data_caption(dataset)
    with suppress(FerError):  # said when the training is to be started
        if note := _held_out(dataset.cache_key, config.protocol, config.holdout_share, config.seed, dataset):
            st.info(plain(note), icon=":material/call_split:")
    faces = dataset.counts()["train"]
    text = f"{faces:,} training faces × {config.epochs:,} epochs"
    for run in all_runs():
        about = summary(run)
        if about.model == config.model and about.best is not None:
            text += f", about {duration(faces * config.epochs / about.best.images_per_second)} at the speed of “{plain(about.name)}”"
            break
    st.caption(text + ".")


@st.cache_data(max_entries=20, show_spinner=False)
def _held_out(key: str, protocol: str, share: float, seed: int, _dataset: FaceDataset) -> str | None:
    """Explain how validation faces are chosen if the data have no validation split, or have persons."""
    from fer_core.data import make_split

    if _dataset.counts()["valid"] and _dataset.groups is None:
        return None
    return make_split(_dataset, protocol, share, seed).warning


def start_controls(config: TrainConfig | None) -> None:
    """Draw the name and the start button; a second training while one runs is refused, or waits on a shared server."""
    name = st.text_input("Name of the run", max_chars=80, placeholder="optional", key="train-name")
    processes = _processes(config)
    pressed = st.button(
        "Start training", type="primary", icon=":material/play_arrow:", disabled=config is None, width="stretch"
    )
    if not pressed or config is None:
        return
    try:
        run = start_training(checked(config), name.strip() or None, processes)
    except FerError as error:
        st.error(plain(error), icon=":material/error:")
        return
    state_of(TrainState).watched_run = run.id
    session.notify(f"{'Queued' if run.state == 'queued' else 'Started'} {run.label.name}.")
    st.rerun()


def _processes(config: TrainConfig | None) -> int:
    """Draw the number of processes where there are several GPUs to share the work."""
    from fer_core.training import background

    gpus = background.gpus()
    if gpus < 2 or config is None or config.device == "cpu":
        return 1
    chosen = st.number_input(
        "Processes",
        1,
        min(gpus, config.batch_size),
        key="train-processes",
        help=f"Each process trains on one of the {gpus} GPUs with its share of every batch. The results are those of one process, "
        "up to rounding.",
    )
    return int(chosen)
