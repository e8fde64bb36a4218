"""Processor time of the search for near-duplicates: ``python -m tests.benchmarks.near_duplicates fer2013.zip [COPIES]``.

Prints, for 4 and 8 different bits, the seconds and pairs for the hashes of a data set repeated COPIES times (default 1), each copy
with one random bit changed.
"""

import sys
import time

import numpy as np

from fer_core.data import load
from fer_core.images.perceptual_hash import near_pairs, perceptual_hashes

if __name__ == "__main__":
    hashes, rng = perceptual_hashes(load(sys.argv[1]).images), np.random.default_rng(0)
    copies = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    flips = [np.uint64(1) << rng.integers(0, 64, len(hashes)).astype(np.uint64) for _ in range(copies)]
    many = np.concatenate([hashes ^ flip for flip in flips]) if copies > 1 else hashes
    for largest in (4, 8):
        begun = time.process_time()
        found = len(near_pairs(many, largest)[0])
        print(f"{len(many):,} faces, {largest} bits: {time.process_time() - begun:.2f} s, {found:,} pairs")
