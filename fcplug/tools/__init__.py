"""The tools of authors and operators: check, explain, scaffold, invoke."""

from collections.abc import Mapping

PACKAGES = ("click", "cronsim", "jinja2", "packaging", "rich")
"""What the extra ``fcplug[tools]`` brings and every command of ``COMMANDS`` may import."""

COMMANDS: Mapping[str, str] = {
    "new": "make a project or a plugin package",
    "check": "check functions.yaml and every plugin that it names",
    "plugins": "list what is installed, what uses it and what it costs",
    "manifest": "write the files that deploy the functions",
    "route": "say which function answers a call, and why",
    "build": "build a code package for Function Compute",
    "doctor": "print what a bug report needs, and what is wrong with the installation",
    "events": "print a sample event of a trigger",
    "dev": "run the functions of a folder as Function Compute does",
    "invoke": "call a function and print its answer",
    "logs": "print what the functions of a running platform wrote",
    "record": "write the requests to a running platform to a file",
    "replay": "send recorded requests again and compare the answers",
    "diff": "show where the answers of two configurations differ",
    "ray": "run each function on a Ray cluster, on as many machines as it needs",
}
"""Each is the module of that name in this package, with a ``command``; imported when it is used."""
