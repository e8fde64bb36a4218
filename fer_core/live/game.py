"""Expression mirror: the program asks for an expression, the player makes it; a score and a picture for each.

Time is that of the frames, so that the same frames give the same game. The score of a round is the best probability of
the asked expression, in percent, that the largest face held for :data:`HOLD` seconds: the smallest of the (smoothed)
probabilities over that time, so that a flicker wins nothing. Pictures are kept in memory only.
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
from fer_core.live.calibration import LONGEST_GAP, NEUTRAL
from fer_core.live.processor import FrameResult, LiveFace

READY: Final = 2.5
"""Seconds to get ready before each round."""
PLAY: Final = 5.0
"""Seconds of a round."""
HOLD: Final = 0.3
"""Seconds an expression must be held to count."""
MOST_ROUNDS: Final = 8
"""Of a model with more classes only so many are asked for, another choice in each game."""
PHOTO: Final = 240
"""Side of a round's picture in pixels."""
ANOTHER_MODEL: Final = "The model was changed, and its scores would not compare with those before."
_HEAD: Final = 1.6  # side of the picture in units of the face's box

Picture = npt.NDArray[np.uint8]
Phase = Literal["ready", "play", "over"]


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One expression that was asked for.

    Attributes:
        asked: its name.
        score: 0…100.
        photo: uint8 RGB (PHOTO, PHOTO, 3), the player's head at the best moment; None when nothing was held.
    """

    asked: str
    score: int
    photo: Picture | None


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What a game shows just now.

    Attributes:
        phase: getting ready, playing, or over.
        number: of the round, from 1.
        rounds: how many there are.
        classes: of the model.
        asked: the expression of this round.
        left: seconds of this phase that are left.
        length: seconds this phase takes; 0 when the game is over.
        now: probability of the asked expression in the newest frame; 0 without a face.
        best: the best that was held in this round.
        note: what is in the way or should be known, in words; empty if nothing is.
        played: the rounds that are over.
        ended: why the game ended before its last round; empty if it did not.
    """

    phase: Phase
    number: int
    rounds: int
    classes: ClassList
    asked: str
    left: float
    length: float
    now: float
    best: float
    note: str
    played: tuple[Round, ...]
    ended: str

    @property
    def total(self) -> int:
        """The scores of all rounds played."""
        return sum(played.score for played in self.played)


class Game:
    """One game, fed frame by frame. Every method may be called from any thread at any moment.

    Args:
        classes: the model's; each but ``neutral`` is asked for once, of many only :data:`MOST_ROUNDS`.
        seed: decides which and in what order.

    Raises:
        ModelError: the model has too few classes to ask for.
    """

    def __init__(self, classes: ClassList, seed: int) -> None:
        if why := no_game(classes):
            raise ModelError(why)
        asked = _expressions(classes)
        self._classes = classes
        self._asked = [asked[i] for i in np.random.default_rng(seed).permutation(len(asked))[:MOST_ROUNDS]]
        self._lock = threading.Lock()
        self._played: list[Round] = []
        self._phase: Phase = "ready"
        self._ended = ""
        self._note = "The game begins with the first picture of a face."
        self._again = ""  # why this round began anew
        self._last: float | None = None  # time of the newest frame
        self._begin()

    def _begin(self) -> None:
        """Get ready for the next round, or for this one once more."""
        if self._phase != "over":
            self._phase = "ready"
        self._since: float | None = None  # when this phase began; None until there is a face
        self._now = self._best = 0.0
        self._photo: Picture | None = None
        self._face: int | None = None
        self._held: deque[tuple[float, float]] = deque()  # time and probability over the last HOLD seconds

    def see(self, picture: Picture, result: FrameResult) -> None:
        """One frame, uint8 RGB (H, W, 3), with what was found in it."""
        with self._lock:
            if self._phase == "over":
                return
            if result.classes != self._classes:
                self._end(ANOTHER_MODEL)
                return
            time, last, self._last = result.time, self._last, result.time
            if last is not None and time - last > LONGEST_GAP and self._since is not None:
                self._restart("The picture stood still, so this round begins anew.")
            face = max(result.faces, key=lambda f: f.box[2] * f.box[3], default=None)
            self._note = _remark(len(result.faces)) or self._again
            if self._phase == "ready":
                if self._since is None or face is None:  # nobody has to hurry into the picture
                    self._since = None if face is None else time
                elif time - self._since >= READY:
                    self._phase, self._since, self._again = "play", time, ""
            if self._phase == "play":
                self._judge(picture, face, time)
                assert self._since is not None
                if time - self._since >= PLAY:
                    self._finish_round()

    def _judge(self, picture: Picture, face: LiveFace | None, time: float) -> None:
        if face is None or face.number != self._face:  # held by one face, without a gap
            self._held.clear()
        self._face = None if face is None else face.number
        self._now = 0.0
        if face is None:
            return
        asked = self._asked[len(self._played)]
        self._now = float(face.probabilities[self._classes.position(asked)])
        self._held.append((time, self._now))
        while len(self._held) > 1 and self._held[1][0] <= time - HOLD:
            self._held.popleft()
        held = min(probability for _, probability in self._held)
        if time - self._held[0][0] >= HOLD and held > self._best:
            self._best, self._photo = held, head(picture, face.box)

    def _finish_round(self) -> None:
        asked = self._asked[len(self._played)]
        self._played.append(Round(asked, round(100 * self._best), self._photo))
        if len(self._played) == len(self._asked):
            self._phase = "over"
        self._again = ""
        self._begin()

    def _restart(self, why: str) -> None:
        self._note = self._again = why
        self._begin()

    def _end(self, why: str) -> None:
        if self._phase != "over":
            self._phase, self._ended = "over", why
            self._begin()

    def skip(self, number: int) -> None:
        """End round ``number`` (from 1) now; what was reached counts. Harmless when it has just ended by itself."""
        with self._lock:
            if self._phase != "over" and number == len(self._played) + 1:
                self._finish_round()

    def stop(self, why: str = "You stopped the game.") -> None:
        """End the game now; the rounds that are over stay. Harmless when it has ended."""
        with self._lock:
            self._end(why)

    def pause(self) -> None:
        """The camera stopped: the round begins anew with the next picture."""
        with self._lock:
            if self._phase != "over" and self._last is not None:
                self._last = None
                self._restart("The camera had stopped, so this round begins anew.")
                self._note = "The camera stopped. Press START under the picture: this round begins anew."

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._phase == "over"

    def scene(self) -> Scene:
        """What to show now."""
        with self._lock:
            number = min(len(self._played), len(self._asked) - 1)
            length = {"ready": READY, "play": PLAY, "over": 0.0}[self._phase]
            gone = 0.0 if self._since is None or self._last is None else self._last - self._since
            return Scene(
                phase=self._phase,
                number=number + 1,
                rounds=len(self._asked),
                classes=self._classes,
                asked=self._asked[number],
                left=max(0.0, length - gone),
                length=length,
                now=self._now,
                best=self._best,
                note=self._note,
                played=tuple(self._played),
                ended=self._ended,
            )


def no_game(classes: ClassList) -> str | None:
    """Why a model with these classes cannot be played with, in words; None where it can."""
    asked = _expressions(classes)
    if len(asked) >= 2:
        return None
    return (
        f"The game asks for at least two expressions other than {NEUTRAL}; this model has only "
        f"'{asked[0]}' to ask for. Choose another model in the sidebar."
    )


def _expressions(classes: ClassList) -> list[str]:
    neutral = classes.find(NEUTRAL)
    return [name for i, name in enumerate(classes) if i != neutral]


def _remark(faces: int) -> str:
    if faces == 0:
        return "No face in the picture. Look into the camera."
    return "" if faces == 1 else f"{faces} faces in the picture: the largest one plays."


def head(picture: Picture, box: tuple[float, float, float, float]) -> Picture:
    """The square around a face's box (left, top, width, height in pixels), uint8 RGB (PHOTO, PHOTO, 3).

    It is moved and reduced so that it lies inside the picture.
    """
    import cv2

    height, width = picture.shape[:2]
    x, y, w, h = box
    side = max(1, min(round(_HEAD * max(w, h)), height, width))
    left = int(np.clip(round(x + w / 2 - side / 2), 0, width - side))
    top = int(np.clip(round(y + h / 2 - side / 2), 0, height - side))
    part = picture[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > PHOTO else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, (PHOTO, PHOTO), interpolation=method), dtype=np.uint8)


_COLUMNS: Final = 3
_GAP: Final = 16
_TITLE: Final = 64
_CAPTION: Final = 40
_INK: Final = (29, 35, 51)
_PALE: Final = (244, 245, 249)


def photo_strip(rounds: Sequence[Round], classes: ClassList) -> Picture:
    """The pictures of the rounds on one sheet, three in a row, each with its expression and score; uint8 RGB (H, W, 3).

    Args:
        rounds: that were played, at least one.
        classes: of the model they were played with.

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
    for place, played in enumerate(rounds):
        left, top = _GAP + place % columns * wide, _TITLE + place // columns * high
        if played.photo is None:
            sheet[top : top + PHOTO, left : left + PHOTO] = _PALE
            width = text_size("not held", 0.7)[0]
            draw_text(sheet, "not held", (left + (PHOTO - width) // 2, top + PHOTO // 2), scale=0.7, color=_INK)
        else:
            sheet[top : top + PHOTO, left : left + PHOTO] = played.photo
        under, asked = top + PHOTO + _CAPTION // 2, classes.position(played.asked)
        sheet[under - 11 : under + 12, left : left + 8] = rgb(classes.colors[asked])
        score = str(played.score)
        room = PHOTO - 24 - text_size(score, 0.7)[0]
        name = drawn_name(classes, asked)
        scale = min(0.7, 0.7 * room / max(1, text_size(name, 0.7)[0]))
        draw_text(sheet, name, (left + 16, under + 8), scale=scale, color=_INK)
        draw_text(sheet, score, (left + PHOTO - text_size(score, 0.7)[0], under + 8), scale=0.7, color=_INK)
    return sheet
