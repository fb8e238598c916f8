#!/usr/bin/env python3
"""Make a folder of pictures from Fashion-MNIST, or from other data in MNIST's format.

Debian's package dataset-fashion-mnist has the data. Needs Python only.

    python3 examples/data/make_image_folder.py /usr/share/datasets/fashion-mnist fashion

writes PNG files: 20 of each class into a folder with the name of the class, the other training images
into `unlabeled`, and the first test images, sorted by class, into the folder for tests:

    fashion/train/coat/00042.png  fashion/train/unlabeled/00043.png  fashion/test/bag/00030.png
"""
import argparse
import gzip
import pathlib
import struct
import zlib

FASHION = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
           "ankle boot"]


def read_idx(folder, name):
    """Return the sizes and the bytes of an IDX file, plain or gzip."""
    path = folder / f"{name}.gz"
    content = gzip.decompress(path.read_bytes()) if path.exists() else (folder / name).read_bytes()
    dimensions = content[3]
    sizes = struct.unpack(f">{dimensions}I", content[4: 4 + 4 * dimensions])
    return sizes, content[4 + 4 * dimensions:]


def png(width, height, pixels):
    """Return a gray PNG file."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    lines = b"".join(b"\0" + pixels[row * width: (row + 1) * width] for row in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines))
            + chunk(b"IEND", b""))


def write(source, part, target, rows, labeled, names):
    """Write the first `rows` images of a part, of which `labeled` of each class are sorted."""
    (count, height, width), pixels = read_idx(source, f"{part}-images-idx3-ubyte")
    labels = read_idx(source, f"{part}-labels-idx1-ubyte")[1]
    sorted_so_far = [0] * (max(labels) + 1)
    for row in range(min(rows, count)):
        label = labels[row]
        known = labeled is None or sorted_so_far[label] < labeled
        sorted_so_far[label] += known
        name = names[label] if label < len(names) else str(label)
        folder = target / (name if known else "unlabeled")
        folder.mkdir(parents=True, exist_ok=True)
        size = height * width
        (folder / f"{row:05d}.png").write_bytes(
            png(width, height, pixels[row * size: (row + 1) * size]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=pathlib.Path, help="folder of the four IDX files")
    parser.add_argument("target", type=pathlib.Path, help="folder to make")
    parser.add_argument("--labeled", type=int, default=20, help="sorted images of each class (20)")
    parser.add_argument("--train", type=int, default=10000, help="training images (10000)")
    parser.add_argument("--test", type=int, default=2000, help="test images (2000)")
    parser.add_argument("--names", default=",".join(FASHION), help="names of the classes")
    flags = parser.parse_args()
    names = flags.names.split(",")
    write(flags.source, "train", flags.target / "train", flags.train, flags.labeled, names)
    write(flags.source, "t10k", flags.target / "test", flags.test, None, names)


if __name__ == "__main__":
    main()
