"""The Derivations page: summary, one formula with its steps, its inputs, and the check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core.charts import kernel_positions, numeric_error
from fer_core.classes import ClassList
from fer_core.formatting import SPLIT_NAMES
from fer_core.lessons.formulas import (
    FORMULAS,
    TOPICS,
    Array,
    CheckResult,
    Formula,
    Inputs,
    as_prose,
    central_differences,
    check,
    check_all,
    check_report,
    error_by_step,
)
from fer_core.lessons.inputs import SIZE_COLUMNS, complete_inputs, editable_inputs, inputs_from_network
from fer_core.models import output_side
from pages.ui.review.classes import data_caption
from pages.ui.shell import cache, session
from pages.ui.shell.charts import chart
from pages.ui.shell.formatting import plain, source_name
from pages.ui.shell.pickers import model_box, one_of

if TYPE_CHECKING:
    from fer_core.data import FaceDataset

SOURCES: Final = {
    "random": "Random numbers",
    "own": "My own numbers",
    "network": "A network and a face",
}
_SIZE_WORDS: Final = {"W": "Input size", "K": "Kernel size", "S": "Stride", "P": "Padding"}
_LONGEST_TABLE: Final = 12
_NAMES: Final = {
    "x": "x", "xhat": "x̂", "y": "y", "gamma": "γ", "beta": "β", "mu": "μ", "var": "σ²", "g": "g", "z": "z", "T": "T",
    "a": "α", "p": "p", "w": "w", "zt": "zₜ", "rest": "z (all logits; the first is replaced by zₜ)", "yt": "yₜ",
}  # fmt: skip


@st.cache_data(show_spinner="Checking all formulas…")
def _all_checks() -> tuple[list[CheckResult], dict[str, CheckResult]]:
    reports = {name: check_report(formula) for name, formula in FORMULAS.items()}
    return check_all(), {name: result for name, result in reports.items() if result is not None}


def verdicts() -> None:
    """Draw how many formulas of ours and of the lab report hold, and the table of all checks."""
    ours, reports = _all_checks()
    right = sum(result.passed for result in reports.values())
    with st.container(horizontal=True, gap="medium"):
        st.metric("Our formulas: correct", f"{sum(r.passed for r in ours)} of {len(ours)}", width="content")
        st.metric("Lab report: correct", f"{right} of {len(reports)}", width="content")
    with st.expander("All checks"):
        st.dataframe(
            [
                {
                    "Formula": FORMULAS[result.name].title,
                    "Ours": _word(result.passed),
                    "Error": f"{result.error:.1e}",
                    "Lab report": _word(reports[result.name].passed) if result.name in reports else "",
                    "Report's error": f"{reports[result.name].error:.1e}" if result.name in reports else "",
                }
                for result in ours
            ],
            hide_index=True,
            height="content",
        )
        st.caption(f"On random numbers, with a tolerance of {ours[0].tolerance:g}. Command: `fer-lab check-math`")


def _word(passed: bool) -> str:
    return "holds" if passed else "wrong"


def choose() -> Formula:
    """Draw the choice of topic and formula."""
    topic = one_of("Topic", {name: name for name in TOPICS}, default="Batch norm", key="derive-topic", show_label=True)
    names = TOPICS[topic]
    name = names[0]
    if len(names) > 1:
        name = st.selectbox("Formula", names, format_func=lambda n: FORMULAS[n].title, key=f"derive-formula-{name}")
    return FORMULAS[name]


def explain(formula: Formula) -> None:
    """Draw statement, symbols and derivation, with the version of the lab report."""
    st.subheader(formula.title)
    if formula.report is None:
        st.latex(formula.statement)
    else:
        ours, theirs = st.columns(2, gap="large")
        with ours:
            st.caption("Our version")
            st.latex(formula.statement)
        with theirs:
            st.caption("Lab report")
            st.latex(formula.report_statement)
    steps, symbols = st.columns([3, 2], gap="large")
    with steps, st.container(border=True):
        st.markdown("**Step by step**")
        for step in formula.steps:
            sentence = as_prose(step)
            if sentence is None:
                st.latex(step)
            else:
                st.markdown(sentence)
    with symbols, st.container(border=True):
        st.markdown("**Symbols**")
        for symbol, words in formula.symbols.items():
            st.markdown(f"${symbol}$: {words}")


def numbers(formula: Formula) -> tuple[Inputs, ClassList]:
    """Draw the choice of inputs and return them with their classes: the seven of FER2013, or those of a model."""
    seven = ClassList.fer2013()
    source = one_of("Inputs", SOURCES, key="derive-source", show_label=True)
    if source == "own":
        return _own(formula, seven), seven
    if source == "network":
        return _networks(formula)
    seed = st.number_input("Seed", 0, 10_000, 0, help="Each seed draws other inputs.", key="derive-seed", width=200)
    return formula.inputs(np.random.default_rng(int(seed))), seven


def _own(formula: Formula, classes: ClassList) -> Inputs:
    inputs = formula.inputs(np.random.default_rng(0))
    if "sizes" in inputs:
        row = [
            column.number_input(_SIZE_WORDS[name], 0, 4096, value, key=f"derive-{formula.name}-{name}")
            for column, name, value in zip(st.columns(4), SIZE_COLUMNS, (12, 3, 1, 1), strict=True)
        ]
        return complete_inputs(formula, {"sizes": np.array([row], dtype=np.float64)})
    names = editable_inputs(formula)
    if not names:
        st.caption("This formula has too many inputs to enter; random numbers are used.")
    scalars = [name for name in names if inputs[name].ndim == 0]
    if scalars:
        with st.container(horizontal=True):
            for name in scalars:
                inputs[name] = np.array(
                    st.number_input(
                        _NAMES.get(name, name), value=float(inputs[name]), format="%g", step=0.1, width=160,
                        key=f"derive-{formula.name}-{name}",
                    )
                )  # fmt: skip
    for name in names:
        if name == formula.one_hot:
            true = st.selectbox(
                "True class", classes.names, int(inputs[name].argmax()), key=f"derive-{formula.name}-{name}"
            )
            inputs[name] = np.eye(len(classes))[classes.position(true)]
        elif inputs[name].ndim:
            inputs[name] = _row(formula, name, inputs[name])
    return complete_inputs(formula, inputs)


def _row(formula: Formula, name: str, values: Array) -> Array:
    """Draw an editable row of numbers."""
    st.caption(_NAMES.get(name, name))
    shown = {str(i + 1): [float(f"{value:.4g}")] for i, value in enumerate(values)}
    edited = st.data_editor(shown, hide_index=True, num_rows="fixed", key=f"derive-{formula.name}-{name}")
    cells = [edited[str(i + 1)][0] for i in range(len(values))]
    return np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64)


def _networks(formula: Formula) -> tuple[Inputs, ClassList]:
    available = cache.models()
    if not available:
        st.info("There is no model yet; random numbers are used.", icon=":material/model_training:")
        return formula.inputs(np.random.default_rng(0)), ClassList.fer2013()
    dataset = cache.dataset(session.data_source())
    data_caption(dataset)
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
    with left:
        model = model_box("Network", available, key="derive-model", help="The inputs are activations of this network.")
    classifier = cache.classifier(model)
    split = "valid" if dataset.counts()["valid"] else "train"
    indices, labels = _known_faces(dataset, split, classifier.classes)
    if not len(indices):
        st.info(
            f"{plain(available[model])} shares no class with the data in use; random numbers are used.",
            icon=":material/model_training:",
        )
        return formula.inputs(np.random.default_rng(0)), ClassList.fer2013()
    number = middle.number_input(
        "Face",
        1,
        len(indices),
        1,
        help=f"Index in the {SPLIT_NAMES[split]} faces of {plain(source_name(session.data_source()))}.",
        key=f"derive-face-{len(indices)}",
    )
    chosen = int(number) - 1
    face = int(indices[chosen])
    right.image(dataset.images[face], width=72, caption=plain(dataset.label_name(face)))
    return inputs_from_network(formula, classifier, dataset.images[indices], labels, chosen), classifier.classes


def _known_faces(
    dataset: FaceDataset, split: str, classes: ClassList
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the indices of the faces of a split whose class the model has, and their labels as class indices of the model."""
    own = np.array([-1 if (at := classes.find(name)) is None else at for name in dataset.classes], dtype=np.int64)
    indices = dataset.indices(split)
    labels = own[dataset.labels[indices]]
    return indices[labels >= 0], labels[labels >= 0]


def decide(formula: Formula, inputs: Inputs, classes: ClassList) -> None:
    """Draw the check on these inputs, its values, and the error over the step size."""
    result = check(formula, inputs=inputs)
    _verdict("The formula", result)
    if formula.report is not None:
        theirs = check(formula, closed=formula.report, inputs=inputs)
        _verdict("The lab report's version", theirs, formula.report_remark)
    if "sizes" in inputs:
        _sizes(formula, inputs["sizes"])
        return
    left, right = st.columns([2, 3], gap="large")
    with left:
        _values(formula, inputs, classes)
    if formula.function is not None:
        with right:
            chart(numeric_error(*error_by_step(formula, inputs)), key="derive-steps", height=320)


def _verdict(what: str, result: CheckResult, remark: str = "") -> None:
    against = f"PyTorch: {result.autograd_error:.1e}"
    if result.numeric_error is not None:
        against = f"central differences: {result.numeric_error:.1e}, {against}"
    text = f"**{what} {'holds' if result.passed else 'is wrong'}** on these numbers. Error against {against}. {remark}"
    if result.passed:
        st.success(text, icon=":material/check_circle:")
    else:
        st.warning(text, icon=":material/cancel:")


def _values(formula: Formula, inputs: Inputs, classes: ClassList) -> None:
    columns: dict[str, Array] = {"Closed form": formula.closed(inputs)}
    if formula.function is not None:
        columns["Central differences"] = central_differences(formula.function, inputs, formula.variable)
    columns["PyTorch"] = formula.autograd(inputs)
    if formula.report is not None:
        columns["Lab report"] = formula.report(inputs)
    size = int(np.size(columns["Closed form"]))
    shown = {"Class": list(classes)[:_LONGEST_TABLE]} if size == len(classes) else {}
    for name, values in columns.items():
        shown[name] = [f"{value:+.6f}" for value in np.atleast_1d(values).ravel()[:_LONGEST_TABLE]]
    st.dataframe(shown, hide_index=True)
    if size > _LONGEST_TABLE:
        st.caption(f"The first {_LONGEST_TABLE} of {size:,} values.")


def _sizes(formula: Formula, sizes: Array) -> None:
    rows: list[dict[str, Any]] = []
    for row, real in zip(sizes.astype(int), formula.autograd({"sizes": sizes}), strict=True):
        side, kernel, stride, padding = (int(v) for v in row)
        rows.append(
            {
                **{_SIZE_WORDS[name]: int(value) for name, value in zip(SIZE_COLUMNS, row, strict=True)},
                "Formula": output_side(side, kernel, stride, padding),
                "PyTorch": int(real),
            }
        )
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.dataframe(rows, hide_index=True)
    small = [row for row in sizes.astype(int) if row[0] + 2 * row[3] <= 28]
    with right:
        if not small:
            st.caption("The figure supports padded inputs of up to 28.")
            return
        _picture(formula, *(int(v) for v in small[min(len(small) - 1, 6)]))


def _picture(formula: Formula, side: int, kernel: int, stride: int, padding: int) -> None:
    out = output_side(side, kernel, stride, padding)
    place = 0
    if out > 1:
        sizes = f"{side}-{kernel}-{stride}-{padding}"
        place = st.slider("Kernel position", 1, out * out, 1, key=f"derive-{formula.name}-place-{sizes}") - 1
    chart(kernel_positions(side, kernel, stride, padding, place), key="derive-kernel", height=360)
