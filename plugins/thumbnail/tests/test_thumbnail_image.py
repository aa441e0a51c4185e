import struct
import zlib
from io import BytesIO

import pytest
from PIL import ExifTags, Image, ImageCms
from PIL.TiffImagePlugin import IFDRational

from fcplug_thumbnail import BadImage
from fcplug_thumbnail.image import decode, encode

BOX = (40, 40)
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def saved(image: Image.Image, to: str, **options: object) -> bytes:
    out = BytesIO()
    image.save(out, to, **options)
    return out.getvalue()


def thumbnail(data: bytes, to: str = "", box: tuple[int, int] = BOX) -> Image.Image:
    picture = decode(data, "the event", box, 1_000_000)
    image = Image.open(BytesIO(encode(picture.image, to or picture.format, 90)))
    image.load()
    return image


def refusal(data: bytes, max_pixels: int = 1_000_000) -> str:
    with pytest.raises(BadImage) as caught:
        decode(data, "the event", BOX, max_pixels)
    return str(caught.value)


def noise(width: int, height: int) -> Image.Image:
    return Image.effect_noise((width, height), 80).convert("RGB")


def photo(orientation: int, *, upright: tuple[int, int] = (200, 100)) -> bytes:
    """Return a JPEG as a camera writes it: red on the left when seen upright, with GPS data."""
    seen = Image.new("RGB", upright, BLUE)
    seen.paste(RED, (0, 0, upright[0] // 2, upright[1]))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = seen.transpose(undo[orientation]) if orientation in undo else seen
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Artist] = "Ada"
    latitude = (IFDRational(59), IFDRational(19), IFDRational(45))
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitude: latitude}
    return saved(stored, "JPEG", exif=exif, comment=b"at home")


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one chunk of a PNG."""
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png_header(width: int, height: int) -> bytes:
    """Return a few bytes that claim to be a PNG of that size."""
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", size), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b""))
    )


def near(pixel: object, colour: tuple[int, ...]) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= 12 for a, b in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("to", ["JPEG", "PNG", "GIF", "WEBP"])
def test_an_image_shrinks_in_its_own_format(to: str) -> None:
    image = thumbnail(saved(noise(400, 300), to))
    assert (image.format, image.size) == (to, (40, 30))


@pytest.mark.parametrize("to", ["jpeg", "png", "gif", "webp"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_pixel_can_be_written_in_every_format(mode: str, to: str) -> None:
    image = thumbnail(saved(Image.new(mode, (80, 60)), "PNG"), to)
    assert (image.format, image.size) == (to.upper(), (40, 30))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((400, 100), (40, 10)), ((100, 400), (10, 40)), ((3000, 1), (40, 1)), ((1, 3000), (1, 40))],
)
def test_the_aspect_ratio_is_kept(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert thumbnail(saved(Image.new("RGB", size), "PNG")).size == expected


@pytest.mark.parametrize("to", ["JPEG", "PNG", "GIF", "WEBP"])
def test_an_image_is_never_enlarged(to: str) -> None:
    assert thumbnail(saved(noise(20, 10), to)).size == (20, 10)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_shown_upright_within_the_box(orientation: int) -> None:
    image = thumbnail(photo(orientation), box=(60, 40))
    assert image.size == (60, 30)
    assert near(image.getpixel((5, 15)), (254, 0, 0))
    assert near(image.getpixel((55, 15)), (0, 0, 254))


def test_a_small_photo_is_turned_too() -> None:
    assert thumbnail(photo(6, upright=(30, 10))).size == (30, 10)


def test_an_orientation_in_a_png_counts() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    assert thumbnail(saved(noise(200, 100), "PNG", exif=exif)).size == (20, 40)


@pytest.mark.parametrize("to", ["jpeg", "png", "gif", "webp"])
def test_place_author_and_comment_of_a_photo_are_not_copied(to: str) -> None:
    source = Image.open(BytesIO(photo(6)))
    assert source.getexif().get_ifd(ExifTags.IFD.GPSInfo)
    image = thumbnail(photo(6), to)
    assert not image.getexif()
    assert not {"exif", "comment", "xmp"} & set(image.info)


def test_a_comment_in_a_gif_is_not_copied() -> None:
    data = saved(noise(80, 60), "GIF", comment=b"at home")
    assert Image.open(BytesIO(data)).info["comment"] == b"at home"
    assert "comment" not in thumbnail(data).info


def test_an_exif_block_that_is_garbage_does_not_lose_the_picture() -> None:
    data = saved(noise(80, 60), "JPEG", exif=b"Exif\0\0garbage garbage")
    assert thumbnail(data).size == (40, 30)


@pytest.mark.parametrize("to", ["jpeg", "png", "webp"])
def test_the_colour_profile_is_kept(to: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(noise(80, 60), "JPEG", icc_profile=profile)
    assert thumbnail(data, to).info["icc_profile"] == profile


def test_the_profile_of_other_colours_is_dropped() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    data = saved(noise(80, 60), "JPEG", icc_profile=profile)
    assert "icc_profile" not in thumbnail(data).info


def test_a_cmyk_jpeg_keeps_its_colours_as_rgb() -> None:
    image = thumbnail(saved(Image.new("CMYK", (80, 60), (0, 255, 255, 0)), "JPEG"))
    assert image.mode == "RGB"
    assert near(image.getpixel((10, 10)), (254, 0, 0))


def test_a_jpeg_with_several_pictures_stays_a_jpeg() -> None:
    data = saved(noise(80, 60), "MPO", save_all=True, append_images=[noise(80, 60)])
    assert Image.open(BytesIO(data)).format == "MPO"
    assert thumbnail(data).format == "JPEG"


def test_transparency_stays_in_a_png() -> None:
    image = thumbnail(saved(Image.new("RGBA", (80, 60), (0, 255, 0, 0)), "PNG"))
    assert image.getchannel("A").getextrema() == (0, 0)


def test_transparency_is_white_in_a_jpeg() -> None:
    source = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
    source.paste((0, 0, 255, 255), (0, 0, 80, 40))
    image = thumbnail(saved(source, "PNG"), "jpeg")
    assert near(image.getpixel((20, 35)), WHITE)
    assert near(image.getpixel((20, 5)), BLUE)


def test_a_palette_with_a_transparent_colour_is_white_there_in_a_jpeg() -> None:
    source = Image.new("P", (80, 60), 1)
    source.putpalette([255, 0, 0, 0, 255, 0])
    image = thumbnail(saved(source, "PNG", transparency=1), "jpeg")
    assert near(image.getpixel((10, 10)), WHITE)


def test_the_colours_of_a_palette_are_averaged_not_picked() -> None:
    stripes = Image.new("P", (80, 80))
    stripes.putpalette([0, 0, 0, 255, 255, 255])
    for x in range(0, 80, 2):
        stripes.paste(1, (x, 0, x + 1, 80))
    image = thumbnail(saved(stripes, "PNG"))
    assert near(image.getpixel((20, 20)), (127, 127, 127))


def test_sixteen_bit_greys_stay_grey() -> None:
    image = thumbnail(saved(Image.new("I;16", (80, 60), 0x8000), "PNG"))
    assert image.mode == "L"
    assert image.getpixel((10, 10)) == 128


def test_sixteen_bit_greys_lose_a_transparent_one() -> None:
    data = saved(Image.new("I;16", (80, 60), 0x8000), "PNG")
    header = data.index(b"IDAT") - 4
    image = thumbnail(data[:header] + chunk(b"tRNS", b"\x80\x00") + data[header:])
    assert image.mode == "L"
    assert image.getpixel((10, 10)) == 128


@pytest.mark.parametrize("to", ["GIF", "WEBP"])
def test_an_animation_is_its_first_frame(to: str) -> None:
    frames = [Image.new("RGB", (80, 60), colour) for colour in (RED, GREEN, BLUE)]
    data = saved(frames[0], to, save_all=True, append_images=frames[1:], duration=50)
    image = thumbnail(data)
    assert getattr(image, "n_frames", 1) == 1
    assert near(image.convert("RGB").getpixel((10, 10)), (254, 0, 0))


def test_a_lower_quality_is_a_smaller_file() -> None:
    image = decode(saved(noise(80, 60), "PNG"), "the event", BOX, 1_000_000).image
    assert len(encode(image, "jpeg", 10)) < len(encode(image, "jpeg", 90))


@pytest.mark.parametrize("data", [b"", b"garbage", b"\xff\xd8\xff\xe0", b"%!PS-Adobe-3.0 EPSF-3.0"])
def test_an_unknown_format_is_refused_with_its_size(data: bytes) -> None:
    assert refusal(data) == (
        f"the event ({len(data)} bytes): format unknown: none of jpeg, png, gif, webp, "
        "or cut off in its header"
    )


def test_a_format_that_pillow_knows_and_we_do_not_is_refused() -> None:
    assert "format unknown" in refusal(saved(noise(8, 8), "BMP"))


@pytest.mark.parametrize("to", ["JPEG", "PNG", "GIF", "WEBP"])
def test_a_truncated_image_is_refused(to: str) -> None:
    data = saved(noise(400, 300), to)
    half = data[: len(data) // 2]
    assert refusal(half).startswith(f"the event ({len(half)} bytes): truncated or damaged: ")


def test_a_damaged_image_is_refused() -> None:
    data = bytearray(saved(noise(80, 60), "PNG"))
    data[60:90] = bytes(30)
    assert refusal(bytes(data)).startswith(f"the event ({len(data)} bytes): truncated or damaged: ")


def test_an_image_of_more_pixels_than_allowed_is_refused_undecoded() -> None:
    data = png_header(2000, 1000)
    assert refusal(data, max_pixels=1_999_999) == (
        f"the event ({len(data)} bytes): too large: 2000 x 1000 pixels; max_pixels allows 1999999"
    )


def test_an_image_of_just_the_pixels_allowed_is_decoded() -> None:
    data = saved(Image.new("L", (200, 100)), "PNG")
    assert decode(data, "the event", BOX, 20_000).image.size == (40, 20)


@pytest.mark.parametrize("side", [10_000, 20_000, 2**31 - 1])
def test_a_bomb_is_refused_where_pillow_warns_of_it_or_refuses_it(side: int) -> None:
    assert "too large: " in refusal(png_header(side, side))
