"""Seeded mutations of every kind of file a user can bring: each must be read, or refused with a FerError.

Never another exception, never more than a gigabyte of memory above where it began, never more than five seconds of
processor time. ``python -m tests.proof.fuzz CASES FOLDER [SEED]``; the same seed gives the same cases.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import resource
import shutil
import sys
import tarfile
import time
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from pillow_heif import register_heif_opener

from fer_core.classes import ClassList
from fer_core.config import TrainConfig
from fer_core.data import load
from fer_core.data.marks import Marks, marks_for, positions
from fer_core.errors import FerError
from fer_core.evaluation import Predictions
from fer_core.faces import FaceDetector
from fer_core.images import read_photo
from fer_core.inference import Classifier, import_state_dict, load_checkpoint
from fer_core.inference.checkpoint import load_plain
from fer_core.live.video import annotate_video
from fer_core.photos import predict_image
from fer_core.training.runs import list_runs, open_run
from fer_core.training.trainer import train
from fer_core.workspace import Workspace
from tests.factories import make_dataset, tiny_config, untrained_checkpoint

SEVEN = ClassList.fer2013().names

MOST_SECONDS = 5.0  # processor time of one case
MOST_MEMORY = 1 << 30  # bytes above the beginning


@dataclass
class Fuzz:
    """What came of it; the lists name the cases, so that each can be repeated."""

    cases: int = 0
    accepted: int = 0
    refused: int = 0
    defects: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    slowest: float = 0.0
    memory: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether every case was answered properly."""
        return not self.defects and not self.slow and self.memory <= MOST_MEMORY


# --- mutations: bytes and a generator in, bytes out


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 64))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _remove(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.randint(1, 64) :]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    piece = data[start : start + rng.randint(1, 400)]
    return data[:start] + piece * rng.randint(1, 20) + data[start:]


def _insert(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + rng.randbytes(rng.randint(1, 64)) + data[start:]


def _extremes(data: bytes, rng: random.Random) -> bytes:
    """A number in the header becomes huge, zero or negative."""
    width = rng.choice((1, 2, 4, 8))
    start = rng.randrange(max(1, min(len(data), 256)))
    value = rng.choice((0, 1, (1 << (8 * width)) - 1, 1 << (8 * width - 1)))
    return data[:start] + value.to_bytes(width, rng.choice(("little", "big"))) + data[start + width :]


def _words(data: bytes, rng: random.Random) -> bytes:
    """A piece of text becomes what text formats trip over."""
    start = rng.randrange(len(data) + 1)
    word = rng.choice(
        (b"NaN", b"-1", b"1e999", b"99999999999999999999", b"null", b"\x00", b"\xff\xfe", b'"', b"[" * 3000, b"{", b"\n",
         b",", b"../../../../etc/passwd", b"<script>alert(1)</script>", "\u202egpj".encode())
    )  # fmt: skip
    return data[:start] + word + data[start + rng.choice((0, 0, len(word))) :]


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip, _cut, _remove, _repeat, _insert, _extremes, _words,
)  # fmt: skip


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One to three mutations, one after the other."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = rng.choice(MUTATIONS)(data, rng)
    return data


# --- kinds of input: valid bytes to begin with, and what reads them


class Kinds:
    """The valid files, and a reader for each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = Workspace(folder / "workspace")
        self.dataset = make_dataset(train=35, valid=14, test=14)
        checkpoint = untrained_checkpoint(folder / "model.safetensors")
        self.classifier = Classifier.load(checkpoint)
        self.detector = FaceDetector()
        self.run = train(tiny_config(epochs=1), dataset=make_dataset(), workspace=self.workspace).run
        self.valid = self._valid(checkpoint)
        self.readers: dict[str, Callable[[Path], object]] = {
            "jpeg": self._photo, "png": self._photo, "gif": self._photo, "webp": self._photo, "bmp": self._photo,
            "tiff": self._photo, "avif": self._photo, "heif": self._photo, "csv": self._data, "zip": self._data, "safetensors": self._checkpoint,
            "pt": lambda path: import_state_dict(path, "seed"), "config": self._config, "marks": self._marks,
            "status": self._run_file("status.json"), "metrics": self._run_file("metrics.jsonl"),
            "run config": self._run_file("config.json"), "label": self._run_file("label.json"),
            "last": load_plain, "predictions": Predictions.read, "video": self._video,
            "csv.gz": self._data, "tar": self._data, "tgz": self._data, "npz": self._data, "parquet": self._data,
            "RAF-DB list": self._in_folder("list_patition_label.txt"), "FER+ label.csv": self._in_folder("label.csv"),
            "list file": self._in_folder("labels.csv"), "split file": self._in_folder("happy/split.csv"),
            "votes file": self._in_folder("happy/votes.csv"),
        }  # fmt: skip

    def _valid(self, checkpoint: Path) -> dict[str, bytes]:
        import torch

        from fer_core.models import build

        files = {kind: _picture(kind) for kind in ("jpeg", "png", "gif", "webp", "bmp", "tiff", "avif", "heif")}
        rows = ["emotion,pixels,Usage"]
        usages = {"train": "Training", "valid": "PublicTest", "test": "PrivateTest"}
        for image, label, split in zip(self.dataset.images, self.dataset.labels, self.dataset.split, strict=True):
            rows.append(f"{label},{' '.join(map(str, image.ravel()))},{usages[str(split)]}")
        files["csv"] = "\n".join(rows).encode()
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as out:
            for i, (image, label) in enumerate(zip(self.dataset.images, self.dataset.labels, strict=True)):
                face = io.BytesIO()
                Image.fromarray(image).save(face, "PNG")
                out.writestr(f"{('train', 'test')[i % 2]}/{SEVEN[label]}/PublicTest_{i}.png", face.getvalue())
        files["zip"] = archive.getvalue()
        files["safetensors"] = checkpoint.read_bytes()
        weights = io.BytesIO()
        torch.save(build("seed").state_dict(), weights)
        files["pt"] = weights.getvalue()
        files["config"] = json.dumps(TrainConfig().to_dict()).encode()
        marks = marks_for(self.dataset, self.workspace)
        marks.add([str(face) for face in self.dataset.ids[:20]], "wrong_label", "sad")
        files["marks"] = marks.path.read_bytes()
        for kind, name in (
            ("status", "status.json"), ("metrics", "metrics.jsonl"), ("run config", "config.json"), ("label", "label.json"),
            ("last", "last.ckpt"), ("predictions", "predictions-valid.npz"),
        ):  # fmt: skip
            files[kind] = (self.run.path / name).read_bytes()
        files["video"] = _video()
        files |= self._data_sets(files["csv"])
        return files

    def _data_sets(self, csv_text: bytes) -> dict[str, bytes]:
        """Archives and tables of faces, and the files that give labels, splits and votes to the images of a folder."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        faces = [_png(image) for image in self.dataset.images[:14]]
        labels = [int(label) for label in self.dataset.labels[:14]]
        for i, (face, label) in enumerate(zip(faces, labels, strict=True)):
            for place in (f"{SEVEN[label]}", ""):
                target = self.folder / "images" / place / f"train_{i:05}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(face)
        plain, packed = io.BytesIO(), io.BytesIO()
        for out, mode in ((plain, "w"), (packed, "w:gz")):
            with tarfile.open(fileobj=out, mode=mode) as archive:
                for i, (face, label) in enumerate(zip(faces, labels, strict=True)):
                    info = tarfile.TarInfo(f"train/{SEVEN[label]}/{i}.png")
                    info.size = len(face)
                    archive.addfile(info, io.BytesIO(face))
        arrays, table = io.BytesIO(), io.BytesIO()
        np.savez(arrays, x_train=self.dataset.images[:14], y_train=np.array(labels), classes=np.array(SEVEN))
        features = {"info": {"features": {"label": {"names": list(SEVEN)}}}}
        columns = pa.table({"image": [{"bytes": face, "path": None} for face in faces], "label": labels})
        pq.write_table(columns.replace_schema_metadata({"huggingface": json.dumps(features)}), table)
        names = [f"train_{i:05}" for i in range(14)]
        votes = [",".join("9" if column == label % 8 else "0" for column in range(10)) for label in labels]
        return {
            "csv.gz": gzip.compress(csv_text[:60_000].rpartition(b"\n")[0]),
            "tar": plain.getvalue(),
            "tgz": packed.getvalue(),
            "npz": arrays.getvalue(),
            "parquet": table.getvalue(),
            "RAF-DB list": "\n".join(f"{n}.jpg {1 + k}" for n, k in zip(names, labels, strict=True)).encode(),
            "FER+ label.csv": "\n".join(
                f'{n}.png,"(0, 0, 48, 48)",{v}' for n, v in zip(names, votes, strict=True)
            ).encode(),
            "list file": "\n".join(
                ["file,emotion", *(f"{n}.png,{SEVEN[k]}" for n, k in zip(names, labels, strict=True))]
            ).encode(),
            "split file": "\n".join(
                [
                    "file,split",
                    *(f"{SEVEN[k]}/{n}.png,{('train', 'test')[k % 2]}" for n, k in zip(names, labels, strict=True)),
                ]
            ).encode(),
            "votes file": "\n".join(
                ["file,happy,sad", *(f"{SEVEN[k]}/{n}.png,{k},3" for n, k in zip(names, labels, strict=True))]
            ).encode(),
        }

    def _in_folder(self, name: str) -> Callable[[Path], object]:
        """Read a folder of images in which the file ``name`` is the mutated one."""

        def read(path: Path) -> object:
            source = self.folder / "source"
            shutil.rmtree(source, ignore_errors=True)
            images = self.folder / "images"
            place, _, file = name.rpartition("/")
            if place:  # folders of emotions, and the file at the top
                shutil.copytree(
                    images,
                    source,
                    ignore=lambda folder, names: [n for n in names if n.endswith(".png") and folder == str(images)],
                )
            else:  # images without folders
                source.mkdir()
                for image in images.glob("*.png"):
                    shutil.copyfile(image, source / image.name)
            shutil.copyfile(path, source / file)
            return load(str(source), workspace=Workspace(self.folder / "scratch"))

        return read

    def _photo(self, path: Path) -> object:
        photo = read_photo(path)
        return predict_image(photo, self.detector, self.classifier) if photo.rgb.size < 3_000_000 else photo

    def _data(self, path: Path) -> object:
        return load(str(path), workspace=Workspace(self.folder / "scratch"))

    def _checkpoint(self, path: Path) -> object:
        network, info = load_checkpoint(path)
        return Classifier(network, info).probabilities(self.dataset.images[:2])

    def _config(self, path: Path) -> object:
        return TrainConfig.parse(path.read_bytes())

    def _marks(self, path: Path) -> object:
        marks = Marks(self.dataset.fingerprint, self.dataset.classes, self.workspace)
        shutil.copyfile(path, marks.path)
        marks.to_csv()
        return positions(self.dataset, marks.current())

    def _run_file(self, name: str) -> Callable[[Path], object]:
        def read(path: Path) -> object:
            whole = (self.run.path / name).read_bytes()
            shutil.copyfile(path, self.run.path / name)
            try:
                run = open_run(self.run.id, self.workspace)
                found = run.records(), run.log_tail(), run.environment(), run.label, run.state, run.best()
                assert list_runs(self.workspace)
                return *found, run.config
            finally:
                (self.run.path / name).write_bytes(whole)

        return read

    def _video(self, path: Path) -> object:
        table = self.folder / "faces.csv"
        table.unlink(missing_ok=True)
        return annotate_video(path, None, table, self.classifier)


def _picture(kind: str) -> bytes:
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 256, (12, 16, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    register_heif_opener()
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind.upper())
    return out.getvalue()


def _png(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def _video() -> bytes:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for step in range(12):
            picture = np.full((64, 96, 3), 20 * step, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return out.getvalue()


SUFFIXES = {
    "jpeg": ".jpg",
    "heif": ".heic",
    "csv": ".csv",
    "zip": ".zip",
    "safetensors": ".safetensors",
    "pt": ".pt",
    "video": ".mp4",
}


def _memory() -> int:
    """The largest resident memory so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def run_fuzz(cases: int, folder: Path, seed: int = 0) -> Fuzz:
    """Try ``cases`` mutated files, the kinds taking turns; ``folder`` is emptied first."""
    import torch

    torch.set_num_threads(1)
    shutil.rmtree(folder, ignore_errors=True)  # what an earlier run left would be mutated twice
    folder.mkdir(parents=True)
    kinds, result = Kinds(folder), Fuzz()
    for kind, content in kinds.valid.items():  # what is whole must be read, and warms everything up
        path = folder / f"whole{SUFFIXES.get(kind, '')}"
        path.write_bytes(content)
        kinds.readers[kind](path)
    began = _memory()
    names = list(kinds.valid)
    for case in range(cases):
        kind = names[case % len(names)]
        rng = random.Random(f"{seed} {case}")
        path = folder / f"case{SUFFIXES.get(kind, '')}"
        path.write_bytes(mutate(kinds.valid[kind], rng))
        started = time.process_time()
        try:
            kinds.readers[kind](path)
            result.accepted += 1
        except FerError as error:
            result.refused += 1
            if not str(error).strip():
                result.defects.append(f"{kind} {case}: an error without words")
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            result.defects.append(
                f"{kind} {case}: {type(error).__name__}: {str(error)[:120]} ({Path(where.filename).name}:{where.lineno})"
            )
        seconds = time.process_time() - started
        result.slowest = max(result.slowest, seconds)
        if seconds > MOST_SECONDS:
            result.slow.append(f"{kind} {case}: {seconds:.1f} s")
        result.cases += 1
        result.by_kind[kind] = result.by_kind.get(kind, 0) + 1
        shutil.rmtree(folder / "scratch", ignore_errors=True)
    result.memory = _memory() - began
    return result


def main(arguments: list[str]) -> int:
    """``python -m tests.proof.fuzz CASES FOLDER [SEED]``: exit status 0 when every case was answered properly."""
    os.environ.setdefault("AV_LOG_FORCE_NOCOLOR", "1")
    seed = int(arguments[2]) if len(arguments) > 2 else 0
    result = run_fuzz(int(arguments[0]), Path(arguments[1]), seed)
    print(
        f"{result.cases} cases: {result.accepted} read, {result.refused} refused, {len(result.defects)} defects, "
        f"{len(result.slow)} slow; slowest {result.slowest:.2f} s, memory +{result.memory / 1e6:.0f} MB"
    )
    for line in (*result.defects[:40], *result.slow[:40]):
        print(line)
    print(json.dumps(asdict(result)))
    return 0 if result.clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
