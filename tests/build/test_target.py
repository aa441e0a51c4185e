"""Images, and the wheels that fit them."""

import pytest
from packaging.requirements import Requirement

from fcplug.build.target import IMAGES, Target


def test_the_newest_platforms_come_first_and_none_is_newer_than_the_image() -> None:
    tags = Target("custom.debian10", "3.10.9", "x86_64").wheel_platforms()
    assert tags[0] == "manylinux_2_28_x86_64"
    assert tags[-3:] == ["manylinux_2_5_x86_64", "manylinux1_x86_64", "linux_x86_64"]
    assert "manylinux2014_x86_64" in tags
    arm = Target("custom.debian12", "3.11.2", "aarch64").wheel_platforms()
    assert arm[0] == "manylinux_2_36_aarch64"
    assert arm[-2:] == ["manylinux2014_aarch64", "linux_aarch64"]


@pytest.mark.parametrize("image", IMAGES)
def test_markers_are_those_of_the_image_and_not_of_this_machine(image: str) -> None:
    target = Target(image, IMAGES[image].python, "aarch64")
    assert target.is_usual
    text = f"a; python_version == '{target.minor}' and platform_machine == 'aarch64'"
    marker = Requirement(text).marker
    assert marker is not None
    assert marker.evaluate({**target.markers(), "extra": ""})
    assert not Target(image, "3.13", "aarch64").is_usual
