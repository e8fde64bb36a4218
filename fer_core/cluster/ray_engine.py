"""Predicts photos in a Ray Data pipeline: actors load the model once, the results come back in order.

Ray is an existing engine for many machines; see https://docs.ray.io. Without an address it is started on this machine, on
loopback only, without its dashboard and usage statistics, and ends with the iteration.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import tempfile
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fer_core.errors import ClusterError
from fer_core.jobs.workers import processor_cores

if TYPE_CHECKING:
    from fer_core.faces import FaceDetector
    from fer_core.inference import Classifier
    from fer_core.photos import PhotoResult

_BATCH: Final = 16  # photos per task: a second of work, so that a lost task costs little
_ACTORS_START: Final = 600  # seconds for the actors to start; work that ends before that cancels those that have not
_PATIENCE: Final = 8.0  # seconds for an address to answer
_HTTP2_SETTINGS: Final = b"\0\0\0\4\0\0\0\0\0"  # the first frame of both sides
_HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _HTTP2_SETTINGS
"""Ray speaks gRPC, which is HTTP/2. Connecting to another service, Ray would wait for more than a minute."""
_SETTINGS: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing leaves the machine
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # its warnings are for its developers
    "RAY_NUM_REDIS_GET_RETRIES": "5",  # seconds until it is said that a cluster does not let us in
}


class RayEngine:
    """A connection to Ray; ``predict`` replaces the loop over files of :func:`fer_core.photos.predict_paths`."""

    name = "ray"

    def __init__(self, address: str | None = None, actors: int = 0, dashboard: bool = False) -> None:
        """Check that Ray is installed and that the address answers; nothing starts yet.

        Args:
            address: ``host:port`` of a cluster's head; None starts Ray on this machine.
            actors: processes that load the model; 0 is one per processor core of this machine, or, with an address, of the
                cluster.
            dashboard: open Ray's dashboard on loopback; only without an address.

        Raises:
            ClusterError: Ray is not installed, or the address does not answer within ten seconds.
        """
        os.environ.update(_SETTINGS)  # read when Ray is imported
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise ClusterError(
                f'The Ray engine needs the extra "cluster" ({error.name} is missing): pip install "fer-lab[cluster]".'
            ) from error
        self.version: str = ray.__version__
        self.address, self._actors, self._dashboard = address, actors, dashboard
        self._started = 0
        if address is not None:
            _check_address(address)

    def to_dict(self) -> dict[str, Any]:
        """Return name, version and, after a prediction, the number of actors."""
        return {"name": self.name, "version": self.version, "actors": self._started}

    def predict(
        self, files: Sequence[str | Path], detector: FaceDetector, classifier: Classifier
    ) -> Generator[PhotoResult]:
        """Yield a result for each file, in order. A killed actor is started anew, and its photos are predicted again.

        On a cluster, the files must lie under the same paths on every machine; the model is sent along.

        Raises:
            ClusterError: Ray cannot be reached, or gives up.
        """
        import ray
        from ray.data import ActorPoolStrategy, DataContext
        from ray.exceptions import RayError

        with self._connected():
            context = DataContext.get_current()
            context.enable_progress_bars = False
            context.execution_options.preserve_order = True
            context.wait_for_min_actors_s = _ACTORS_START
            actors = self._actors or int(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]
            blocks = max(1, min(-(-len(files) // _BATCH), 10_000))
            self._started = min(actors, blocks)
            files_of_model = ray.put(classifier.portable_files())
            settings = (detector.longest_side, detector.threshold, classifier.sensitivity_or_none)
            given = ray.data.from_items([{"file": os.fspath(file)} for file in files], override_num_blocks=blocks)
            pipeline = given.map_batches(
                PhotoActor,
                batch_size=_BATCH,
                compute=ActorPoolStrategy(size=self._started),
                num_cpus=1,
                fn_constructor_args=([files_of_model], settings),
            )
            try:
                for row in pipeline.iter_rows():
                    yield row["result"]
            except RayError as error:
                reason = str(error).strip().splitlines()[-1]
                raise ClusterError(
                    f"Ray gave up ({reason}). What is in the table is kept; start again to continue."
                ) from error

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        import ray

        quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        for name in ("ray", "ray.data"):
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            if self.address is None:
                ray.init(
                    address="local",
                    num_cpus=self._actors or processor_cores(),
                    include_dashboard=self._dashboard,
                    _node_ip_address="127.0.0.1",
                    **quiet,
                )
            else:
                ray.init(address=self.address, **quiet)
        except (ConnectionError, RuntimeError, OSError, ValueError) as error:
            where = f"at {self.address}" if self.address else "on this machine"
            advice = " If the cluster asks for a token, set RAY_AUTH_MODE=token." if self.address else ""
            raise ClusterError(f"Ray {where} cannot be used ({' '.join(str(error).split())[:300]}).{advice}") from error
        try:
            yield
        finally:
            ray.shutdown()


def _check_address(address: str) -> None:
    """Raise an error unless something answers at ``host:port``.

    Raises:
        ClusterError: the address is not of this form, or does not answer.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) < 65_536):
        raise ClusterError(f"'{address}' is not an address of Ray; expected host:port, such as 10.0.0.5:6379.")
    advice = "Start Ray there (ray start --head), or leave out --address to use this machine."
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE) as connection:
            connection.settimeout(_PATIENCE)
            connection.sendall(_HTTP2_PREFACE)
            answer = connection.recv(len(_HTTP2_SETTINGS))
    except OSError as error:
        raise ClusterError(f"Nothing answers at {address} ({error.strerror or error}). {advice}") from error
    if answer[3:4] != _HTTP2_SETTINGS[3:4]:
        raise ClusterError(f"What answers at {address} is not Ray. {advice}")


class PhotoActor:
    """Predicts batches of files in a process of Ray; the model is loaded once."""

    def __init__(self, files: list[Any], settings: tuple[int, float, float | None]) -> None:
        import cv2
        import ray

        from fer_core.faces import FaceDetector
        from fer_core.inference import Classifier

        cv2.setNumThreads(1)
        longest_side, threshold, sensitivity = settings
        self._folder = tempfile.TemporaryDirectory(prefix="fer-lab-")
        for name, content in ray.get(files[0]).items():
            (Path(self._folder.name) / name).write_bytes(content)
        model = Path(self._folder.name) / "model.safetensors"
        self._classifier = Classifier.from_file(model, sensitivity=sensitivity, threads=1)
        self._detector = FaceDetector(longest_side, threshold)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return ``result``, an object array of :class:`fer_core.photos.PhotoResult`, for ``file``, an array of paths."""
        from fer_core.photos import predict_file

        results = np.empty(len(batch["file"]), dtype=object)
        results[:] = [predict_file(str(file), self._detector, self._classifier) for file in batch["file"]]
        return {"result": results}
