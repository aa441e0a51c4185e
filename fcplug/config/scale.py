"""The key ``scale`` of a function: how many replicas it has on a cluster, and what each gets."""

from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1, le=10_000)]
Moment = Annotated[float, Meta(ge=0, le=86400, extra={"unit": "seconds"})]


class ScaleEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """How ``fcplug ray`` runs a function, and the files of ``fcplug manifest`` for a cluster."""

    replicas: Annotated[
        Count | None, Meta(description="replicas, always as many; null for one")
    ] = None
    min: Annotated[
        Annotated[int, Meta(ge=0, le=10_000)] | None,
        Meta(description="replicas at least, with max; 0 to start the first one at a call"),
    ] = None
    max: Annotated[
        Count | None, Meta(description="replicas at most: as many run as the calls need")
    ] = None
    target: Annotated[
        Annotated[float, Meta(gt=0, le=10_000)] | None,
        Meta(description="with max: calls at once that each replica should have"),
    ] = None
    up_after: Annotated[
        Moment | None, Meta(description="with max: seconds of load before replicas are added")
    ] = None
    down_after: Annotated[
        Moment | None, Meta(description="with max: seconds without load before they are removed")
    ] = None
    cpus: Annotated[
        Annotated[float, Meta(ge=0, le=10_000)] | None,
        Meta(description="processor cores that each replica reserves"),
    ] = None
    gpus: Annotated[
        Annotated[float, Meta(ge=0, le=10_000)], Meta(description="GPUs that each replica reserves")
    ] = 0
    memory: Annotated[
        Annotated[int, Meta(ge=1, extra={"unit": "bytes"})] | None,
        Meta(description="bytes that each replica reserves"),
    ] = None
    resources: Annotated[
        dict[str, Annotated[float, Meta(gt=0)]],
        Meta(description="resources of your own that a node must have, and how much of each"),
    ] = {}
    pool: Annotated[
        Annotated[
            str,
            Meta(
                pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$(?!\n)",
                description="a name: letters, digits, '_', '.' and '-', at most 128",
            ),
        ]
        | None,
        Meta(description="functions of the same pool share replicas, and have the same scale"),
    ] = None
