"""The gate before every page of a shared server: the sign-in page, and the account in the sidebar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from fer_core.errors import ConfigError, FerError
from fer_core.resources import asset
from fer_core.serve.admission import Refusal, SignIn
from fer_core.serve.settings import ServeSettings
from pages.ui.shell import identity
from pages.ui.shell.formatting import plain

if TYPE_CHECKING:
    from pages.ui.shell.limits import Services

FAILED: Final = "sign-in-failed"
"""Query parameter with which the server sends a browser back that could not sign in."""
_RECHECK: Final = 30.0  # seconds
_LONGEST_NAME: Final = 40  # characters


def admit() -> bool:
    """Return whether this window may see a page; if not, show the sign-in page.

    In local mode everybody may. On an open server everybody may, below a red line.
    """
    served = identity.server_mode()
    if served == "local":
        return True
    if served == "open":
        if identity.current_user() is None:
            _page("This server cannot tell visitors apart here. Allow cookies, and reload the page.")
            return False
        st.error(
            "This server is open: anybody who reaches it can use it, and nobody signs in. Upload nothing private.",
            icon=":material/lock_open:",
        )
        return True
    try:
        found = identity.sign_in()
        settings = identity.serve_settings()
        why = identity.why_refused(found) if found is not None else None
    except ConfigError:
        _page("The settings of this server cannot be read. Please tell the person who runs it.")
        return False
    if found is not None and why is None:
        _services().note_sign_in(found)
        return True
    if found is None:
        failed = FAILED in st.query_params
        _page("You were not signed in: the sign-in service did not answer, or refused. Try again." if failed else "")
        _sign_in_button()
    else:
        _refused(found, why or "expired", settings)
    return False


def account() -> None:
    """Show who is signed in, with a button to sign out, and check regularly that they still may use the server.

    Pages with a camera run fragments only, and Streamlit does not run ``app.py`` for those: without this check a person
    who is no longer admitted would keep an open page.
    """
    if identity.server_mode() == "shared":
        st.fragment(_account, run_every=_RECHECK)()


def _account() -> None:
    try:
        found = identity.sign_in()
        admitted = found is not None and identity.why_refused(found) is None
    except ConfigError:
        admitted = False
    if found is None:  # signed out just now: the browser is sent away, and a rerun would drop that message
        return
    if not admitted:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", border=True, gap="small"):
        st.markdown(f":material/account_circle: {plain(_short(found.name))}", help=plain(_short(found.address, 80)))
        sign_out_button(found, compact=True)


def _page(note: str = "") -> None:
    """Draw the sign-in page without its button."""
    with st.container(horizontal_alignment="center", gap="small", key="sign-in"):
        st.image(str(asset("icon.svg")), width=88)
        st.title("FER Lab", anchor=False, width="content")
        st.markdown("Train, inspect and try networks for facial expression recognition.", text_alignment="center")
        if note:
            st.info(note, icon=":material/info:", width=420)


def _sign_in_button(label: str = "Sign in") -> None:
    with st.container(horizontal_alignment="center"):
        st.button(label, icon=":material/login:", type="primary", key="sign-in-button", on_click=st.login)


def _refused(found: SignIn, why: Refusal, settings: ServeSettings) -> None:
    address = plain(_short(found.address, 80))
    if why == "expired":
        _page(f"You signed in more than {settings.session_hours:g} hours ago. Sign in again to go on.")
    elif why == "signed_out":
        _page("You have signed out.")
    elif why == "unverified":
        _page(f"Your sign-in service has not confirmed the address {address}. Confirm it there, then sign in again.")
    elif not found.address:
        _page(
            "Your sign-in service did not send your e-mail address, so this server cannot tell whether to let you in."
        )
    else:
        _page(f"{address} may not use this server. Ask the person who runs it to add your address.")
    if why in ("expired", "signed_out"):
        _sign_in_button("Sign in again")
    else:
        with st.container(horizontal_alignment="center"):
            sign_out_button(found)


def sign_out_button(found: SignIn, *, compact: bool = False, key: str = "sign-out") -> None:
    """Draw the button that ends this sign-in in all windows of the browser."""
    st.button(
        "Sign out",
        icon=":material/logout:",
        type="tertiary" if compact else "secondary",
        key=key,
        on_click=sign_out,
        args=(found,),
    )


def sign_out(found: SignIn) -> None:
    """End a sign-in in all windows of the browser, for saved copies of its cookie as well."""
    try:
        identity.signed_out().add(found)
    except FerError as error:
        st.toast(plain(error), icon=":material/error:")
        return
    _services().audit.write(found.key, "signed out")
    st.logout()


def _services() -> Services:
    """Return what the windows of the server share; the server itself loads this file and needs none of it."""
    from pages.ui.shell.limits import services

    return services(identity.operator_workspace())


def _short(text: str, most: int = _LONGEST_NAME) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
