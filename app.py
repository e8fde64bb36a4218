"""FER Lab: ``streamlit run app.py``.

This file is read twice: by the server before it listens, which finds ``app`` here (Streamlit looks for it in the text),
and as the script of every browser window, which Streamlit runs as ``__main__``.
"""

import streamlit as st


def draw() -> None:
    """Draw the page that the browser is at."""
    import pandas  # noqa: F401 (loaded whole before any page: Plotly takes a pandas that another window is only just loading)

    from fer_core.resources import asset
    from pages.ui.shell.cache import warm_up
    from pages.ui.shell.errors import error_boundary, show_pending_error
    from pages.ui.shell.navigation import PHOTO_PAGES, navigation, run_page
    from pages.ui.shell.sidebar import sidebar

    page = navigation()
    # A picture of our own, set after the navigation: for a Material icon the browser would ask a server of Google's.
    st.set_page_config(
        page_title=f"{page.title} · FER Lab", page_icon=str(asset("icon.svg")), layout="wide", initial_sidebar_state=256
    )
    st.logo(asset("logo.svg"), size="large", icon_image=asset("icon.svg"))
    st.html(asset("app.css"))
    with error_boundary("drawing the sidebar"):
        sidebar(photos=page.url_path in PHOTO_PAGES)
    show_pending_error()
    with error_boundary(f"showing the page {page.title}"):
        run_page(page)
    warm_up()


if __name__ == "__main__":
    draw()
else:
    from pages.ui.server.access import MIDDLEWARE
    from pages.ui.server.shutdown import lifespan

    app = st.App(__file__, middleware=MIDDLEWARE, lifespan=lifespan)
