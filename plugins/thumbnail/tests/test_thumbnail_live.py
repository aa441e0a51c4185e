"""The package in a real instance: ``bootstrap``, HTTP, threads and a worker process."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from oss_support import event, picture

from local_oss import LocalOSS, Stored


def test_a_real_instance_uses_the_credentials_of_each_call(start: Any, oss: LocalOSS) -> None:
    entry = {"handler": "thumbnail", "settings": {"endpoint": oss.url}}
    functions = {"threads": entry, "worker": {**entry, "isolation": "process", "workers": 1}}
    trusted = {"trust_callers": True}  # as on FC, where only FC can call
    instance = start(json.dumps({"version": 1, "runtime": trusted, "functions": functions}))
    people = [oss.add(name) for name in ("ada", "bob", "eve")]
    people[2].allowed = ()
    for person in people:
        oss.objects[f"photos/{person.key_id}.jpg"] = Stored(picture(60, 40))
    jobs = [(function, person) for function in ("threads", "worker") for person in people] * 4
    with ThreadPoolExecutor(6) as threads:
        answers = list(
            threads.map(
                lambda job: instance.call(job[0], job[1], event(f"{job[1].key_id}.jpg")), jobs
            )
        )
    for (_, person), answer in zip(jobs, answers, strict=True):
        url = f"oss://photos/{person.key_id}.jpg"
        if person is people[2]:
            assert answer["errorType"] == "AccessDenied"
        else:
            assert answer["written"][0]["thumbnail"] == f"{url}.thumb.jpg"
    for seen in oss.seen:
        owner = re.match(r"/photos/(.*?)\.jpg", seen.path)
        assert owner
        assert owner[1] == seen.key_id
    for _ in range(2):
        padded = json.loads(event(f"{people[0].key_id}.jpg"))
        padded["padding"] = "x" * 16 * 1024 * 1024
        assert "written" in instance.call("threads", people[0], json.dumps(padded).encode())
    assert instance.stop() == 0
    log = instance.log
    assert not [each for person in people for each in (person.secret, person.token) if each in log]
