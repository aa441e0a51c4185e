"""The images: the same for what is built and for what deploys it."""

from fcplug.build import target
from fcplug.manifests.image import DEFAULT_IMAGE, IMAGES


def test_what_is_deployed_runs_the_python_that_the_package_is_built_for() -> None:
    built = {name: image.python.rpartition(".")[0] for name, image in target.IMAGES.items()}
    assert {name: image.version for name, image in IMAGES.items()} == built
    assert DEFAULT_IMAGE == target.DEFAULT_IMAGE
