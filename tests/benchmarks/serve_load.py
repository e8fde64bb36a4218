"""People at work on one shared server: ``python -m tests.benchmarks.serve_load [--users 8] [--minutes 5]``.

Everybody signs in with an account of their own. In turn, one watches the camera, one trains (the second training waits in
the queue), one evaluates and one uploads photographs. Prints how long clicks took, the server's memory after the first
minute and at the end, the processor time of each side, and whatever went wrong: an error, or anything of one person on the
page or in the workspace of another. Exit status 0 if nothing did and the figures are within their bounds.

One Chromium has a window for each person; server, training (nice 10, one thread) and sign-in service are processes or
threads of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_core.serve.users import Users
from fer_core.training.runs import list_runs
from fer_core.workspace import Workspace, write_json
from tests.browser.app import CHROMIUM, CHROMIUM_FLAGS, Server
from tests.browser.camera import camera_flags, faces_clip
from tests.browser.conftest import is_complaint, leaves, stop_trainings
from tests.browser.provider import Provider, provider, shared_server
from tests.proof.load import memory_mb, photos_of_faces, processes, processor_seconds

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

FACES = "synthetic:2100"
SETTINGS = 'allow = ["@example.org"]\n'
SLOWEST_CLICK = 2.5  # seconds, 95 of 100 clicks
MOST_GROWTH = 0.05  # of the server's memory after the first minute
LONGEST_START = 600.0  # seconds until everybody's first click is answered
PATIENCE = 120_000  # milliseconds
SETTLED = "[data-testid=stApp][data-test-script-state=notRunning]"


@dataclass
class Person:
    """One person: a name that nobody else has, and what came of their clicks."""

    name: str
    task: str
    others: list[str] = field(default_factory=list)
    clicks: list[float] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    clicked: bool = False

    @property
    def address(self) -> str:
        """E-mail address."""
        return f"{self.name}@example.org"

    async def click(self, page: Page, act: Callable[[], Awaitable[object]]) -> None:
        """Do something, note how long it took until the page's script had run, and look for names of others."""
        started = time.perf_counter()
        await act()
        await settled(page)
        self.clicks.append(time.perf_counter() - started)
        self.clicked = True
        text = await page.locator("body").inner_text()
        self.complaints += [f"{self.name} sees {other}" for other in self.others if other in text]
        if await page.locator("[data-testid=stException]").count():
            self.complaints.append(f"{self.name}: a traceback on the page")


async def settled(page: Page) -> None:
    """Wait until the page's script has run."""
    await page.wait_for_timeout(30)
    await page.wait_for_selector(SETTLED)


async def sign_in(person: Person, page: Page, url: str) -> None:
    """Sign in with the account that has the person's name."""
    await page.goto(url)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.locator("input[name=sub]").fill(person.name)
    await page.get_by_role("button", name="Authorize", exact=True).click()
    await page.get_by_role("button", name="Sign out").wait_for()
    await page.goto(f"{url}/{person.task}")
    await settled(page)


Step = Callable[[Person, "Page", int, Path], Awaitable[None]]


async def watch(person: Person, page: Page, turn: int, _: Path) -> None:
    """Start the camera, then change a setting."""
    if turn == 0:
        frame = page.frame_locator("iframe[title*=webrtc]")
        await frame.get_by_role("button", name="START").click()
        await page.get_by_text("2 faces", exact=True).wait_for()
        await page.get_by_role("button", name="Settings").click()
    slider = page.get_by_role("slider", name="Smoothing (seconds)")
    await slider.focus()
    await person.click(page, lambda: page.keyboard.press("ArrowRight" if turn % 4 < 2 else "ArrowLeft"))
    await page.wait_for_timeout(1500)


async def train(person: Person, page: Page, turn: int, _: Path) -> None:
    """Start a training that does not end by itself, then use the form; the second one waits in the queue."""
    if turn == 0:
        await page.get_by_role("spinbutton", name="Epochs", exact=True).fill("5000")
        await page.keyboard.press("Tab")
        await settled(page)
        threads = page.get_by_role("spinbutton", name="Threads")
        while not await threads.is_visible():  # a form that is drawn anew meanwhile loses the click
            await page.get_by_text("Machine and repeatability").first.click()
            await page.wait_for_timeout(3000)
        await threads.fill("1")
        await page.keyboard.press("Tab")
        await settled(page)
        await page.get_by_role("textbox", name="Name of the run").fill(person.name)
        await page.keyboard.press("Tab")
        await settled(page)
        await person.click(page, page.get_by_role("button", name="Start training").click)
        await page.locator(".stMarkdownBadge", has_text=re.compile("Training|Queued|Starting")).first.wait_for()
    await page.wait_for_timeout(2000)
    await person.click(page, page.get_by_role("button", name="Reset to defaults").click)


async def evaluate(person: Person, page: Page, turn: int, _: Path) -> None:
    """Change what the confusion matrix shows."""
    name = ("Hide the diagonal", "Sort by confusion")[turn % 2]
    await person.click(page, page.get_by_text(name, exact=True).click)
    await page.wait_for_timeout(1500)


async def upload(person: Person, page: Page, turn: int, folder: Path) -> None:
    """Upload one photograph instead of the one before."""
    photo = folder / f"{person.name}-{turn % 4}.png"
    if turn:
        await page.get_by_test_id("stFileChipDeleteBtn").get_by_role("button").first.click()
        await page.get_by_text(re.compile(rf"^{person.name}-\d\.png · ")).wait_for(state="hidden")
        await settled(page)

    async def bring() -> None:
        await page.locator("[data-testid=stFileUploader] input[type=file]").first.set_input_files(photo)
        await page.get_by_text(re.compile(rf"^{photo.name} · ")).wait_for()

    await person.click(page, bring)
    await page.wait_for_timeout(2500)


TASKS: dict[str, Step] = {"webcam": watch, "train": train, "evaluate": evaluate, "upload": upload}


async def work(person: Person, browser: Browser, url: str, folder: Path, stop: asyncio.Event) -> None:
    """Sign in and repeat the task in a window without memory of others."""
    context = await browser.new_context(viewport={"width": 1440, "height": 1000}, permissions=["camera"])
    context.set_default_timeout(PATIENCE)
    page = await context.new_page()
    try:
        await sign_in(person, page, url)
        _listen(person, page)
        turn = 0
        while not stop.is_set():
            await TASKS[person.task](person, page, turn, folder)
            turn += 1
    except Exception:
        shown = ""
        with contextlib.suppress(Exception):
            shown = await page.locator("body").inner_text(timeout=5000)
        person.complaints.append(f"{person.name} ({person.task}): {traceback.format_exc(limit=2)}\n{shown[-1500:]}")
    finally:
        await context.close()


def _listen(person: Person, page: Page) -> None:
    """Collect what goes wrong on a page; not on the page of the sign-in service, which loads a style from elsewhere."""
    page.on("pageerror", lambda error: person.complaints.append(f"{person.name}: {error}"))
    page.on(
        "console",
        lambda message: person.complaints.append(f"{person.name}: {message.text}") if is_complaint(message) else None,
    )
    page.on("request", lambda r: person.complaints.append(f"left this machine: {r.url}") if _leaves(r.url) else None)


def _leaves(url: str) -> bool:
    return leaves(url.replace("//localhost:", "//127.0.0.1:", 1))


async def at_work(people: list[Person], server: Server, folder: Path, seconds: float) -> dict[str, Any]:
    """Let everybody work for a while; gives memory, and processor time of each side."""
    from playwright.async_api import async_playwright

    stop = asyncio.Event()
    flags = [*CHROMIUM_FLAGS, *camera_flags(folder / "clip.y4m")]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        begun, jobs = time.monotonic(), []
        for person in people:  # one after the other: the time counts from when all are at work
            jobs.append(asyncio.create_task(work(person, browser, server.url, folder, stop)))
            while not (person.clicked or person.complaints) and time.monotonic() < begun + LONGEST_START:
                await asyncio.sleep(0.2)
            if person.complaints:
                seconds = 0.0  # there is nothing to measure
                break
        while seconds and time.monotonic() < begun + LONGEST_START:  # a trainer has the lowest priority
            if expected(people) == in_workspaces(people, server.home)[0]:
                break
            await asyncio.sleep(1)
        for person in people:
            person.clicks.clear()  # the first ones load libraries, data and models
        began = time.monotonic()
        await asyncio.sleep(min(60.0, seconds / 2))
        early, before, from_here = memory_mb(server), processes(), time.monotonic()
        await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
        late, after, length = memory_mb(server), processes(), time.monotonic() - from_here
        stop.set()
        await asyncio.wait(jobs, timeout=2 * PATIENCE / 1000)
        await browser.close()
    cores = os.cpu_count() or 1
    words = {"server": "streamlit run", "browser": "chromium", "training": "fer_core train"}
    return {
        "started_after": round(began - begun, 1),
        "memory_mb_early": round(early),
        "memory_mb_late": round(late),
        "memory_growth": round(late / early - 1, 4),
        "processor_share": {
            who: round(processor_seconds(before, after, word) / length / cores, 3) for who, word in words.items()
        },
        "cores": cores,
        "load": round(os.getloadavg()[0], 1),
    }


def in_workspaces(people: list[Person], home: Path) -> tuple[dict[str, int], list[str]]:
    """States of all trainings with their number, and what lies in a workspace but belongs to somebody else."""
    names = {person.name for person in people}
    states: dict[str, int] = {}
    wrong = []
    for user in Users(Workspace(home)):
        for run in list_runs(user.workspace):
            states[run.state] = states.get(run.state, 0) + 1
        paths = [str(path) for path in user.workspace.root.rglob("*")]
        owners = {name for name in names if any(name in path for path in paths)}
        if len(owners) > 1:
            wrong.append(f"files of {', '.join(sorted(owners))} in one workspace")
    return states, wrong


def expected(people: list[Person]) -> dict[str, int]:
    """States of the trainings with their number, as they should be: one runs, the others wait."""
    trainers = sum(person.task == "train" for person in people)
    return {state: n for state, n in (("running", min(1, trainers)), ("queued", trainers - 1)) if n > 0}


def _serve(
    people: list[Person], folder: Path, known: Provider, minutes: float
) -> tuple[dict[str, Any], dict[str, int], list[str]]:
    """Run the server with everybody at work; figures, states of the trainings, and what went wrong on the server."""
    home = folder / "home"
    with shared_server(home, known, SETTINGS) as server:
        try:
            found = asyncio.run(at_work(people, server, folder, 60 * minutes))
            states, wrong = in_workspaces(people, home)
            return found, states, [*wrong, *(f"server: {line}" for line in server.complaints())]
        finally:
            for user in Users(Workspace(home)):
                stop_trainings(user.workspace)


def measure(users: int, minutes: float) -> dict[str, Any]:
    """People at work on a server for a while; what came of it."""
    tasks = list(TASKS)
    people = [Person(f"person-{os.urandom(3).hex()}", tasks[i % len(tasks)]) for i in range(users)]
    for person in people:
        person.others = [other.name for other in people if other is not person]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = folder / "home"
        faces_clip(folder / "clip.y4m")
        with provider() as known:
            for person in people:
                photos_of_faces(folder, person.name)
                known.knows(person.name, email=person.address, email_verified=True, name=person.name)
                state = Users(Workspace(home)).user(known.url, person.name).workspace.app_state
                write_json(state, {"data": FACES, "model": "compact"})  # a small data set, drawn in a second
            found, states, wrong = _serve(people, folder, known, minutes)
    clicks = sorted(time for person in people for time in person.clicks)
    by_task = {task: [t for person in people if person.task == task for t in person.clicks] for task in tasks}
    if states != expected(people):
        wrong.append(f"the trainings are {states} and not {expected(people)}")
    return {
        "users": users,
        "minutes": minutes,
        "clicks": {
            task: {"n": len(t), "median": round(statistics.median(t), 2), "longest": round(max(t), 2)}
            for task, t in by_task.items()
            if t
        },
        "clicks_n": len(clicks),
        "clicks_p95": round(clicks[int(0.95 * (len(clicks) - 1))], 2) if clicks else None,
        **found,
        "all_at_work": all(person.clicks for person in people),
        "complaints": [*wrong, *(line for person in people for line in person.complaints)][:20],
    }


def good(found: dict[str, Any]) -> bool:
    """Whether nothing went wrong and the figures are within their bounds."""
    return bool(
        found["all_at_work"]
        and not found["complaints"]
        and found["clicks_p95"] <= SLOWEST_CLICK
        and found["memory_growth"] <= MOST_GROWTH
    )


def main() -> int:
    """Print the figures as JSON; exit status 0 when they are good."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=5)
    arguments = parser.parse_args()
    found = measure(arguments.users, arguments.minutes)
    print(json.dumps(found, indent=2, ensure_ascii=False))
    return 0 if good(found) else 1


if __name__ == "__main__":
    sys.exit(main())
