"""Choose device, precision and threads at run time, and describe them for the run's record."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from fer_core.config import TrainConfig
from fer_core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Compute:
    """The device, precision and threads of a training.

    The precision ``float64``, which the settings do not offer, is for comparisons that rounding would hide.
    """

    device: str
    device_name: str
    precision: str
    threads: int

    @property
    def autocast(self) -> torch.autocast:
        """The context for the forward pass; it has no effect in float32."""
        return torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.precision == "bfloat16")

    @property
    def dtype(self) -> torch.dtype:
        """The type of weights, inputs and logits; with bfloat16 the forward pass converts them."""
        return torch.float64 if self.precision == "float64" else torch.float32

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def cpu_name() -> str:
    """Return the processor's name as the operating system reports it."""
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cpu_has_bfloat16() -> bool:
    """Return whether the processor computes bfloat16 natively (avx512_bf16 or AMX); emulation is slower than float32."""
    try:
        with open("/proc/cpuinfo") as file:
            flags = file.read()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def choose_compute(config: TrainConfig, threads: int = 0, processes: int = 1) -> Compute:
    """Resolve ``auto`` for device and precision, and 0 threads to ``threads``, or to all cores if that is 0 too.

    Args:
        config: all settings.
        threads: processor threads if the settings name none.
        processes: number of processes of the training on this machine, which share the cores.

    Raises:
        ConfigError: the settings ask for a GPU and PyTorch finds none.
    """
    cuda = torch.cuda.is_available()
    if config.device == "cuda" and not cuda:
        raise ConfigError("device is 'cuda', but PyTorch finds no GPU here. Choose 'auto' or 'cpu'.")
    device = "cuda" if cuda and config.device != "cpu" else "cpu"
    native = torch.cuda.is_bf16_supported(including_emulation=False) if device == "cuda" else cpu_has_bfloat16()
    precision = config.precision if config.precision != "auto" else ("bfloat16" if native else "float32")
    name = torch.cuda.get_device_name() if device == "cuda" else cpu_name()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Compute(device, name, precision, config.threads or threads or max(1, cores // processes))


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that affect the numbers."""
    found = {"python": platform.python_version()}
    for name in ("fer-lab", "torch", "numpy", "opencv-python", "pillow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
