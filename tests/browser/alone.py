"""A live stretch in a network of its own: ``unshare -n python -m tests.browser.alone --seconds 60`` (Linux, root).

Server and Chromium run where there is nothing but the loopback and a tap: whatever is meant for any other host lands in
the tap and is counted, with its destination. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fer_core.workspace import write_json
from tests.browser.app import CHROMIUM, CHROMIUM_FLAGS, serve
from tests.browser.camera import camera_flags, faces_clip
from tests.browser.conftest import leaves

TUN = "/dev/net/tun"
ELSEWHERE = "192.0.2.1"  # reserved for documentation: nobody's address
_SET_NAME, _PACKETS_ONLY = 0x400454CA, 0x0001 | 0x1000
NO_NAMES = ["--disable-component-update", "--no-pings", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
"""Chromium asks Google's servers about updates and accounts of its own accord; without names it cannot. What the page
itself asks for is heard before any name is looked up, and addresses without a name still go through the tap."""
SEEN = """(() => { const v = document.querySelector("video");
  return v && v.videoWidth ? v.getVideoPlaybackQuality().totalVideoFrames : 0; })()"""


def _destination(packet: bytes) -> str:
    """Where an IPv4 packet was meant for; for a question to a name server also the name it asks for."""
    address, body = socket.inet_ntoa(packet[16:20]), packet[4 * (packet[0] & 15) :]
    if packet[9] == socket.IPPROTO_UDP and body[2:4] == (53).to_bytes(2, "big"):
        labels, rest = [], body[20:]
        while rest and rest[0]:
            labels.append(rest[1 : 1 + rest[0]].decode(errors="replace"))
            rest = rest[1 + rest[0] :]
        return f"{address} (asked for {'.'.join(labels)})"
    return f"{address} (protocol {packet[9]})"


@contextlib.contextmanager
def tap() -> Iterator[Counter[str]]:
    """The only way out: counts packets by destination while the block runs. Changes this network namespace for good."""
    device = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _SET_NAME, struct.pack("16sH", b"tap", _PACKETS_ONLY))
    for words in (
        "link set lo up",
        "link set tap addrgenmode none",  # or the kernel itself would look for IPv6 routers
        "addr add 10.9.9.1/24 dev tap",
        "link set tap up",
        "route add default dev tap",
    ):
        subprocess.run(["ip", *words.split()], check=True, timeout=10)
    found: Counter[str] = Counter()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            if select.select([device], [], [], 0.1)[0]:
                packet = os.read(device, 65536)
                if packet[0] >> 4 == 4:
                    found[_destination(packet)] += 1
                else:
                    found[socket.inet_ntop(socket.AF_INET6, packet[24:40])] += 1

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield found
    finally:
        done.set()
        reader.join()
        os.close(device)


def knock() -> None:
    """Send one packet to another host, to see that the tap notices."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"hello", (ELSEWHERE, 9))


def live(seconds: float, packets: Counter[str]) -> dict[str, Any]:
    """Open the page, start the camera, watch; frames shown, and packets to other hosts."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder:
        clip = faces_clip(Path(folder) / "clip.y4m")
        home = Path(folder) / "home"
        write_json(home / "app.json", {"data": "synthetic:490"})
        with serve(home) as server, sync_playwright() as playwright:
            flags = [*CHROMIUM_FLAGS, *camera_flags(clip), *NO_NAMES]
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
            page = browser.new_page()
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url) if leaves(request.url) else None)
            page.set_default_timeout(120_000)
            page.goto(server.page("webcam"))
            handle = page.locator("iframe[title*=webrtc]")
            handle.wait_for()
            frame = handle.element_handle().content_frame()
            assert frame is not None
            frame.get_by_role("button", name="START").click()
            frame.wait_for_function(f"{SEEN} > 0")
            before = frame.evaluate(SEEN)
            page.wait_for_timeout(1000 * seconds)
            shown = frame.evaluate(SEEN) - before
            browser.close()
            errors = server.complaints()
    return {
        "seconds": seconds,
        "frames_shown": shown,
        "packets_to_other_hosts": dict(packets),
        "page_asked_elsewhere": asked,
        "log_errors": errors,
    }


def main() -> None:
    """Knock once to prove that the tap works, then watch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    chosen = parser.parse_args()
    with tap() as packets:
        knock()
        threading.Event().wait(0.5)
        noticed = sum(packets.values())
        packets.clear()
        print(json.dumps({"knock_noticed": noticed, **live(chosen.seconds, packets)}))


if __name__ == "__main__":
    main()
