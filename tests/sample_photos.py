"""Draws the sample photographs of ``assets/samples`` again: ``python -m tests.sample_photos``."""

import cv2
import numpy as np
import numpy.typing as npt

from fer_core.data.synthetic import draw_face
from fer_core.resources import asset

SAMPLES = asset("samples")
Picture = npt.NDArray[np.uint8]

# For each picture: its size, and its portraits as emotion, seed, left edge, top edge and side in pixels
PICTURES: dict[str, tuple[tuple[int, int], list[tuple[str, int, int, int, int]]]] = {
    "five-portraits.jpg": (
        (1200, 800),
        [
            ("happy", 4, 90, 90, 270),
            ("surprise", 2, 470, 60, 300),
            ("neutral", 7, 880, 100, 230),
            ("sad", 5, 250, 450, 260),
            ("disgust", 2, 660, 430, 290),
        ],
    ),
    "two-portraits.jpg": ((960, 640), [("happy", 2, 110, 130, 340), ("angry", 7, 565, 150, 310)]),
}


def skin(gray: Picture) -> Picture:
    """A gray drawing (H, W) as a warm photograph, RGB (H, W, 3)."""
    tones = np.array([[28, 18, 22], [150, 105, 88], [232, 193, 170], [255, 244, 234]], dtype=np.float64)
    places = [0, 110, 190, 255]
    return np.stack([np.interp(gray, places, tones[:, c]) for c in range(3)], axis=-1).astype(np.uint8)


def wall(width: int, height: int) -> Picture:
    """A wall lit from the upper left, RGB."""
    y, x = np.mgrid[0:height, 0:width]
    light = 1.06 - 0.28 * np.hypot(x / width, y / height)
    paper = 1 + 0.012 * ((x // 24) % 2)
    return np.clip((light * paper)[..., None] * np.array([176, 190, 184]), 0, 255).astype(np.uint8)


def hang(picture: Picture, portrait: Picture, left: int, top: int) -> None:
    """A portrait in a passe-partout and a frame, with its shadow, drawn onto the wall."""
    side = len(portrait)
    card, frame = side // 14, side // 22
    outer = side + 2 * (card + frame)
    x, y = left - card - frame, top - card - frame
    shadow = np.zeros(picture.shape[:2], np.float32)
    drop = side // 24
    cv2.rectangle(shadow, (x + drop, y + drop), (x + outer + drop, y + outer + drop), 0.45, -1)
    picture[:] = (picture * (1 - cv2.GaussianBlur(shadow, (0, 0), drop))[..., None]).astype(np.uint8)
    cv2.rectangle(picture, (x, y), (x + outer, y + outer), (74, 54, 40), -1)
    cv2.rectangle(picture, (x + frame, y + frame), (x + outer - frame, y + outer - frame), (246, 243, 236), -1)
    picture[top : top + side, left : left + side] = portrait


def main() -> None:
    """Write the pictures."""
    for name, ((width, height), portraits) in PICTURES.items():
        picture = wall(width, height)
        for emotion, seed, left, top, side in portraits:
            hang(picture, skin(draw_face(emotion, np.random.default_rng(seed), side)), left, top)
        save(name, picture)

    fallen = wall(640, 480)  # a face on its side
    turned = np.rot90(skin(draw_face("happy", np.random.default_rng(6), 300)), 3)
    hang(fallen, np.ascontiguousarray(turned), 170, 90)
    save("fallen-portrait.jpg", fallen)


def save(name: str, picture: Picture) -> None:
    """Write an RGB picture as JPEG."""
    cv2.imwrite(str(SAMPLES / name), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
