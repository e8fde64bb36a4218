"""Draws synthetic faces: parametric curves moved by facial action units.

A face is a set of curves in face coordinates (the frame spans -1 to 1, y points down). They are rotated and shifted by
a pose, drawn at three times the size and reduced, lit from one side, and degraded like a small photo. The action units
follow FACS (Ekman & Friesen 1978) and the prototypes of Du, Tao & Martinez (2014), with varying strength and small
random contributions of all other units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.errors import DataError
from fer_core.preprocess import FACE_SIZE

_EMOTIONS = ClassList.fer2013()
"""The emotions that can be drawn."""
_MAX_SIZE = 1024

Points = npt.NDArray[np.float64]
Canvas = npt.NDArray[np.uint8]


# ------------------------------------------------------------------------------------------------ the muscles


@dataclass(frozen=True)
class ActionUnits:
    """Activation of each muscle group, from 0 (at rest) to about 1 (full)."""

    inner_brow: float = 0  # AU1, inner brows up
    outer_brow: float = 0  # AU2, outer brows up
    brow_lower: float = 0  # AU4, brows down and together
    lid_raise: float = 0  # AU5, upper lids up
    cheek: float = 0  # AU6, cheeks up, lower lids pushed
    lid_tight: float = 0  # AU7, lids narrowed
    nose: float = 0  # AU9, nose wrinkled
    lip_raise: float = 0  # AU10, upper lip up
    smile: float = 0  # AU12, lip corners up and out
    frown: float = 0  # AU15, lip corners down
    chin: float = 0  # AU17, chin and lower lip pushed up
    stretch: float = 0  # AU20, lips drawn wide
    press: float = 0  # AU23/24, lips pressed thin
    part: float = 0  # AU25, lips apart
    jaw: float = 0  # AU26, jaw dropped
    droop: float = 0  # AU43 in part, upper lids hanging


_PROTOTYPES: Final[dict[str, tuple[ActionUnits, ...]]] = {
    "angry": (
        ActionUnits(brow_lower=1, lid_tight=0.7, press=1, chin=0.3, lid_raise=0.2),
        ActionUnits(brow_lower=1, lid_tight=0.5, lid_raise=0.5, lip_raise=0.25, part=0.8, stretch=0.25, frown=0.3),
    ),
    "disgust": (
        ActionUnits(nose=1, lip_raise=1, brow_lower=0.45, lid_tight=0.9, cheek=0.5, frown=0.5, chin=0.5),
        ActionUnits(nose=1, lip_raise=1, brow_lower=0.45, lid_tight=0.9, cheek=0.5, frown=0.3, part=0.6),
    ),
    "fear": (
        ActionUnits(inner_brow=1, outer_brow=0.35, brow_lower=0.55, lid_raise=1, stretch=1, part=0.55, frown=0.2),
        ActionUnits(inner_brow=1, outer_brow=0.35, brow_lower=0.55, lid_raise=1, stretch=0.9, part=0.8, jaw=0.3),
    ),
    "happy": (
        ActionUnits(smile=1, cheek=0.9, part=0.75),
        ActionUnits(smile=1, cheek=0.9, part=0.9, jaw=0.25),
        ActionUnits(smile=0.9, cheek=0.7),
    ),
    "sad": (ActionUnits(inner_brow=1, brow_lower=0.45, frown=1, chin=0.6, droop=0.6),),
    "surprise": (ActionUnits(inner_brow=1, outer_brow=1, lid_raise=0.85, jaw=1, part=0.6),),
    "neutral": (ActionUnits(),),
}

_AU_NAMES: Final = tuple(field.name for field in fields(ActionUnits))


def sample_action_units(emotion: str, rng: np.random.Generator) -> ActionUnits:
    """Sample action units for an emotion: a prototype of random strength plus small random activations."""
    prototypes = _PROTOTYPES[emotion]
    chosen = prototypes[rng.integers(len(prototypes))]
    faint = rng.random() < 0.15
    strength = rng.uniform(0.3, 0.55) if faint else rng.uniform(0.6, 1.05)
    stray = np.maximum(rng.normal(0, 0.07, len(_AU_NAMES)), 0)
    wanted = np.array([getattr(chosen, name) for name in _AU_NAMES])
    values = np.clip(wanted * strength * rng.uniform(0.8, 1.2, len(_AU_NAMES)) + stray, 0, 1.15)
    return ActionUnits(*values.tolist())


# ------------------------------------------------------------------------------------------------ the person


@dataclass(frozen=True)
class _Person:
    """What the expression does not change: shape, skin, hair, pose and light. Lengths in face coordinates."""

    width: float
    chin: float
    jaw_square: float
    eye_y: float
    eye_x: float
    eye_size: float
    brow_gap: float
    brow_thick: float
    nose_length: float
    nose_width: float
    mouth_y: float
    mouth_width: float
    lips: float
    hairline: float
    hair_style: int  # 0 short, 1 parted, 2 long, 3 fringe, 4 none
    hair_volume: float
    curl: float
    parting: float
    skin: float  # gray level
    hair: float
    brow_tone: float
    iris: float
    lip_tone: float  # factor on the skin
    backdrop: tuple[float, float]
    clothes: float
    glasses: bool
    beard: float
    lashes: float
    gaze: tuple[float, float]
    yaw: float
    pitch: float
    roll: float
    scale: float
    shift: tuple[float, float]
    light: tuple[float, float]
    light_strength: float


def _sample_person(rng: np.random.Generator) -> _Person:
    skin = rng.uniform(95, 215)
    gray_hair = rng.random() < 0.12
    hair = rng.uniform(150, 220) if gray_hair else rng.uniform(12, 110)
    angle = rng.uniform(0, 2 * np.pi)
    style = int(rng.choice(5, p=(0.3, 0.25, 0.2, 0.15, 0.1)))
    return _Person(
        width=rng.normal(0.70, 0.035),
        chin=rng.normal(0.93, 0.035),
        jaw_square=rng.uniform(0.0, 1.0),
        eye_y=rng.normal(-0.17, 0.02),
        eye_x=rng.normal(0.315, 0.015),
        eye_size=rng.normal(1.12, 0.08),
        brow_gap=rng.normal(0.215, 0.02),
        brow_thick=rng.uniform(0.035, 0.068),
        nose_length=rng.normal(0.40, 0.025),
        nose_width=rng.normal(0.135, 0.015),
        mouth_y=rng.normal(0.52, 0.018),
        mouth_width=rng.normal(0.285, 0.02),
        lips=rng.uniform(0.7, 1.35),
        hairline=rng.normal(-0.70, 0.06),
        hair_style=style,
        hair_volume=rng.uniform(0.4, 2.0),
        curl=rng.uniform(0, 2) if rng.random() < 0.35 else 0.0,
        parting=rng.uniform(-0.5, 0.5),
        skin=skin,
        hair=hair,
        brow_tone=min(0.75 * hair, 0.6 * skin),
        iris=rng.uniform(0.15, 0.5) * 255 * 0.6,
        lip_tone=rng.uniform(0.58, 0.8),
        backdrop=(rng.uniform(20, 235), rng.uniform(20, 235)),
        clothes=rng.uniform(15, 230),
        glasses=rng.random() < 0.1,
        beard=rng.uniform(0.15, 0.4) if rng.random() < 0.15 and style != 2 else 0.0,
        lashes=rng.uniform(0.4, 1.3),
        gaze=(rng.normal(0, 0.13), rng.normal(0, 0.08)),
        yaw=rng.normal(0, 0.16),
        pitch=rng.normal(0, 0.10),
        roll=rng.normal(0, 0.085),
        scale=rng.uniform(0.98, 1.2),
        shift=(rng.normal(0, 0.04), rng.normal(0, 0.04)),
        light=(float(np.cos(angle)), float(np.sin(angle))),
        light_strength=rng.uniform(0.05, 0.38),
    )


# ------------------------------------------------------------------------------------------------ the drawing


@lru_cache(maxsize=8)
def _grid(side: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    axis = (np.arange(side, dtype=np.float32) + 0.5) * (2 / side) - 1
    x, y = np.meshgrid(axis, axis)
    return x, y


_SUBPIXEL_BITS = 4
_STEPS = 1 << _SUBPIXEL_BITS
_DEPTH = 0.55
_BULGE = _DEPTH**2 * np.array([1 / 0.85**2, 1 / 1.3**2])
"""The head is an ellipsoid with half axes 0.85, 1.3 and ``_DEPTH``, seen from the front."""


_ACROSS = np.linspace(-1, 1, 25)
"""Positions along the mouth, from corner to corner."""
_CUPIDS_BOW = np.exp(-(((np.abs(_ACROSS) - 0.25) / 0.18) ** 2))
_LONG_HAIR = np.array(
    [
        (0.9, -0.6),
        (1.04, -0.5),
        (1.17, -0.27),
        (1.26, 0.05),
        (1.31, 0.5),
        (1.29, 1.2),
        (1.04, 1.2),
        (0.99, 0.3),
        (0.94, -0.2),
    ]
)
"""Hair beside the face, on the right of the image, in head widths."""


class _Pencil:
    """Collects shapes in face coordinates and draws them in order, projected by the pose.

    Projecting a thousand points in one call is a hundred times faster than projecting each shape separately.
    """

    def __init__(self, person: _Person, side: int) -> None:
        self.person = person
        self.side = side
        self.unit = side / 2 * person.scale  # pixels for a length of 1
        cos, sin = np.cos(person.roll), np.sin(person.roll)
        pose = np.array([[np.cos(person.yaw), 0, np.sin(person.yaw)], [0, np.cos(person.pitch), np.sin(person.pitch)]])
        # (x, y, z) to cv2's fixed-point coordinates (1/16 pixel), whose origin is the center of the first pixel.
        turn = (np.array([[cos, -sin], [sin, cos]]) @ pose).T * (self.unit * _STEPS)
        self._flat, self._deep = turn[:2], turn[2]
        self._mirrored = self._flat * [[-1], [1]]
        self._middle = (side / 2 * (1 + np.array(person.shift)) - 0.5) * _STEPS + 0.5  # + 0.5 rounds
        self._shapes: list[Points] = []
        self._depths: list[float] = []
        self._steps: list[Callable[[], None]] = []
        self._placed: list[list[npt.NDArray[np.int32]]] = []

    def blank(self) -> Canvas:
        """Return an empty canvas for masks and shadows."""
        return np.zeros((self.side, self.side), np.uint8)

    def fill(self, canvas: Canvas, points: Points, tone: float, depth: float = 0.0, mirror: bool = False) -> None:
        """Fill a polygon, and if ``mirror`` also its mirror image in the other half of the face.

        ``depth`` is added to the depth of the head's surface.
        """
        shape = self._add(points, depth)

        def step() -> None:
            cv2.fillPoly(canvas, self._placed[shape][: 1 + mirror], tone, cv2.LINE_AA, _SUBPIXEL_BITS)

        self._steps.append(step)

    def line(
        self, canvas: Canvas, points: Points, tone: float, width: float, depth: float = 0.0, mirror: bool = False
    ) -> None:
        """Draw an open line; ``width`` is in face coordinates."""
        shape = self._add(points, depth)
        thickness = max(1, round(width * self.unit))

        def step() -> None:
            lines = self._placed[shape][: 1 + mirror]
            cv2.polylines(canvas, lines, False, tone, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)

        self._steps.append(step)

    def blend(self, canvas: Canvas, mask: Canvas, tone: float | Canvas, strength: float = 1.0) -> None:
        """Blend ``tone`` into ``canvas`` within the mask, with opacity ``strength``."""
        self._steps.append(lambda: _blend(canvas, mask, tone, strength))

    def soften(self, mask: Canvas, box: int, within: Canvas) -> None:
        """Blur a mask over ``box`` pixels, limited by another mask."""

        def step() -> None:
            np.minimum(cv2.blur(mask, (box, box)), within, out=mask)

        self._steps.append(step)

    def draw(self) -> None:
        """Draw all collected shapes."""
        points = np.concatenate(self._shapes)
        lengths = [len(shape) for shape in self._shapes]
        squared = _DEPTH**2 - (points * points) @ _BULGE
        z = np.sqrt(np.maximum(squared, 0)) + np.repeat(self._depths, lengths) - 0.35
        offset = np.multiply.outer(z, self._deep) + self._middle
        sides = [(points @ flat + offset).astype(np.int32) for flat in (self._flat, self._mirrored)]
        ends = np.cumsum(lengths).tolist()
        starts = [0, *ends[:-1]]
        self._placed = [[side[start:end] for side in sides] for start, end in zip(starts, ends, strict=True)]
        for step in self._steps:
            step()

    def _add(self, points: Points, depth: float) -> int:
        self._shapes.append(points)
        self._depths.append(depth)
        return len(self._shapes) - 1


def _blend(canvas: Canvas, mask: Canvas, tone: float | Canvas, strength: float) -> None:
    x, y, width, height = cv2.boundingRect(mask)
    part = np.s_[y : y + height, x : x + width]
    weight = mask[part] * np.float32(strength / 255)
    below = canvas[part].astype(np.float32)
    above = tone[part] if isinstance(tone, np.ndarray) else np.float32(tone)
    canvas[part] = np.clip(below + (above - below) * weight, 0, 255)


@lru_cache(maxsize=64)
def _basis(knots: int, n: int) -> Points:
    """Return Lagrange polynomials (n, knots) for equally spaced knots at n equally spaced positions."""
    at = np.linspace(0, 1, knots)
    t = np.linspace(0, 1, n)
    columns = [np.prod([(t - at[j]) / (at[i] - at[j]) for j in range(knots) if j != i], axis=0) for i in range(knots)]
    return np.stack(columns, axis=1)


def _curve(*points: tuple[float, float], n: int = 12) -> Points:
    """Return a smooth line (n, 2) through two, three or four points."""
    line: Points = _basis(len(points), n) @ np.array(points)
    return line


@lru_cache(maxsize=8)
def _circle(n: int) -> Points:
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([np.cos(t), np.sin(t)], axis=1)


def _ellipse(x: float, y: float, rx: float, ry: float, n: int = 24) -> Points:
    around: Points = _circle(n) * (rx, ry) + (x, y)
    return around


def draw_face(emotion: str | int, rng: np.random.Generator, size: int = FACE_SIZE) -> npt.NDArray[np.uint8]:
    """Draw one face, uint8 (size, size), grayscale.

    Args:
        emotion: a name or alias, or a position among FER2013's seven.
        rng: determines the person, light, pose and strength of the expression.
        size: side in pixels, 48 to 1,024.

    Raises:
        DataError: the emotion is unknown, or the size is outside its bounds.
    """
    index = _EMOTIONS.position(emotion) if isinstance(emotion, str) else emotion
    if not 0 <= index < len(_EMOTIONS):
        raise DataError(f"Emotions are numbered 0 to {len(_EMOTIONS) - 1}, not {index}.")
    if not FACE_SIZE <= size <= _MAX_SIZE:
        raise DataError(f"The side of a drawn face must be {FACE_SIZE} to {_MAX_SIZE} pixels, not {size}.")
    person = _sample_person(rng)
    units = sample_action_units(_EMOTIONS[index], rng)
    oversampling = 3 if size < 100 else 2
    drawn = _draw(person, units, size * oversampling)
    face = cv2.resize(drawn, (size, size), interpolation=cv2.INTER_AREA)
    return _photograph(person, face, rng)


def _photograph(person: _Person, face: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Apply light from one side, blur, contrast, brightness and noise, as in small photos."""
    softness = rng.uniform(0, 0.75) * (len(face) / FACE_SIZE) ** 0.5
    contrast, brightness, grain = rng.uniform(0.8, 1.35), rng.normal(0, 14), rng.uniform(1, 8)
    if softness > 0.3:
        face = cv2.GaussianBlur(face, (0, 0), softness)
    x, y = _grid(len(face))
    light = 1 + (x * np.float32(person.light[0]) + y * np.float32(person.light[1])) * np.float32(person.light_strength)
    lit = np.minimum(face * light, 255)
    noise = rng.standard_normal(face.shape, dtype=np.float32) * np.float32(grain)
    rough = (lit - 128) * np.float32(contrast) + np.float32(128 + brightness) + noise
    return np.clip(np.rint(rough), 0, 255).astype(np.uint8)


def _draw(person: _Person, units: ActionUnits, side: int) -> Canvas:
    pencil = _Pencil(person, side)
    outline = _head_outline(person, units)
    canvas = _draw_surroundings(pencil)
    _draw_skin(pencil, canvas, outline, units)
    _draw_eyes(pencil, canvas, units)
    _draw_nose(pencil, canvas, units)
    _draw_mouth(pencil, canvas, units)
    _draw_folds(pencil, canvas, units)
    _draw_brows(pencil, canvas, units)
    _draw_hair(pencil, canvas, outline)
    if person.glasses:
        _draw_glasses(pencil, canvas)
    pencil.draw()
    return canvas


def _head_outline(person: _Person, units: ActionUnits) -> Points:
    """Return the outline of the head, clockwise from the right temple; a dropped jaw lengthens it."""
    chin = person.chin + 0.09 * units.jaw - 0.02 * units.chin
    t = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    x, y = np.cos(t), np.sin(t)
    # Below the eyes the outline narrows to the chin; a square jaw narrows later.
    power = np.where(y > 0, 0.80 - 0.25 * person.jaw_square, 1.0)
    x = np.sign(x) * np.abs(x) ** power
    taper = np.where(y > 0, 1 - (0.24 - 0.10 * person.jaw_square) * np.abs(y) ** 1.5, 1.0)
    return np.stack([person.width * x * taper, np.where(y > 0, chin, 0.98) * y], axis=1)


def _draw_surroundings(pencil: _Pencil) -> Canvas:
    """Draw backdrop, neck, shoulders, ears, and hair behind the head."""
    p = pencil.person
    canvas = pencil.blank()
    canvas[:] = np.linspace(*p.backdrop, pencil.side).astype(np.uint8)  # from left to right
    shoulders = np.array([(-1.6, 1.6), (-1.45, 1.18), (-0.5, 1.0), (0.5, 1.0), (1.45, 1.18), (1.6, 1.6)])
    if p.hair_style == 2:
        back = np.concatenate(
            [_circle(24)[12:] * (1.3 * p.width, 1.04), [(1.36 * p.width, 1.2), (-1.36 * p.width, 1.2)]]
        )
        pencil.fill(canvas, back, p.hair * 0.8, depth=0.1)
    pencil.fill(canvas, np.array([(-0.36, 0.6), (0.36, 0.6), (0.42, 1.5), (-0.42, 1.5)]), p.skin * 0.72)
    pencil.fill(canvas, shoulders, p.clothes)
    if p.hair_style != 2:
        w = p.width
        pencil.fill(canvas, _ellipse(w + 0.01, -0.03, 0.09, 0.2), p.skin * 0.88, mirror=True)
        rim = _curve((w + 0.05, -0.15), (w + 0.055, 0.0), (w + 0.02, 0.1))
        pencil.line(canvas, rim, p.skin * 0.66, 0.018, mirror=True)
    return canvas


def _draw_skin(pencil: _Pencil, canvas: Canvas, outline: Points, units: ActionUnits) -> None:
    """Draw the head with soft light and shadow: eye sockets, nose, cheeks, chin, falloff towards the edge.

    Soft shapes need no fine grid, so light and shadow are drawn at a quarter of the size.
    """
    p = pencil.person
    eye_y, nose_y = p.eye_y, p.eye_y + p.nose_length
    small = _Pencil(p, pencil.side // 4)

    shadow = small.blank()
    small.fill(shadow, _ellipse(p.eye_x, eye_y - 0.03, 0.2, 0.12), 95, mirror=True)
    # the hollow below the cheek is deeper when the cheek is pushed up
    small.fill(shadow, _ellipse(0.47, 0.42, 0.1, 0.2), 50 + 40 * units.smile, mirror=True)
    small.fill(shadow, _ellipse(0.07, eye_y + 0.04, 0.035, 0.16), 80, depth=0.1, mirror=True)
    small.fill(shadow, _ellipse(p.nose_width + 0.02, nose_y - 0.03, 0.04, 0.07), 90, depth=0.1, mirror=True)
    small.fill(shadow, _ellipse(0, nose_y + 0.055, 0.12, 0.045), 120)
    small.fill(shadow, _ellipse(0, p.mouth_y + 0.16 + 0.1 * units.jaw, 0.15, 0.04), 85)
    if p.beard:
        small.fill(shadow, _ellipse(0, 0.68, 0.55, 0.42), 255 * p.beard)

    gleam = small.blank()
    lift = 0.06 * units.cheek + 0.03 * units.smile
    small.fill(gleam, _ellipse(0.42, 0.17 - lift, 0.13, 0.09), 90 + 110 * max(units.cheek, units.smile), mirror=True)
    small.fill(gleam, _ellipse(0, -0.52, 0.3, 0.1), 80)
    small.fill(gleam, _ellipse(0, p.chin - 0.12, 0.12, 0.06), 60 + 80 * units.chin)
    small.fill(gleam, _ellipse(0, nose_y - 0.06, 0.05, 0.06), 200, depth=0.2)
    small.fill(gleam, _ellipse(0, eye_y + 0.1, 0.025, 0.18), 120, depth=0.15)

    inside = small.blank()
    small.fill(inside, outline, 255, depth=0.1)
    small.draw()
    dark = cv2.GaussianBlur(shadow, (0, 0), 0.05 * small.unit) * np.float32(0.41 / 255)
    bright = cv2.GaussianBlur(gleam, (0, 0), 0.045 * small.unit) * np.float32(0.55 * (0.25 + 20 / p.skin) / 255)
    box = (small.side // 5, small.side // 5)
    edge = np.float32(0.55) - cv2.blur(cv2.blur(inside, box), box) * np.float32(0.55 / 255)
    tone = np.clip((1 - dark + bright) * (1 - edge) * np.float32(p.skin), 0, 255).astype(np.uint8)

    head = pencil.blank()
    pencil.fill(head, outline, 255, depth=0.1)
    pencil.blend(canvas, head, np.asarray(cv2.resize(tone, canvas.shape[::-1], interpolation=cv2.INTER_LINEAR)))


def _eye_shape(p: _Person, units: ActionUnits) -> tuple[Points, Points]:
    """Return the upper and lower lid of the eye on the right of the image, from the inner to the outer corner."""
    half = 0.135 * p.eye_size
    narrowed = 0.38 * units.lid_tight + 0.28 * units.cheek + 0.38 * units.droop
    upper = max(0.078 * p.eye_size * (1 + 0.85 * units.lid_raise - narrowed), 0.012)
    lower = 0.045 * p.eye_size * (1 + 0.30 * units.lid_raise - 0.65 * units.lid_tight - 1.0 * units.cheek)
    lower = max(lower, -0.35 * upper)
    grief = 0.035 * units.droop * units.inner_brow  # lifts the inner part of the lid
    x, y = p.eye_x, p.eye_y
    inner, outer = (x - half, y + 0.012), (x + half, y - 0.008 + 0.02 * units.droop)
    top = ((x - 0.4 * half, y - upper - grief), (x + 0.4 * half, y - 0.95 * upper + grief))
    low = ((x - 0.35 * half, y + lower), (x + 0.35 * half, y + lower))
    return _curve(inner, *top, outer), _curve(inner, *low, outer)


def _draw_eyes(pencil: _Pencil, canvas: Canvas, units: ActionUnits) -> None:
    p = pencil.person
    upper, lower = _eye_shape(p, units)
    opening = pencil.blank()
    pencil.fill(opening, np.concatenate([upper, lower[::-1]]), 255, mirror=True)
    ball = np.full_like(canvas, int(min(245, 150 + p.skin * 0.4)))
    for sign in (-1, 1):  # both eyes look the same way, so they are not mirrored
        x, y = sign * p.eye_x + 0.13 * p.gaze[0], p.eye_y - 0.012 + 0.1 * p.gaze[1]
        pencil.fill(ball, _ellipse(x, y, 0.068 * p.eye_size, 0.068 * p.eye_size, 16), p.iris * 0.6)
        pencil.fill(ball, _ellipse(x, y, 0.056 * p.eye_size, 0.056 * p.eye_size, 16), p.iris)
        pencil.fill(ball, _ellipse(x, y, 0.028, 0.028, 16), 6)
        pencil.fill(ball, _ellipse(x - 0.02 * np.sign(p.light[0]), y - 0.025, 0.013, 0.013, 8), 250)
    pencil.blend(canvas, opening, ball)
    # the edges of the lids with their lashes, and the crease above
    pencil.line(canvas, upper, p.skin * 0.28, 0.016 + 0.012 * p.lashes, mirror=True)
    pencil.line(canvas, lower, p.skin * 0.52, 0.012, mirror=True)
    above = np.array([0.005, -0.042 + 0.018 * units.lid_raise - 0.006 * units.droop])
    pencil.line(canvas, upper[2:] + above, p.skin * 0.55, 0.012, mirror=True)
    if p.lashes > 0.9:
        pencil.line(canvas, np.stack([upper[-2], upper[-1] + (0.035, -0.025)]), p.skin * 0.3, 0.015, mirror=True)


def _draw_brows(pencil: _Pencil, canvas: Canvas, units: ActionUnits) -> None:
    p = pencil.person
    base = p.eye_y - p.brow_gap
    inner_up, outer_up = units.inner_brow, units.outer_brow
    down = units.brow_lower * (1 - 0.9 * min(1.0, inner_up))  # AU4 against AU1: together, but not down
    spine = _curve(
        (0.14 - 0.05 * units.brow_lower, base - 0.15 * inner_up + 0.135 * down + 0.05 * units.nose),
        (0.33, base - 0.025 - 0.05 * inner_up - 0.12 * outer_up + 0.055 * down + 0.035 * units.nose),
        (0.52, base + 0.03 - 0.11 * outer_up - 0.01 * down + 0.03 * inner_up * (1 - min(1.0, outer_up))),
    )
    rim = np.zeros_like(spine)
    rim[:, 1] = np.linspace(1.0, 0.25, len(spine)) ** 0.8 * p.brow_thick / 2
    mask = pencil.blank()
    pencil.fill(mask, np.concatenate([spine - rim, (spine + rim)[::-1]]), 255, mirror=True)
    pencil.blend(canvas, mask, p.brow_tone, 0.9)


def _draw_nose(pencil: _Pencil, canvas: Canvas, units: ActionUnits) -> None:
    p = pencil.person
    y = p.eye_y + p.nose_length - 0.045 * units.nose
    width = p.nose_width * (1 + 0.18 * units.nose)
    wing = _curve((width - 0.015, y - 0.09), (width + 0.015, y - 0.03), (width - 0.02, y + 0.025))
    pencil.line(canvas, wing, p.skin * 0.5, 0.02, depth=0.08, mirror=True)
    pencil.fill(canvas, _ellipse(0.058, y + 0.02, 0.034, 0.017), p.skin * 0.25, depth=0.12, mirror=True)
    under = _curve((-width + 0.05, y + 0.028), (0, y + 0.05), (width - 0.05, y + 0.028))
    pencil.line(canvas, under, p.skin * 0.52, 0.014, depth=0.12)


def _draw_mouth(pencil: _Pencil, canvas: Canvas, units: ActionUnits) -> None:
    p = pencil.person
    # lips that hardly part look closed
    gap = max(0.0, 0.11 * units.part + 0.24 * units.jaw - 0.03 * units.press - 0.03)
    wide = min(1.0, units.smile + units.stretch)
    rounded = min(1.0, units.jaw * (1 - wide))
    half = p.mouth_width * (
        1 + 0.30 * units.smile + 0.32 * units.stretch - 0.30 * rounded - 0.08 * units.press + 0.05 * units.frown
    )
    middle = p.mouth_y + 0.02 * units.smile - 0.02 * units.chin
    corner = middle - 0.12 * units.smile + 0.10 * units.frown + 0.05 * units.jaw + 0.025 * units.stretch
    thin = (1 - 0.65 * min(1.0, units.press)) * (1 - 0.25 * wide)
    upper_lip, lower_lip = 0.058 * p.lips * thin, 0.075 * p.lips * thin
    top = middle - 0.35 * gap - 0.075 * units.lip_raise - 0.04 * units.nose  # the upper lip's inner edge at its middle
    bottom = top if gap == 0 else middle + 0.65 * gap - 0.02 * units.chin
    bend = 2.0 + 0.6 * units.stretch + 0.66 * units.lip_raise  # bared teeth give a square mouth

    def edge(y: float, sharp: float = bend, rise: float = 0.0) -> Points:
        """Return a curve from corner to corner through (0, y); ``sharp`` > 2 flattens it, ``rise`` adds two peaks."""
        height = (1 - np.abs(_ACROSS) ** sharp) ** (1 - 0.45 * rounded)
        return np.stack([half * _ACROSS, corner + (y - corner) * height - rise * _CUPIDS_BOW], axis=1)

    inner_top, inner_bottom = edge(top), edge(bottom)
    tone = p.skin * p.lip_tone
    lips = pencil.blank()
    outer_top = edge(top - upper_lip, 0.9 * bend, rise=0.018 * p.lips)
    pencil.fill(lips, np.concatenate([outer_top, inner_top[::-1]]), 255)
    pencil.fill(lips, np.concatenate([inner_bottom, edge(bottom + lower_lip)[::-1]]), 255)
    pencil.blend(canvas, lips, tone, 0.92)
    shine = pencil.blank()
    pencil.fill(shine, _ellipse(0, bottom + 0.5 * lower_lip, half * 0.4, lower_lip * 0.25), 255)
    pencil.blend(canvas, shine, min(255.0, tone * 1.5), 0.2)
    if gap > 0:
        hole = pencil.blank()
        pencil.fill(hole, np.concatenate([inner_top, inner_bottom[::-1]]), 255)
        inside = np.full_like(canvas, 18)
        teeth = min(0.075, 0.75 * gap) if units.jaw < 0.6 else 0.035
        parted = 0.8 * units.part if units.jaw < 0.5 else 0.25 * units.jaw
        shown = max(units.smile, units.stretch, units.lip_raise, parted)
        if shown > 0.2:
            row = np.concatenate([edge(top - 0.02), edge(top + teeth)[::-1]])
            pencil.fill(inside, row, 170 + 70 * min(1.0, shown))
        if units.jaw > 0.4:  # the tongue
            pencil.fill(inside, _ellipse(0, bottom, half * 0.6, 0.07), 75)
        elif units.part > 0.5 and units.smile < 0.4 and shown > 0.3:  # the lower teeth
            pencil.fill(inside, np.concatenate([edge(bottom - 0.4 * teeth), edge(bottom + 0.02)[::-1]]), 165)
        pencil.blend(canvas, hole, inside)
        pencil.line(canvas, inner_top, tone * 0.45, 0.012)
    else:
        pencil.line(canvas, inner_top, p.skin * 0.25, 0.02 + 0.006 * units.press)
    pencil.fill(canvas, _ellipse(half, corner, 0.018, 0.018), p.skin * 0.35, mirror=True)  # the dimple at each corner


def _draw_folds(pencil: _Pencil, canvas: Canvas, units: ActionUnits) -> None:
    """Draw wrinkles, each as deep as the activation of the muscle below."""
    p = pencil.person
    folds = pencil.blank()

    def crease(strength: float, width: float, *points: tuple[float, float], mirror: bool = True) -> None:
        if strength > 0.12:
            pencil.line(folds, _curve(*points), 255 * min(1.0, strength), width, depth=0.05, mirror=mirror)

    eye_y, nose_y, mouth_y = p.eye_y, p.eye_y + p.nose_length, p.mouth_y
    brow_y = eye_y - p.brow_gap
    half = p.mouth_width * (1 + 0.30 * units.smile + 0.32 * units.stretch)
    # from the nose to the corners of the mouth
    crease(
        max(0.9 * units.smile, 0.95 * units.nose, 0.9 * units.lip_raise, 0.5 * units.stretch),
        0.02,
        (p.nose_width + 0.02, nose_y - 0.06 - 0.05 * units.nose),
        (0.5 * (p.nose_width + half) + 0.085, 0.5 * (nose_y + mouth_y) - 0.06),
        (half + 0.07, mouth_y - 0.07 * units.smile + 0.03),
    )
    # below drawn-down corners of the mouth
    crease(
        0.8 * units.frown,
        0.02,
        (half + 0.02, mouth_y + 0.1),
        (half + 0.05, mouth_y + 0.16),
        (half + 0.05, mouth_y + 0.22),
    )
    # upright lines between drawn-together brows
    crease(0.95 * units.brow_lower, 0.02, (0.05, brow_y - 0.06), (0.04, brow_y + 0.06))
    for k in range(3):  # on the side of a wrinkled nose
        y = eye_y + 0.02 + 0.055 * k
        crease(units.nose, 0.022, (0.02, y - 0.02), (0.09, y + 0.015))
    for k in (-1, 0, 1):  # crow's feet
        x = p.eye_x + 0.17
        crease(0.6 * units.cheek, 0.014, (x, eye_y + 0.015 * k), (x + 0.075, eye_y + 0.045 * k))
    below = eye_y + 0.085 - 0.02 * units.cheek
    crease(
        max(0.7 * units.cheek, 0.5 * units.lid_tight, 0.35),
        0.014,
        (p.eye_x - 0.11, below),
        (p.eye_x, below + 0.028),
        (p.eye_x + 0.12, below),
    )
    for k in range(3):  # across the forehead
        y = brow_y - 0.2 - 0.075 * k
        wide = 0.34 if units.outer_brow > 0.4 else 0.2
        strength = 0.65 * max(units.inner_brow, units.outer_brow) - 0.12 * k
        crease(strength, 0.014, (-wide, y + 0.02), (0, y), (wide, y + 0.02), mirror=False)
    if units.chin > 0.3:
        low = mouth_y + 0.19
        crease(units.chin, 0.02, (-0.1, low), (0, low - 0.025), (0.1, low), mirror=False)
    pencil.blend(canvas, folds, p.skin * 0.35, 0.6)


def _draw_hair(pencil: _Pencil, canvas: Canvas, outline: Points) -> None:
    p = pencil.person
    if p.hair_style == 4:
        return
    temple, w = -0.14, p.width
    fringe = p.hair_style == 3
    line = p.hairline + (0.17 if fringe else 0.0)
    top = outline[outline[:, 1] < temple + 0.05]  # from the left ear over the crown to the right
    curls = 1 + 0.012 * p.curl * np.sin(np.arange(len(top)) * 2.1)
    grown = top * curls[:, None] * (1.0 + 0.07 * p.hair_volume, 1.0 + 0.06 * p.hair_volume)
    arch = _circle(48)[:25]  # from the right temple over the forehead to the left
    sweep = 0.2 * p.parting if p.hair_style == 1 else 0.0
    hairline = np.stack(
        [
            0.97 * w * np.sign(arch[:, 0]) * np.abs(arch[:, 0]) ** 0.8,
            temple + (line - temple) * arch[:, 1].clip(0) ** (0.45 if fringe else 0.75) * (1 + sweep * arch[:, 0]),
        ],
        axis=1,
    )
    mask = pencil.blank()
    pencil.fill(mask, np.concatenate([grown, hairline]), 255, depth=0.1)
    if p.hair_style == 2:
        pencil.fill(mask, _LONG_HAIR * (w, 1.0), 255, depth=0.1, mirror=True)
    pencil.blend(canvas, mask, p.hair)
    gloss = pencil.blank()
    pencil.line(gloss, _curve((-0.5, -0.74), (0.1 * p.parting, -0.9), (0.5, -0.74)), 255, 0.09, depth=0.1)
    pencil.soften(gloss, pencil.side // 16, within=mask)
    pencil.blend(canvas, gloss, p.hair * 1.4 + 25, 0.6)


def _draw_glasses(pencil: _Pencil, canvas: Canvas) -> None:
    p = pencil.person
    tone = 30 if p.skin > 120 else 200
    x, y = p.eye_x, p.eye_y
    rim = _ellipse(x, y + 0.02, 0.215, 0.165)
    pencil.line(canvas, np.concatenate([rim, rim[:1]]), tone, 0.026, depth=0.1, mirror=True)
    pencil.line(canvas, np.array([(x + 0.21, y), (p.width * 1.02, y - 0.03)]), tone, 0.026, mirror=True)
    pencil.line(canvas, _curve((-x + 0.21, y), (0, y - 0.03), (x - 0.21, y)), tone, 0.026, depth=0.2)
    glare = pencil.blank()
    for sign in (-1, 1):  # the same light falls on both glasses
        middle = np.array([sign * x, y])
        streak = np.array([(-0.12, -0.05), (-0.03, -0.1), (0.02, 0.1), (-0.06, 0.13)])
        pencil.fill(glare, middle + streak, 255, depth=0.1)
    pencil.blend(canvas, glare, 255, 0.13)
