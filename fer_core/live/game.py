"""Expression mirror: a game that names an expression, the player makes it, and each round gives a score and a photo.

Time is the time of the frames, so the same frames always give the same game. The score of a round is the highest
probability of the target expression, in percent, that the largest face held for :data:`HOLD` seconds: the minimum of the
smoothed probabilities over that time, so a flicker does not count. Photos stay in memory.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from fer_core.annotate.draw import rgb
from fer_core.annotate.text import draw_text, drawn_name, text_size
from fer_core.classes import ClassList
from fer_core.errors import ModelError
from fer_core.live.neutral_baseline import MAX_FRAME_GAP, NEUTRAL
from fer_core.live.processor import FrameResult, LiveFace

READY: Final = 2.5
"""Seconds to get ready before each round."""
PLAY: Final = 5.0
"""Length of a round in seconds."""
HOLD: Final = 0.3
"""Seconds an expression must be held to count."""
MAX_ROUNDS: Final = 8
"""Most rounds of a game; a model with more classes gets a new random choice in each game."""
PHOTO: Final = 240
"""Side of a round's photo in pixels."""
MODEL_CHANGED: Final = "The model changed, so its scores cannot be compared with the earlier ones."
_HEAD: Final = 1.6  # side of the photo in units of the face box

Image = npt.NDArray[np.uint8]
Phase = Literal["ready", "play", "over"]


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One finished round.

    Attributes:
        target: name of the expression to make.
        score: 0…100.
        photo: uint8 RGB (PHOTO, PHOTO, 3), the player's head at the best moment; None if no expression was held.
    """

    target: str
    score: int
    photo: Image | None


@dataclass(frozen=True, slots=True, eq=False)
class GameState:
    """Snapshot of a game.

    Attributes:
        phase: getting ready, playing, or over.
        number: number of the current round, from 1.
        rounds: number of rounds.
        classes: classes of the model.
        target: expression of the current round.
        left: remaining seconds of this phase.
        length: length of this phase in seconds; 0 once the game is over.
        now: probability of the target in the newest frame; 0 without a face.
        best: highest probability held in this round.
        note: hint for the player; empty if there is none.
        played: finished rounds.
        ended: why the game ended early; empty if it did not.
    """

    phase: Phase
    number: int
    rounds: int
    classes: ClassList
    target: str
    left: float
    length: float
    now: float
    best: float
    note: str
    played: tuple[Round, ...]
    ended: str

    @property
    def total(self) -> int:
        """Sum of the scores of the finished rounds."""
        return sum(played.score for played in self.played)


class Game:
    """A game that is fed frame by frame. Thread-safe.

    Args:
        classes: classes of the model; each except ``neutral`` is a target once, up to :data:`MAX_ROUNDS`.
        seed: determines the choice and order of the targets.

    Raises:
        ModelError: the model has fewer than two possible targets.
    """

    def __init__(self, classes: ClassList, seed: int) -> None:
        if why := unplayable_reason(classes):
            raise ModelError(why)
        targets = _targets(classes)
        self._classes = classes
        self._targets = [targets[i] for i in np.random.default_rng(seed).permutation(len(targets))[:MAX_ROUNDS]]
        self._lock = threading.Lock()
        self._played: list[Round] = []
        self._phase: Phase = "ready"
        self._ended = ""
        self._note = "The game starts as soon as a face is visible."
        self._restarted = ""  # why the current round restarted
        self._last: float | None = None  # time of the newest frame
        self._begin()

    def _begin(self) -> None:
        """Get ready for the next round, or again for the current one."""
        if self._phase != "over":
            self._phase = "ready"
        self._since: float | None = None  # start of this phase; None until a face is visible
        self._now = self._best = 0.0
        self._photo: Image | None = None
        self._face: int | None = None
        self._held: deque[tuple[float, float]] = deque()  # (time, probability) over the last HOLD seconds

    def add_frame(self, image: Image, result: FrameResult) -> None:
        """Play one frame, uint8 RGB (H, W, 3), with its faces."""
        with self._lock:
            if self._phase == "over":
                return
            if result.classes != self._classes:
                self._end(MODEL_CHANGED)
                return
            time, last, self._last = result.time, self._last, result.time
            if last is not None and time - last > MAX_FRAME_GAP and self._since is not None:
                self._restart("The video froze, so this round restarts.")
            face = max(result.faces, key=lambda f: f.box[2] * f.box[3], default=None)
            self._note = _hint(len(result.faces)) or self._restarted
            if self._phase == "ready":
                if self._since is None or face is None:  # the countdown waits for a face
                    self._since = None if face is None else time
                elif time - self._since >= READY:
                    self._phase, self._since, self._restarted = "play", time, ""
            if self._phase == "play":
                self._score(image, face, time)
                assert self._since is not None
                if time - self._since >= PLAY:
                    self._finish_round()

    def _score(self, image: Image, face: LiveFace | None, time: float) -> None:
        if face is None or face.number != self._face:  # one face must hold the expression without a gap
            self._held.clear()
        self._face = None if face is None else face.number
        self._now = 0.0
        if face is None:
            return
        target = self._targets[len(self._played)]
        self._now = float(face.probabilities[self._classes.position(target)])
        self._held.append((time, self._now))
        while len(self._held) > 1 and self._held[1][0] <= time - HOLD:
            self._held.popleft()
        held = min(probability for _, probability in self._held)
        if time - self._held[0][0] >= HOLD and held > self._best:
            self._best, self._photo = held, head(image, face.box)

    def _finish_round(self) -> None:
        target = self._targets[len(self._played)]
        self._played.append(Round(target, round(100 * self._best), self._photo))
        if len(self._played) == len(self._targets):
            self._phase = "over"
        self._restarted = ""
        self._begin()

    def _restart(self, why: str) -> None:
        self._note = self._restarted = why
        self._begin()

    def _end(self, why: str) -> None:
        if self._phase != "over":
            self._phase, self._ended = "over", why
            self._begin()

    def skip(self, number: int) -> None:
        """End round ``number`` (from 1) now with its current score; does nothing if that round is already over."""
        with self._lock:
            if self._phase != "over" and number == len(self._played) + 1:
                self._finish_round()

    def stop(self, why: str = "You stopped the game.") -> None:
        """End the game now; finished rounds stay. Does nothing if the game is over."""
        with self._lock:
            self._end(why)

    def pause(self) -> None:
        """Restart the round with the next frame, because the camera stopped."""
        with self._lock:
            if self._phase != "over" and self._last is not None:
                self._last = None
                self._restart("The camera stopped, so this round restarts.")
                self._note = "The camera stopped. Press START; this round then restarts."

    @property
    def over(self) -> bool:
        """Whether the game is over."""
        return self._phase == "over"

    def state(self) -> GameState:
        """Snapshot of the game."""
        with self._lock:
            number = min(len(self._played), len(self._targets) - 1)
            length = {"ready": READY, "play": PLAY, "over": 0.0}[self._phase]
            gone = 0.0 if self._since is None or self._last is None else self._last - self._since
            return GameState(
                phase=self._phase,
                number=number + 1,
                rounds=len(self._targets),
                classes=self._classes,
                target=self._targets[number],
                left=max(0.0, length - gone),
                length=length,
                now=self._now,
                best=self._best,
                note=self._note,
                played=tuple(self._played),
                ended=self._ended,
            )


def unplayable_reason(classes: ClassList) -> str | None:
    """Message why the game needs a model with other classes; None if it can be played."""
    targets = _targets(classes)
    if len(targets) >= 2:
        return None
    return (
        f"The game needs at least two expressions other than {NEUTRAL}; this model has only '{targets[0]}'. "
        "Choose another model in the sidebar."
    )


def _targets(classes: ClassList) -> list[str]:
    neutral = classes.find(NEUTRAL)
    return [name for i, name in enumerate(classes) if i != neutral]


def _hint(faces: int) -> str:
    if faces == 0:
        return "No face is visible. Look into the camera."
    return "" if faces == 1 else f"{faces} faces are visible; the largest one plays."


def head(image: Image, box: tuple[float, float, float, float]) -> Image:
    """Crop the square around a face box (left, top, width, height in pixels); returns uint8 RGB (PHOTO, PHOTO, 3).

    The square is moved and shrunk to lie inside the image.
    """
    import cv2

    height, width = image.shape[:2]
    x, y, w, h = box
    side = max(1, min(round(_HEAD * max(w, h)), height, width))
    left = int(np.clip(round(x + w / 2 - side / 2), 0, width - side))
    top = int(np.clip(round(y + h / 2 - side / 2), 0, height - side))
    part = image[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > PHOTO else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, (PHOTO, PHOTO), interpolation=method), dtype=np.uint8)


_COLUMNS: Final = 3
_GAP: Final = 16
_TITLE: Final = 64
_CAPTION: Final = 40
_INK: Final = (29, 35, 51)
_PALE: Final = (244, 245, 249)


def photo_strip(rounds: Sequence[Round], classes: ClassList) -> Image:
    """Arrange the photos of all rounds on one sheet, three in a row, with target and score; returns uint8 RGB (H, W, 3).

    Args:
        rounds: the finished rounds, at least one.
        classes: classes of the model.

    Raises:
        ValueError: there are no rounds.
    """
    if not rounds:
        raise ValueError("a strip needs at least one round")
    columns = min(_COLUMNS, len(rounds))
    rows = -(-len(rounds) // columns)
    wide, high = PHOTO + _GAP, PHOTO + _CAPTION + _GAP
    sheet = np.full((_TITLE + rows * high, columns * wide + _GAP, 3), 255, dtype=np.uint8)
    total = f"{sum(played.score for played in rounds)} of {100 * len(rounds)}"
    title = f"Expression mirror: {total}" if columns > 1 else total
    draw_text(sheet, title, (_GAP, _TITLE // 2 + 10), scale=1.0, color=_INK, thickness=2)
    for index, played in enumerate(rounds):
        left, top = _GAP + index % columns * wide, _TITLE + index // columns * high
        if played.photo is None:
            sheet[top : top + PHOTO, left : left + PHOTO] = _PALE
            width = text_size("not held", 0.7)[0]
            draw_text(sheet, "not held", (left + (PHOTO - width) // 2, top + PHOTO // 2), scale=0.7, color=_INK)
        else:
            sheet[top : top + PHOTO, left : left + PHOTO] = played.photo
        under, target = top + PHOTO + _CAPTION // 2, classes.position(played.target)
        sheet[under - 11 : under + 12, left : left + 8] = rgb(classes.colors[target])
        score = str(played.score)
        space = PHOTO - 24 - text_size(score, 0.7)[0]
        name = drawn_name(classes, target)
        scale = min(0.7, 0.7 * space / max(1, text_size(name, 0.7)[0]))
        draw_text(sheet, name, (left + 16, under + 8), scale=scale, color=_INK)
        draw_text(sheet, score, (left + PHOTO - text_size(score, 0.7)[0], under + 8), scale=0.7, color=_INK)
    return sheet
