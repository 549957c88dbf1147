"""Pictures of random encodings, and what Pillow reads in each.

    python random_pictures.py SEED COUNT FOLDER

Writes into FOLDER NAME, a picture that Pillow or libjpeg-turbo's cjpeg and jpegtran (where they are installed) made, and NAME.ppm:
upright, over white, 8-bit RGB. Prints how many there are of each maker.
"""

import collections
import importlib.util
import pathlib
import random
import shutil
import subprocess
import sys

import numpy
from PIL import Image, ImageOps

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures/pictures/encodings.py"
spec = importlib.util.spec_from_file_location("picture_encodings", FIXTURES)
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)

draw = random.Random(int(sys.argv[1]))


def scene():
    """Smooth colours."""
    width, height = draw.randint(4, 150), draw.randint(4, 150)
    y, x = numpy.mgrid[0:height, 0:width] / 150
    levels = []
    for _ in range(3):
        middle, tilt, lean, bend = draw.uniform(60, 200), *(draw.uniform(-50, 50) for _ in range(3))
        levels.append(middle + tilt * x + lean * y + bend * x * y)
    image = numpy.clip(numpy.stack(levels, axis=-1), 0, 255)
    return Image.fromarray(image.astype(numpy.uint8))


def noise():
    """Every level is another."""
    shape = (draw.randint(4, 150), draw.randint(4, 150), 3)
    levels = numpy.frombuffer(draw.randbytes(shape[0] * shape[1] * 3), numpy.uint8)
    return Image.fromarray(levels.reshape(shape))


def maybe(**options):
    return {name: value for name, value in options.items() if draw.random() < 0.5}


def exif():
    return fixtures.tiff(draw.choice("<>"), 3, draw.randint(1, 8))


def either():
    return draw.choice([scene, noise])()


def pillow_jpeg():
    image = either().convert(draw.choice(["RGB", "RGB", "RGB", "L", "CMYK"]))
    options = maybe(progressive=True, optimize=True, exif=b"Exif\0\0" + exif(), comment=b"a comment", keep_rgb=image.mode == "RGB" and draw.random() < 0.2)
    options |= draw.choice([{}, {"restart_marker_blocks": draw.randint(1, 20)}, {"restart_marker_rows": draw.randint(1, 3)}])
    if image.mode == "RGB" and not options.get("keep_rgb"):
        options["subsampling"] = draw.choice(["4:4:4", "4:2:2", "4:2:0"])
    return "jpg", fixtures.saved(image, "JPEG", quality=draw.randint(80, 100), **options)


def cjpeg():
    options = draw.choice([[], [], ["-progressive"], ["-progressive"], ["-optimize"], ["-optimize"], ["-arithmetic"]])
    options = options + draw.choice([[], ["-restart", str(draw.randint(1, 4))], ["-restart", f"{draw.randint(1, 9)}B"]])
    options += ["-grayscale"] if draw.random() < 0.2 else []
    sampling = draw.choice(["1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2"])
    return "jpg", fixtures.cjpeg(either(), "-sample", sampling, *options)


def jpegtran():
    of = fixtures.cjpeg(either(), "-sample", draw.choice(["1x1", "2x1", "1x2", "2x2"]))
    options = draw.choice([["-rotate", "90"], ["-rotate", "180"], ["-flip", "horizontal"], ["-transpose"], ["-grayscale"], ["-progressive"], ["-optimize"]])
    return "jpg", subprocess.run(["jpegtran", "-copy", "all", *options], input=of, check=True, capture_output=True).stdout


def pillow_png():
    image, mode = noise(), draw.choice(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
    options = maybe(exif=exif(), optimize=True, compress_level=draw.randint(0, 9))
    if mode == "I;16":
        levels = numpy.asarray(image).astype(numpy.uint16)
        image = Image.fromarray((levels[:, :, 0] << 8) | levels[:, :, 1])
    elif mode in ("LA", "RGBA"):
        image.putalpha(ImageOps.invert(image.convert("L")))
        image = image.convert(mode)
    elif mode == "P":
        bits = draw.choice([1, 2, 4, 8])
        image = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=2**bits)
        options |= {"bits": bits} | maybe(transparency=draw.randrange(2**bits))
    else:
        image = image.convert(mode)
        if mode in ("L", "RGB"):
            options |= maybe(transparency=image.getpixel((0, 0)))
    return "png", fixtures.saved(image, "PNG", **options)


def pillow_webp():
    lossless = draw.random() < 0.6
    image = noise() if lossless else scene()
    if draw.random() < 0.4:
        image.putalpha(image.convert("L"))
    options = maybe(exif=exif(), method=draw.randint(0, 6), exact=True)
    return "webp" if lossless else "lossy.webp", fixtures.saved(image, "WEBP", lossless=lossless, quality=draw.randint(80, 100), **options)


def pillow_gif():
    colours = draw.choice([2, 3, 4, 16, 100, 256])
    images = [noise().convert("P", palette=Image.Palette.ADAPTIVE, colors=colours) for _ in range(draw.choice([1, 1, 3]))]
    images = [image.resize(images[0].size) for image in images]
    options = maybe(interlace=0, transparency=draw.randrange(colours), optimize=True)
    return "gif", fixtures.saved(images[0], "GIF", save_all=len(images) > 1, append_images=images[1:], **options)


def pillow_bmp():
    image, mode = noise(), draw.choice(["1", "L", "P", "RGB"])
    return "bmp", fixtures.saved(image.convert(mode), "BMP")


def main():
    count, folder = int(sys.argv[2]), pathlib.Path(sys.argv[3])
    makers = [pillow_jpeg, pillow_jpeg, pillow_png, pillow_png, pillow_webp, pillow_gif, pillow_bmp]
    makers += [maker for maker in [cjpeg, jpegtran] if shutil.which(maker.__name__) and shutil.which("cjpeg")]
    made = collections.Counter()
    for number in range(count):
        maker = draw.choice(makers)
        ending, content = maker()
        name = f"{number:04}.{ending}"
        (folder / name).write_bytes(content)
        (folder / f"{name}.ppm").write_bytes(fixtures.saved(fixtures.read(content), "PPM"))
        made[maker.__name__.removeprefix("pillow_")] += 1
    print(", ".join(f"{number} {maker}" for maker, number in sorted(made.items())))


main()
