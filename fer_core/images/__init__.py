"""Image files: one decoder for photos and data sets, one encoder, and one way to resize for display."""

from fer_core.images.decode import FACE_LIMITS, PHOTO_LIMITS, Limits, Photo, decode_face, read_photo
from fer_core.images.encode import base64_png, check_image_name, encode, png, write_image
from fer_core.images.formats import IMAGE_SUFFIXES, PHOTO_SUFFIXES, VIDEO_SUFFIXES, looks_like_image
from fer_core.images.resize import enlarge, fit

__all__ = [
    "FACE_LIMITS",
    "IMAGE_SUFFIXES",
    "PHOTO_LIMITS",
    "PHOTO_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Limits",
    "Photo",
    "base64_png",
    "check_image_name",
    "decode_face",
    "encode",
    "enlarge",
    "fit",
    "looks_like_image",
    "png",
    "read_photo",
    "write_image",
]
