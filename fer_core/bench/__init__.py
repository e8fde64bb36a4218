"""Speed measurements, each against a plain implementation, alternating within one run."""

from fer_core.bench.inference import bench_infer
from fer_core.bench.live import bench_live, clip_of_photos
from fer_core.bench.training import bench_train

__all__ = ["bench_infer", "bench_live", "bench_train", "clip_of_photos"]
