"""Reads a shard that titrate wrote with the package webdataset, and writes some for titrate to read.

    python webdataset_round_trip.py OURS.tar EXPECTED.json THEIRS_FOLDER

EXPECTED.json is a list of {"key", "record", "pixels"}, the pixels as hexadecimal digits, row by row. THEIRS_FOLDER gets shards of PNG, JPEG
and WebP and, as theirs.json, the same list of what Pillow reads in them.
"""

import io
import json
import pathlib
import sys

import numpy
import webdataset
from PIL import Image

CLASSES = ["basal cell carcinoma", "lichen planus", "psoriasis"]


def read(shard, expected):
    samples = list(webdataset.WebDataset(str(shard), shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in samples] == [entry["key"] for entry in expected], samples
    for sample, entry in zip(samples, expected):
        assert sample["json"] == entry["record"], (sample["json"], entry["record"])
        assert sample["png"].tobytes().hex() == entry["pixels"], sample["__key__"]


def write(folder):
    rng = numpy.random.default_rng(2)
    written = []
    with webdataset.ShardWriter(str(folder / "theirs-%05d.tar"), maxcount=12) as sink:
        for index in range(36):
            coarse = rng.integers(0, 256, (4, 4, 3), dtype=numpy.uint8)
            image = Image.fromarray(coarse).resize((40, 32), Image.Resampling.BICUBIC)
            extension, options = [("png", {}), ("jpg", {"quality": 90}), ("webp", {"lossless": True})][index % 3]
            buffer = io.BytesIO()
            image.save(buffer, {"jpg": "jpeg"}.get(extension, extension), **options)
            key = f"train/part/{index:06d}"
            record = {"label": CLASSES[index // 12], "fst": 1 + index % 6, "extra": {"kept": [1, 2]}}
            sink.write({"__key__": key, extension: buffer.getvalue(), "json": record})
            pixels = numpy.asarray(Image.open(buffer).convert("RGB")).tobytes().hex()
            written.append({"key": key, "record": record, "pixels": pixels, "extension": extension})
    (folder / "theirs.json").write_text(json.dumps(written))


def main():
    ours, expected, theirs = map(pathlib.Path, sys.argv[1:])
    read(ours, json.loads(expected.read_text()))
    write(theirs)


main()
