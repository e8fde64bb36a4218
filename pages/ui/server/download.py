"""The zip of a user's data, sent from disk piece by piece to the browser of that user only."""

from __future__ import annotations

from typing import Final

import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from fer_core.errors import ConfigError
from pages.ui.server.claims import claims_of
from pages.ui.shell import identity

_NEVER_KEPT: Final = {"Cache-Control": "no-store"}
_PATH: Final = "/account/data.zip"


async def download(request: Request) -> Response:
    """Answer with the zip that the Account page has prepared for the user who asks."""
    from fer_core.serve.account import download_path
    from pages.ui.shell.limits import services

    try:
        user = identity.admitted(claims_of(request.cookies)) if identity.server_mode() != "local" else None
    except ConfigError:  # the pages say so
        user = None
    if user is None:
        return PlainTextResponse("Sign in first.", 401, headers=_NEVER_KEPT)
    workspace = identity.operator_workspace()
    path = download_path(workspace, user)
    if not path.is_file():
        return PlainTextResponse("Prepare the download on the Account page first.", 404, headers=_NEVER_KEPT)
    services(workspace).audit.write(user.key, "downloaded")
    return FileResponse(path, filename="fer-lab-data.zip", media_type="application/zip", headers=_NEVER_KEPT)


def routes() -> list[Route]:
    """Return the routes for ``st.App`` beside those of Streamlit."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return [Route(f"/{base}{_PATH}" if base else _PATH, download)]
