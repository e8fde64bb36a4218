"""The server ends guarded on Ctrl+C and on SIGTERM, also while a browser is connected."""

from __future__ import annotations

import os
import signal

import pytest
from websockets.sync.client import connect

from tests.browser.app import serve

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_server_ends_with_status_0(number, tmp_path):
    with serve(tmp_path) as server, connect(f"{server.url.replace('http', 'ws', 1)}/_stcore/stream"):
        os.kill(server.pid, number)
        ended = os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        assert (ended.si_code, ended.si_status) == (os.CLD_EXITED, 0)
        assert server.log.read_text().rstrip().endswith("Stopping...")
        assert server.complaints() == []
