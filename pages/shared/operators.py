"""Operator: users, disk and running work of a shared server, for those who run it."""

import streamlit as st

from pages.ui.operator.log import audit_log
from pages.ui.operator.users import totals, users
from pages.ui.operator.work import work
from pages.ui.shell import identity
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.limits import limits
from pages.ui.shell.navigation import require_app

require_app()
st.title("Operator")
if identity.server_mode() == "local" or not identity.is_operator():  # the menu does not list the page; this refuses it
    st.error("Only operators of a shared server may see this page.", icon=":material/lock:")
else:
    st.write("Users are listed by the keys that name their folders, without names and addresses.")
    now = limits()
    with error_boundary("counting files"):
        found = users(now)
        totals(now, found)
    with error_boundary("listing the work"):
        work(now)
    with error_boundary("reading the audit log"):
        audit_log(now)
