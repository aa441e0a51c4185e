"""Photos for tests."""

import io

from PIL import Image, ImageDraw


def photo(size: tuple[int, int] = (1600, 1200)) -> bytes:
    """Make what a camera makes: a JPEG of many colours, turned by its EXIF orientation."""
    image = Image.radial_gradient("L").resize(size).convert("RGB")
    draw = ImageDraw.Draw(image)
    for step in range(0, size[0], 40):
        draw.line([(step, 0), (size[0] - step, size[1])], fill=(step % 256, 90, 200), width=5)
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was held upright
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()
