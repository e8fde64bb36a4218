"""The parts put into the video library: newest frame wins, stop at any moment, small reruns."""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from importlib import metadata
from types import SimpleNamespace

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack
from aiortc.jitterbuffer import JitterBuffer
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket

from pages.ui.live import patches
from pages.ui.live.media import DirectRelay, NewestFrameTrack
from pages.ui.live.patches import PATCHES, Patch, prompt_buffer

PromptBuffer = prompt_buffer(JitterBuffer)


class Camera(MediaStreamTrack):
    """Gives what is put into it."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.frames: asyncio.Queue[av.VideoFrame] = asyncio.Queue()

    def give(self, number: int) -> None:
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, 30)
        self.frames.put_nowait(frame)

    async def recv(self) -> av.VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        return await self.frames.get()


class Processor:
    """Notes what it is asked, in which thread; may be held up."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.ended = threading.Event()
        self.go = threading.Event()
        self.go.set()

    async def recv_queued(self, frames: list[av.VideoFrame]) -> list[av.VideoFrame]:
        assert self.go.wait(10)
        self.calls.append([frame.pts for frame in frames])
        return [av.VideoFrame.from_ndarray(np.full((16, 16, 3), 9, np.uint8), format="rgb24")]

    def on_ended(self) -> None:
        self.ended.set()


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("live video")}


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not happen in time")


def test_the_encoder_gets_the_newest_frame_and_the_others_are_handed_over_to_be_counted():
    async def play() -> None:
        camera, processor = Camera(), Processor()
        track = NewestFrameTrack(camera, processor)
        camera.give(1)
        assert (await track.recv()).pts == 1
        for number in (2, 3, 4):
            camera.give(number)
        await until(camera.frames.empty)
        shown = await track.recv()
        assert shown.pts == 4
        assert shown.to_ndarray(format="rgb24").mean() == 9
        assert processor.calls == [[1], [2, 3, 4]]
        track.stop()
        assert await asyncio.to_thread(processor.ended.wait, 5)

    asyncio.run(play())


def test_work_that_fails_ends_the_track_and_says_so(monkeypatch):
    async def fail(_: object) -> None:
        raise ValueError("a fault in the work")

    async def play() -> None:
        camera, processor = Camera(), Processor()
        monkeypatch.setattr(processor, "recv_queued", fail)
        track = NewestFrameTrack(camera, processor)
        camera.give(1)
        with pytest.raises(ValueError, match="a fault in the work"):
            await asyncio.wait_for(track.recv(), 5)
        assert camera.readyState == "ended"
        assert await asyncio.to_thread(processor.ended.wait, 5)
        await until(lambda: not threads())

    asyncio.run(play())


def test_a_connection_may_end_before_its_first_frame():
    async def play() -> None:
        camera, processor = Camera(), Processor()
        track = NewestFrameTrack(camera, processor)
        camera.stop()  # what the library does when the browser goes away
        assert track.readyState == "ended"
        track.stop()
        with pytest.raises(MediaStreamError):
            await track.recv()
        assert await asyncio.to_thread(processor.ended.wait, 5)
        await until(lambda: not threads())

    asyncio.run(play())


def test_stop_while_waiting_for_a_frame_ends_the_wait():
    async def play() -> None:
        track = NewestFrameTrack(Camera(), Processor())
        waiting = asyncio.ensure_future(track.recv())
        await asyncio.sleep(0.05)
        track.stop()
        with pytest.raises(MediaStreamError):
            await asyncio.wait_for(waiting, 5)
        await until(lambda: not threads())

    asyncio.run(play())


def test_stop_while_a_frame_is_worked_on_does_not_wait_for_it_and_ends_after_it():
    async def play() -> None:
        camera, processor = Camera(), Processor()
        processor.go.clear()
        track = NewestFrameTrack(camera, processor)
        working = asyncio.ensure_future(track.recv())
        camera.give(1)
        await until(camera.frames.empty)
        await asyncio.sleep(0.05)
        track.stop()
        assert not processor.ended.is_set()
        processor.go.set()
        await asyncio.wait_for(working, 5)
        assert await asyncio.to_thread(processor.ended.wait, 5)
        assert processor.calls == [[1]]
        await until(lambda: not threads())

    asyncio.run(play())


def test_between_our_track_and_the_encoder_there_is_no_queue():
    async def play() -> None:
        relay, camera = DirectRelay(), Camera()
        track = NewestFrameTrack(camera, Processor())
        assert relay.subscribe(track) is track
        assert relay.subscribe(camera) is not camera
        track.stop()
        await until(lambda: not threads())

    asyncio.run(play())


def place(patch: Patch) -> tuple[object, str]:
    """The object that holds the patched name, and the last part of that name."""
    holder: object = importlib.import_module(patch.module)
    *parents, last = patch.name.split(".")
    for parent in parents:
        holder = getattr(holder, parent)
    return holder, last


def names(patch: Patch) -> str:
    return f"{patch.module}.{patch.name}"


def test_every_patch_finds_its_place_in_the_versions_the_project_allows():
    assert patches.install_patches() == ()
    import aiortc.rtcrtpreceiver
    import streamlit_webrtc.component as component
    import streamlit_webrtc.webrtc as worker

    assert component.rerun is patches.rerun_fragment
    assert worker.AsyncVideoProcessTrack is NewestFrameTrack
    assert isinstance(worker.get_global_relay(), DirectRelay)
    assert worker.get_global_relay() is worker.get_global_relay()
    assert aiortc.rtcrtpreceiver.JitterBuffer.__name__ == "PromptBuffer"
    assert component.WebRtcWorker.__name__ == "RememberingWorker"


@pytest.mark.parametrize("patch", PATCHES, ids=names)
def test_a_patch_whose_name_is_gone_is_left_out_and_logged(patch, monkeypatch, caplog):
    holder, last = place(patch)
    monkeypatch.delattr(holder, last)
    assert not patch.install()
    assert not hasattr(holder, last)
    assert names(patch) in caplog.text
    assert patch.version in caplog.text


@pytest.mark.parametrize("patch", PATCHES, ids=names)
def test_a_patch_whose_module_is_gone_is_left_out_and_logged(patch, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, patch.module, None)
    assert not patch.install()
    assert names(patch) in caplog.text


@pytest.mark.parametrize("patch", PATCHES, ids=names)
def test_every_patch_says_what_it_answers_and_what_it_was_written_for(patch):
    assert "#" in patch.reason or "No public issue is known" in patch.reason
    library, version = patch.version.split()
    assert metadata.version(library).startswith(f"{version}.")


def test_a_buffer_that_is_built_otherwise_keeps_its_own_frames(monkeypatch, caplog):
    """Without the list of packets there is nothing to look into; the library's buffer stays."""
    import aiortc.rtcrtpreceiver as receiver

    class OtherBuffer:
        def __init__(self, capacity, prefetch=0, is_video=False):
            self.capacity, self._is_video, self._origin = capacity, is_video, None

        def _remove_frame(self, number):
            return None

        def remove(self, count):
            pass

    monkeypatch.setattr(receiver, "JitterBuffer", OtherBuffer)
    assert not next(patch for patch in PATCHES if patch.name == "JitterBuffer").install()
    assert receiver.JitterBuffer is OtherBuffer
    assert "_packets" in caplog.text


def test_a_worker_remembers_the_offer_it_answers():
    class Worker:
        def process_offer(self, sdp, type_, timeout=1):
            return sdp, type_, timeout

    worker = patches.remembering_worker(Worker)()
    assert worker.process_offer("v=0", "offer", timeout=3) == ("v=0", "offer", 3)
    assert worker.fer_offer == "v=0"


def packets(frames: int, rng: np.random.Generator) -> list[RtpPacket]:
    """Some frames of one to four packets each; the sequence numbers run over their end."""
    found, number = [], 65_530
    for frame in range(frames):
        count = int(rng.integers(1, 5))
        for part in range(count):
            packet = RtpPacket(sequence_number=number % 65_536, timestamp=3000 * frame, marker=int(part == count - 1))
            packet._data = f"{frame}.{part} ".encode()
            found.append(packet)
            number += 1
    return found


def received(buffer: JitterBuffer, stream: list[RtpPacket]) -> dict[bytes, int]:
    """The frames a buffer gives, and with which packet each came."""
    found = {}
    for number, packet in enumerate(stream):
        _, frame = buffer.add(packet)
        if frame is not None:
            found[frame.data] = number
    return found


def test_a_frame_is_whole_with_its_last_packet_and_not_with_the_next_frame():
    stream = packets(40, np.random.default_rng(1))
    ours = received(PromptBuffer(capacity=512, is_video=True), stream)
    theirs = received(JitterBuffer(capacity=512, is_video=True), stream)
    assert list(ours)[:-1] == list(theirs)
    assert all(ours[frame] == place - 1 for frame, place in theirs.items())
    assert len(ours) == 40


@pytest.mark.parametrize("seed", range(20))
def test_packets_that_come_late_or_twice_change_nothing_but_the_moment(seed):
    rng = np.random.default_rng(seed)
    stream = packets(60, rng)
    whole = received(PromptBuffer(capacity=512, is_video=True), stream)
    order = np.argsort(np.arange(len(stream)) + rng.uniform(0, 6, len(stream)))
    mixed = [stream[0], *(stream[i] for i in order if i), *stream[5:9]]
    ours = received(PromptBuffer(capacity=512, is_video=True), mixed)
    assert list(ours)[:50] == list(whole)[:50]


def test_a_lost_packet_holds_up_its_frame_until_it_comes():
    stream = packets(10, np.random.default_rng(3))
    frame = next(p.timestamp for p in stream if sum(q.timestamp == p.timestamp for q in stream) > 2)
    lost = [p for p in stream if p.timestamp == frame][1]
    buffer = PromptBuffer(capacity=512, is_video=True)
    before = received(buffer, [p for p in stream if p is not lost])
    assert len(before) == frame // 3000
    _, found = buffer.add(lost)
    assert found is not None
    assert found.data.startswith(f"{frame // 3000}.0 ".encode())


def test_sound_is_buffered_as_always():
    stream = packets(20, np.random.default_rng(4))
    ours = received(PromptBuffer(capacity=16, prefetch=4), stream)
    assert ours == received(JitterBuffer(capacity=16, prefetch=4), stream)
    assert ours


@pytest.mark.parametrize(
    ("page", "fragments", "runs"),
    [("webcam", ["camera"], False), ("upload", ["map"], True), ("webcam", [], True), ("", ["map"], True)],
)
def test_a_fragment_of_a_page_that_was_left_is_not_run_over_the_new_page(page, fragments, runs):
    ran = []
    runner = SimpleNamespace(_get_script_run_ctx=lambda: SimpleNamespace(page_script_hash="upload"))
    wanted = SimpleNamespace(page_script_hash=page, fragment_id_queue=fragments)
    patches.drop_stale_fragments(lambda _, data: ran.append(data))(runner, wanted)
    assert (ran == [wanted]) is runs


def test_streamlit_still_runs_scripts_where_the_check_stands():
    from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
    from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

    patches.install_patches()
    assert ScriptRunner._run_script.__name__ == "run_unless_left"
    assert callable(ScriptRunner._get_script_run_ctx)
    data = RerunData(page_script_hash="p", fragment_id="f")
    assert data.page_script_hash == "p"
    assert data.fragment_id_queue == []


class Context:
    """As the library's: what it knows of a connection."""

    def __init__(self, worker):
        self.worker, self.state = worker, None
        self._sdp_answer_json, self._is_sdp_answer_sent = "answer", True

    def _get_worker(self):
        return self.worker

    def _set_worker(self, worker):
        self.worker = worker

    def _set_state(self, state):
        self.state = state


class Worker:
    fer_offer = "first"
    stopped = False

    def stop(self):
        self.stopped = True


@pytest.mark.parametrize(
    ("value", "stopped", "answer"),
    [
        ({"playing": False, "sdpOffer": {"sdp": "first", "type": "offer"}}, False, "answer"),
        ({"playing": True, "sdpOffer": ""}, False, None),
        ({"playing": False, "sdpOffer": ""}, True, None),
        ({"playing": False, "sdpOffer": {"sdp": "second", "type": "offer"}}, True, None),
    ],
)
def test_a_connection_given_up_or_begun_anew_is_closed_before_the_library_looks(monkeypatch, value, stopped, answer):
    from streamlit_webrtc.component import compile_state, generate_frontend_component_key

    worker = Worker()
    context = Context(worker)
    found = {"camera": context, generate_frontend_component_key("camera"): value}
    monkeypatch.setattr(patches.st, "session_state", found)
    patches.close_stale_connection("camera")
    assert worker.stopped is stopped
    assert context.worker is (None if stopped else worker)
    assert context._sdp_answer_json == answer
    if stopped:
        assert context.state == compile_state(value)


def test_before_the_first_drawing_there_is_nothing_to_close(monkeypatch, caplog):
    state = {}
    monkeypatch.setattr(patches.st, "session_state", state)
    patches.close_stale_connection("camera")
    assert state == {}
    assert caplog.text == ""


def test_a_library_without_the_state_of_a_connection_is_left_alone(monkeypatch, caplog):
    import streamlit_webrtc.component as component

    context = Context(Worker())
    monkeypatch.setattr(patches.st, "session_state", {"camera": context})
    monkeypatch.delattr(component, "generate_frontend_component_key")
    patches.close_stale_connection("camera")
    assert context.state is None
    assert context._sdp_answer_json == "answer"
    assert "skips its patch" in caplog.text
