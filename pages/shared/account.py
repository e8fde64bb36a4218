"""Account: your space on this server, your trainings, your data as a download, and the end of your account."""

import streamlit as st

from pages.ui.account.data import delete_account, download_data
from pages.ui.account.space import space
from pages.ui.account.who import trainings, who
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.limits import limits
from pages.ui.shell.navigation import require_app

require_app()
st.title("Account")
with error_boundary("showing your account"):
    now = limits()
    if now.user is None:
        st.info("Only a shared server has accounts.", icon=":material/info:")
    else:
        who()
        with error_boundary("counting your files"):
            space(now, now.user)
        with error_boundary("listing your trainings"):
            trainings(now, now.user)
        with error_boundary("preparing your data"):
            download_data(now, now.user)
        delete_account(now, now.user)
