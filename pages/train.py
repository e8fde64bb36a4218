"""Train: choose settings, start, watch the curves, stop, resume and compare runs."""

import streamlit as st

from fer_core.training.runs import running
from pages.ui.components.live_chart import plotly_runtime
from pages.ui.shell import session
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.navigation import require_app
from pages.ui.shell.runs import all_runs, run_table
from pages.ui.train.form import draw_settings, start_controls, train_form
from pages.ui.train.report import report_of
from pages.ui.train.run_list import choose_run, compare, evaluate, manage
from pages.ui.train.run_panel import no_run_yet, run_panel

require_app()
st.title("Train")
st.write("Train a network and watch it learn. Stop and resume it at any time, and compare runs.")

plotly_runtime()
runs = all_runs()
form = train_form()
live, settings = st.columns([3, 2], gap="large")

if runs:
    with live, error_boundary("showing the run"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            run = choose_run(runs, running(session.workspace()))
            evaluate(run)
            manage(run, form)
        run_panel(run)
        with error_boundary("making the report"):
            report_of(run)

with settings, error_boundary("drawing the settings"):
    st.subheader("New training")
    config = draw_settings(form)
    start_controls(config)

with error_boundary("listing the runs"):
    st.subheader("All runs")
    if runs:
        st.caption("Select rows to overlay their curves.")
        if picked := run_table(runs, key="runs-table", select=True):
            compare(picked)
    else:
        st.caption("Your runs appear here with their best figures.")

if not runs:
    with live, error_boundary("loading the data"):
        no_run_yet(form.value("data"))
