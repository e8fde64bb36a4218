"""FER Lab: ``streamlit run app.py``.

This file is loaded twice: by the server at startup, for ``app`` (Streamlit searches the text for it), and as the script
of every browser window, which Streamlit runs as ``__main__``.
"""

import streamlit as st


def draw() -> None:
    """Draw the current page."""
    import pandas  # noqa: F401 (before any page: Plotly fails on a pandas that another thread is still importing)

    from fer_core.resources import asset
    from pages.ui.shell.cache import warm_up
    from pages.ui.shell.errors import error_boundary, show_pending_error
    from pages.ui.shell.identity.gate import admit
    from pages.ui.shell.navigation import PHOTO_PAGES, navigation, run_page
    from pages.ui.shell.sidebar import sidebar

    page = navigation()
    # Our own favicon, set after the navigation: for a Material icon the browser would ask a Google server.
    st.set_page_config(
        page_title=f"{page.title} · FER Lab", page_icon=str(asset("icon.svg")), layout="wide", initial_sidebar_state=256
    )
    st.html(asset("app.css"))
    if not admit():
        return
    st.logo(asset("logo.svg"), size="large", icon_image=asset("icon.svg"))
    with error_boundary("drawing the sidebar"):
        sidebar(photos=page.url_path in PHOTO_PAGES)
    with st.container():  # always there: a page that moves up or down loses a running video
        show_pending_error()
    with error_boundary(f"showing the page {page.title}"):
        run_page(page)
    warm_up()


if __name__ == "__main__":
    draw()
else:
    from pages.ui.server.access import MIDDLEWARE
    from pages.ui.server.download import routes
    from pages.ui.server.shutdown import lifespan
    from pages.ui.server.starting import prepare

    prepare()
    app = st.App(__file__, middleware=MIDDLEWARE, lifespan=lifespan, routes=routes())
