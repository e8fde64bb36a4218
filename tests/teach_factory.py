"""Made takes of one drawn person: takes differ in light and place, frames within a take hardly."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from fer_core.data.synthetic import drawing
from fer_core.images import write_image
from fer_core.live.media.writer import VideoWriter
from fer_core.teach import TakeStore
from fer_core.workspace import Workspace
from tests.sample_photos import hang, skin, wall

Faces = npt.NDArray[np.uint8]


def draw_take(emotion: str, take: int, frames: int = 12, person: int = 3, spread: float = 1.0) -> Faces:
    """One take, uint8 (frames, 48, 48).

    Args:
        emotion: what the person shows in all frames.
        take: number of the take, which gives light, pose and backdrop.
        frames: number of frames.
        person: number of the person, who is the same in all takes.
        spread: how much takes differ; 0 for not at all.
    """
    who = drawing._sample_person(np.random.default_rng(person))
    place = np.random.default_rng([person, take, sum(map(ord, emotion))])
    angle = place.uniform(0, 2 * np.pi)
    who = dataclasses.replace(
        who,
        yaw=who.yaw + spread * place.normal(0, 0.16),
        pitch=who.pitch + spread * place.normal(0, 0.1),
        scale=who.scale + spread * place.uniform(-0.08, 0.08),
        light=(float(np.cos(angle)), float(np.sin(angle))),
        light_strength=spread * float(place.uniform(0.2, 0.6)),
        backdrop=(float(place.uniform(20, 235)), float(place.uniform(20, 235))),
        clothes=float(place.uniform(15, 230)),
    )
    brightness = spread * place.normal(0, 25)
    units = drawing.sample_action_units(emotion, place)
    found = np.empty((frames, 48, 48), np.uint8)
    for face in found:
        moved = dataclasses.replace(
            who,
            yaw=who.yaw + place.normal(0, 0.02),
            roll=who.roll + place.normal(0, 0.02),
            shift=(who.shift[0] + place.normal(0, 0.01), who.shift[1] + place.normal(0, 0.01)),
        )
        large = drawing._draw(moved, units, 144)
        small = cv2.resize(large, (48, 48), interpolation=cv2.INTER_AREA)
        x, y = drawing._grid(48)
        lit = small * (1 + (x * moved.light[0] + y * moved.light[1]) * moved.light_strength) + brightness
        face[:] = np.clip(np.rint(lit + place.normal(0, 3, lit.shape)), 0, 255)
    return found


def fill(
    workspace: Workspace,
    name: str = "mine",
    classes: Sequence[str] = ("happy", "surprise", "neutral"),
    takes: int = 3,
    frames: int = 12,
    spread: float = 1.0,
) -> TakeStore:
    """A set of takes of classes named after what is drawn."""
    store = TakeStore(workspace, name, classes)
    for emotion in classes:
        for take in range(takes):
            store.add(emotion, draw_take(emotion, take, frames, spread=spread))
    return store


def photo(face: Faces, side: int = 280) -> Faces:
    """A face as a photo of a picture on a wall, RGB (480, 640, 3)."""
    picture = wall(640, 480)
    hang(picture, skin(np.asarray(cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)), 180, 90)
    return picture


def write_folder(root: Path, classes: Sequence[str] = ("happy", "surprise"), takes: int = 2, photos: int = 3) -> Path:
    """A folder ``class/take/*.jpg`` with photos of faces."""
    for emotion in classes:
        for take in range(takes):
            folder = root / emotion / f"take {take}"
            folder.mkdir(parents=True)
            for number, face in enumerate(draw_take(emotion, take, photos)):
                write_image(folder / f"{number}.jpg", photo(face))
    return root


def write_clip(path: Path, faces: Faces, rate: int = 10) -> Path:
    """A clip that shows each face as a photo for one frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = VideoWriter(path, 640, 480, rate=Fraction(rate))
    for number, face in enumerate(faces):
        writer.add(photo(face), number / rate)
    writer.finish()
    writer.close()
    return path
