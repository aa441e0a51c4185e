"""Image bytes to a smaller upright picture without metadata, and that to bytes again. Pure."""

from functools import partial
from io import BytesIO
from typing import NamedTuple

# WebP by name: for a format that is not yet registered, Image.open imports all of Pillow's 40.
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError, WebPImagePlugin  # noqa: F401

from fcplug_thumbnail.errors import BadImage

EXTENSIONS = {"jpeg": "jpg", "png": "png", "gif": "gif", "webp": "webp"}
"""The formats read and written, and how a file of each is called."""

MAX_PIXELS = 89_478_485
"""Pillow's own bound for one image: beyond it, it warns on opening."""

MAX_SIDE = 16_383
"""The most pixels on a side of a WebP; the other formats allow more."""

_SIDEWAYS = (5, 6, 7, 8)
_COLOUR_SPACE = {"L": b"GRAY", "RGB": b"RGB ", "RGBA": b"RGB "}


class Picture(NamedTuple):
    """Pixels of mode L, RGB or RGBA, upright, and the format they came in.

    ``image.info`` holds the colour profile, if any, and nothing else.
    """

    image: Image.Image
    format: str


def decode(data: bytes, source: str, box: tuple[int, int], max_pixels: int) -> Picture:
    """Return the image (of an animation its first frame), shrunk to fit the box.

    Args:
        data: the encoded image.
        source: what the errors call it.
        box: width and height in pixels, as seen upright.
        max_pixels: the most that is decoded.

    Raises:
        BadImage: the format is not known, the image is truncated, damaged or too large.
    """
    refused = partial(BadImage, source, len(data))
    try:
        with Image.open(BytesIO(data), formats=tuple(EXTENSIONS)) as image:
            if image.width * image.height > max_pixels:
                raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
            # A JPEG with more pictures in it, as some cameras write, is an MPO to Pillow.
            name = "jpeg" if image.format == "MPO" else str(image.format).lower()
            return Picture(_shrunk(image, box), name)
    except UnidentifiedImageError as error:
        known = ", ".join(EXTENSIONS)
        raise refused(f"format unknown: none of {known}, or cut off in its header") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise refused(f"too large: {error}; max_pixels allows {max_pixels}") from error
    except Exception as error:  # on hostile bytes decoders raise anything; there is no list
        raise refused(f"truncated or damaged: {error}") from error


def encode(image: Image.Image, to: str, quality: int) -> bytes:
    """Return an image's bytes in a format of ``EXTENSIONS``; JPEG shows transparency as white."""
    profile = image.info.get("icc_profile", b"")
    if to == "jpeg" and image.mode == "RGBA":
        page = Image.new("RGB", image.size, "white")
        page.paste(image, mask=image.getchannel("A"))
        image = page
    out = BytesIO()
    image.save(out, to, quality=quality, optimize=True, icc_profile=profile)
    return out.getvalue()


def _shrunk(image: Image.Image, box: tuple[int, int]) -> Image.Image:
    sideways = image.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS
    image = _continuous(image)
    # Turned after shrinking, so that a JPEG is decoded at a fraction of its size.
    image.thumbnail(box[::-1] if sideways else box, Image.Resampling.LANCZOS)
    image = ImageOps.exif_transpose(image)
    if image.mode == "CMYK":
        image = image.convert("RGB")
    profile = image.info.get("icc_profile") or b""
    fits = profile[16:20] == _COLOUR_SPACE[image.mode]
    image.info = {"icc_profile": profile} if fits else {}
    return image


def _continuous(image: Image.Image) -> Image.Image:
    """Return the image in a mode whose pixels can be averaged: L, RGB, RGBA or CMYK."""
    if image.mode.startswith("I"):
        # Converting 16 bits to 8 clips: everything but the darkest greys would be white.
        image = image.convert("I").point(lambda value: value / 256).convert("L")
        image.info.pop("transparency", None)
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")
