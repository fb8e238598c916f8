#!/usr/bin/env python3
"""Write the small files that fuzzing starts from: .venv-tests/bin/python tests/fuzz/make_corpus.py"""

import gzip
import io
import json
import pathlib
import shutil
import struct

import numpy as np
from PIL import Image

FOLDER = pathlib.Path(__file__).parent / "corpus"
FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"
RANDOM = np.random.default_rng(1)


def put(target, name, data):
    folder = FOLDER / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def packed(data):
    return gzip.compress(data, mtime=0)


def saved(save, *arguments, **options):
    buffer = io.BytesIO()
    save(buffer, *arguments, **options)
    return buffer.getvalue()


def image_bytes(image, form, **options):
    return saved(image.save, form, **options)


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(struct.pack(">I", n) for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


def csv():
    tables = {
        "plain": b"a,b,label\n1,2.5,x\n3,,y\n-4e2,NA,\n",
        "quoted": b'a,b\r\n"x, y","two\nlines"\r\n"say ""no""",?\r\n',
        "semicolons": b"a;b\n1,5;x\n2,25;y\n",
        "bom-tabs": b"\xef\xbb\xbfa\tb\n1\t2\n3\t4\n",
        "no-header": b"1,2\n3,4\n5,6\n",
        "open-quote": b'a,b\n1,"x\n',
        "ragged": b"a,b\n1\n1,2,3\n",
        "infinite": b"a\n1\ninf\n1e999\n",
    }
    for name, table in tables.items():
        put("csv", name, b"\0\3" + table)
        put("csv", name + "-file", b"\x80\3" + table)
    put("csv", "packed", b"\x80\3" + packed(tables["plain"]))


def numpy_files():
    arrays = {
        "f8": np.arange(6.0).reshape(3, 2),
        "f4-fortran": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(3, 2)),
        "i2-big": np.arange(4, dtype=">i2"),
        "bool": np.array([True, False]),
        "u1": np.arange(18, dtype=np.uint8).reshape(2, 3, 3),
        "f2": np.arange(3, dtype=np.float16),
    }
    for name, array in arrays.items():
        put("npy", name, saved(np.save, array))
    put("npy", "object", saved(np.save, np.array([None, 1], dtype=object), allow_pickle=True))
    x, y = arrays["f8"], np.array([0, -1, 2])
    for name, save in (("stored", np.savez), ("deflated", np.savez_compressed)):
        put("npy", name, saved(save, x=x, y=y))


def idx_files():
    images, labels = RANDOM.integers(0, 256, (2, 3, 4)), np.array([1, 9])
    for name, array in (("images", images), ("labels", labels), ("color", images.reshape(1, 2, 4, 3))):
        put("idx", name, idx(array))
        put("idx", name + ".gz", packed(idx(array)))


def cifar_files():
    put("cifar", "ten", b"\0\1\2\3")
    put("cifar", "hundred", b"\1\1\2\3")
    put("cifar", "cut", b"\xfc\1\2")
    put("cifar", "bytes", b"\2" + bytes(range(64)))


def images():
    noise = RANDOM.integers(0, 256, (5, 6, 4), dtype=np.uint8)
    color = Image.fromarray(noise[..., :3])
    pictures = {
        "gray.png": image_bytes(Image.fromarray(noise[..., 0]), "PNG"),
        "rgb.png": image_bytes(color, "PNG"),
        "rgba.png": image_bytes(Image.fromarray(noise), "PNG"),
        "palette.png": image_bytes(color.quantize(4), "PNG", transparency=1),
        "bits.png": image_bytes(Image.fromarray(noise[..., 0]).convert("1"), "PNG"),
        "deep.png": image_bytes(Image.fromarray(noise[..., 0].astype(np.uint16) * 257), "PNG"),
        "gray.jpg": (FIXTURES / "images/gray.jpg").read_bytes(),
        "progressive.jpg": (FIXTURES / "images/progressive.jpg").read_bytes(),
        "subsampled.jpg": (FIXTURES / "images/subsampled.jpg").read_bytes(),
        "cmyk.jpg": (FIXTURES / "images/cmyk.jpg").read_bytes(),
    }
    for name, data in pictures.items():
        put("image", name, data)


def zip_records(records):
    """A stored zip file such as torch.save writes, without its padding."""
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in records:
            archive.writestr(zipfile.ZipInfo("a/" + name), data)
    return buffer.getvalue()


def tensors():
    # {"w": float32 [2]} by torch._utils._rebuild_tensor_v2, as protocol 2 writes it.
    pickle = (
        b"\x80\x02}q\x00X\x01\x00\x00\x00wq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\x00\x00\x00"
        b"storageq\x03ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x000q\x05X\x03\x00\x00\x00cpuq\x06K\x02tq\x07QK\x00"
        b"K\x02\x85q\x08K\x01\x85q\x09\x89ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0ds."
    )
    put("pickle", "tensor", pickle)
    put("pickle", "plain", b"\x80\x02]q\x00(K\x01J\xff\xff\xff\x7fG?\xf0\x00\x00\x00\x00\x00\x00N\x88e.")
    put("pickle", "texts", b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x01a\x94\x8c\x02bc\x94\x86\x94.")
    records = [("data.pkl", pickle), ("byteorder", "little"), ("data/0", struct.pack("<2f", 1, 2)),
               ("version", "3\n")]
    put("tensor_file", "tensor", zip_records(records))
    put("tensor_file", "empty", zip_records([("data.pkl", b"\x80\x02}q\x00."), ("version", "3\n")]))


def safetensors_files():
    def write(header, data):
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data

    put("safetensors", "two", write({
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "b": {"dtype": "I64", "shape": [1, 1], "data_offsets": [8, 16]},
    }, bytes(16)))
    put("safetensors", "bool", write({"m": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]}}, b"\1\0\1"))
    put("safetensors", "empty", write({}, b""))
    put("safetensors", "scalar", write({"s": {"dtype": "BF16", "shape": [], "data_offsets": [0, 2]}}, b"\1\2"))


def texts():
    put("features", "both", json.dumps([
        {"name": "a", "kind": "number", "center": 1.5, "scale": 2, "indicator": True},
        {"name": "b", "kind": "text", "levels": ["x", "y"], "other": True, "indicator": True},
    ]))
    put("features", "empty", "[]")
    put("command_line", "flags", "--epochs\n3\n--lr=0.1\n--seeds\n1..5\n--resume\n")
    put("command_line", "lists", "--layers=10,20\n--lambda\n1000, 10, .1\n--device\ncuda\n--noise=nan\n")
    put("command_line", "wrong", "--epoch\n--\n--lr\n")


def run_configs():
    put("run_config", "recipe", json.dumps({
        "program": "ladder-mnist", "recipe": "mnist-100-full", "dataset": "mnist", "train_rows": 60000,
        "test_rows": 10000, "classes": 10, "labels": 100, "balanced": True, "input_shape": [784],
        "layers": ["dense 20", "dense 10"], "lambda": [1000, 10, 0.1], "noise_std": 0.3,
        "combinator": "gaussian", "activation": "relu", "epochs": 150, "learning_rate": 0.002, "seed": 1,
        "calibration": "training", "device": "cpu", "precision": "float32", "product_route": "auto",
        "environment": {"ladder": "0.1.0", "cpu": "some", "threads": 2},
    }))
    put("run_config", "images", json.dumps({
        "input_shape": [3, 32, 32], "layers": ["conv full 32@5x5", "conv same 8@3x3 / 2", "max pool 2",
                                               "mean pool 2", "global mean pool"],
        "labels": "all", "device": "cuda:0", "precision": "bfloat16", "activation": "leaky_relu",
        "class_balance": "weights", "zca_ridge": 0.1, "validation": 100, "seed": 18446744073709551615,
    }))
    put("run_config", "earlier", '{"batch_size": 100, "noise": 0.3, "in_features": 4, "layers": [3, 2]}')


def model_text(**changes):
    config = {"input_shape": [1], "layers": ["dense 2"], "lambda": [1, 1], "classes": 2}
    feature = {"name": "a", "kind": "number", "center": 1.5, "scale": 2}
    text = {"format": 1, "label": "y", "classes": ["n", "p"], "features": [feature], "facts": [["rows", "3"]],
            "config": config}
    text.update(changes)
    return json.dumps({key: value for key, value in text.items() if value is not None})


def model_files():
    image = {"channels": 1, "height": 1, "width": 1, "mean": [0.5], "scale": [0.25], "flat": True}
    for name, text in {
        "table": model_text(),
        "image": model_text(features=None, images=image),
        "later": model_text(format=2),
        "conv": model_text(features=None, images={**image, "flat": False}, config={
            "input_shape": [1, 1, 1], "layers": ["conv same 2@1x1", "global mean pool"]}),
    }.items():
        put("model_file", name, b"\1" + text.encode())
    put("model_file", "checkpoint", b"\0" + zip_records([("data.pkl", b"\x80\x02}q\x00."), ("version", "3\n")]))


def front_door():
    """By the numbers of kNames in read_samples.cpp."""
    table = b"a,b,label\n1,2.5,x\n3,,y\n-4e2,NA,\n"
    color = RANDOM.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    gray = color[..., 0]
    arrays = saved(np.savez, x=np.arange(6.0).reshape(3, 2), y=np.array([0, -1, 2]))
    for name, number, flags, data in (
        ("csv", 0, 3, table),
        ("tsv-packed", 1, 1, packed(table.replace(b",", b"\t"))),
        ("text-without-ending", 2, 0, table),
        ("json", 2, 0, b'[{"a": 1}]'),
        ("npz", 3, 0, arrays),
        ("npz-of-images", 3, 24, saved(np.savez, images=color.reshape(1, 4, 5, 3), labels=np.array([1]))),
        ("npy", 4, 0, saved(np.save, np.arange(4.0).reshape(2, 2))),
        ("npy-in-folder", 4, 32, saved(np.save, np.arange(4.0).reshape(2, 2))),
        ("parquet", 5, 0, b"PAR1" + bytes(8) + b"PAR1"),
        ("feather", 6, 0, b"ARROW1\0\0" + bytes(8) + b"ARROW1"),
        ("idx", 7, 0, idx(gray.reshape(2, 2, 5))),
        ("idx-folder", 7, 36, idx(gray.reshape(2, 2, 5))),
        ("idx-packed", 8, 28, packed(idx(gray.reshape(2, 2, 5)))),
        ("cifar", 9, 0, b"\1" + bytes(3072)),
        ("cifar-100", 10, 32, b"\1\2" + bytes(3072)),
        ("png", 11, 24, image_bytes(Image.fromarray(color), "PNG")),
        ("png-in-folder", 11, 56, image_bytes(Image.fromarray(gray), "PNG")),
        ("jpg", 12, 0, image_bytes(Image.fromarray(gray), "JPEG", quality=30)),
    ):
        put("read_samples", name, bytes([number, flags]) + data)


shutil.rmtree(FOLDER, ignore_errors=True)
for make in (csv, numpy_files, idx_files, cifar_files, images, tensors, safetensors_files, texts, run_configs,
             model_files, front_door):
    make()
