"""Perceptual hashes of faces, and the search for pairs of hashes that differ in few bits."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import comb, log2
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_BITS: Final = 64
_BLOCK: Final = 4096  # images whose float copies are in memory at once


def perceptual_hashes(images: npt.NDArray[np.uint8], positions: Ints | None = None) -> Hashes:
    """Compute 64-bit perceptual hashes, uint64 (M,): whether each of the 8×8 lowest DCT coefficients exceeds their median.

    The method is pHash (Zauner 2010) on the 48×48 face; near-duplicates differ in few bits.

    Args:
        images: uint8 (N, 48, 48).
        positions: int64 (M,), which of them; None is all.
    """
    side = images.shape[1]
    which = np.arange(len(images)) if positions is None else positions
    k, x = np.arange(9)[1:, None], np.arange(side)[None]
    basis = np.cos(np.pi * (2 * x + 1) * k / (2 * side)).astype(np.float32)  # (8, side), without the constant term
    bits = np.empty((len(which), _BITS), dtype=bool)
    for start in range(0, len(which), _BLOCK):
        block = images[which[start : start + _BLOCK]].astype(np.float32)
        low = np.einsum("ay,nyx,bx->nab", basis, block, basis, optimize=True).reshape(len(block), _BITS)
        bits[start : start + _BLOCK] = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64).ravel()


def near_pairs(hashes: Hashes, largest: int) -> tuple[Ints, Ints, Ints]:
    """Find all pairs of hashes that differ in at most ``largest`` bits, closest first, then by position.

    The bits are cut into bands. ``largest`` different bits leave at least ``bands - largest`` bands equal, so for every choice of
    that many bands the hashes are sorted by them, and only hashes with equal ones are compared. The number of bands grows with the
    number of hashes, so that few unequal ones are, and the time grows little faster than by sorting.

    Args:
        hashes: uint64 (N,).
        largest: in 0…32.

    Returns:
        int64 (M,) each: position of the first, position of the second (larger), and the number of different bits.
    """
    bands = _bands(len(hashes), largest)
    edges = [round(_BITS * i / bands) for i in range(bands + 1)]
    masks = [np.uint64(((1 << (end - start)) - 1) << start) for start, end in pairwise(edges)]
    none = np.empty(0, dtype=np.int64)
    found: list[tuple[Ints, Ints, Ints]] = [(none, none, none)]
    for chosen in combinations(range(bands), bands - largest):
        mask = np.bitwise_or.reduce([masks[band] for band in chosen])
        order = np.argsort(hashes & mask, kind="stable")
        ordered = hashes[order]
        keys, left, step = ordered & mask, np.arange(len(ordered)), 0
        while len(left):
            step += 1
            left = left[: np.searchsorted(left, len(ordered) - step)]
            left = left[keys[left] == keys[left + step]]
            differ = ordered[left] ^ ordered[left + step]
            bits = np.bitwise_count(differ)
            near = bits <= largest
            near[near] = _first_choice(differ[near], masks, chosen)  # each pair once, though several choices find it
            one, other = order[left[near]], order[left[near] + step]
            found.append((np.minimum(one, other), np.maximum(one, other), bits[near].astype(np.int64)))
    first, second, distance = (np.concatenate(parts) for parts in zip(*found, strict=True))
    ranks = np.lexsort((second, first, distance))
    return first[ranks], second[ranks], distance[ranks]


def _bands(count: int, largest: int) -> int:
    """Return the number of bands with the least work: sorting for every choice, and comparing hashes with equal bands."""

    def work(bands: int) -> float:
        equal_bits = _BITS * (bands - largest) / bands
        return comb(bands, largest) * count * (log2(count + 2) + count / 2**equal_bits)

    return min(range(largest + 1, min(2 * largest + 2, _BITS) + 1), key=work)


def _first_choice(differ: Hashes, masks: list[np.uint64], chosen: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Return whether ``chosen`` are the first equal bands of each pair, given the bits in which its hashes differ."""
    equal = np.stack([(differ & mask) == 0 for mask in masks], axis=1)
    first = np.cumsum(equal, axis=1) <= len(chosen)
    wanted = np.zeros(len(masks), dtype=bool)
    wanted[list(chosen)] = True
    return np.asarray(((equal & first) == wanted).all(axis=1))
