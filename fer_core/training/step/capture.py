"""A step of training recorded once on a GPU and replayed: small networks wait for Python more than for the GPU."""

from __future__ import annotations

from collections.abc import Callable

import torch

Step = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
_REHEARSALS = 3  # let cuDNN choose its algorithms and libraries take their memory before anything is recorded


class CapturedStep:
    """A function of two tensors as a CUDA graph: all its kernels go to the device with one call.

    On one NVIDIA H200 (torch 2.11.0, one run) an epoch of ``compact`` at batch 256 took 0.51 s so, and 1.42 s plainly.

    What it draws from ``generator`` and from the device's own generator is drawn anew at each call, from the seeds set
    before it. Gradients are left where the first recording put them, and the results are overwritten by the next call.
    """

    def __init__(self, function: Step, examples: tuple[torch.Tensor, torch.Tensor], generator: torch.Generator) -> None:
        """Record ``function`` on inputs shaped like ``examples`` (all on the device); it runs a few times for that."""
        self.inputs = examples[0].clone(), examples[1].clone()
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_REHEARSALS):
                function(*self.inputs)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        self.graph.register_generator_state(generator)
        with torch.cuda.graph(self.graph):
            self.results = function(*self.inputs)

    def __call__(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The function's results for these inputs."""
        self.inputs[0].copy_(first, non_blocking=True)
        self.inputs[1].copy_(second, non_blocking=True)
        self.graph.replay()
        return self.results
