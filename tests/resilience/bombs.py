"""Configurations that are bombs: each edit is refused soon, in little memory."""

import os
import time
from pathlib import Path

from resilience import processes
from resilience.bar import Bar, Report
from resilience.deployment import Editor, running

GOOD = "version: 1\nfunctions: {f: {handler: chaos.echo}}\n"
HEAD = "version: 1\n"
BOMBS: dict[str, str] = {
    "a billion laughs": HEAD
    + 'a: &a ["lol", "lol"]\n'
    + "".join(f"{b}: &{b} [{f'*{a},' * 9}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "merge keys": HEAD + "x: &x {a: 1}\n" + "".join(f"y{n}: {{<<: *x}}\n" for n in range(10_000)),
    "a list in itself": HEAD + "functions: &f [*f]\n",
    "brackets": "[" * 250_000,
    "braces": HEAD + "functions: " + "{a: " * 20_000,
    "deep blocks": "".join(f"{' ' * n}a:\n" for n in range(600)),
    "as large as may be": HEAD + "functions:\n" + "  f: {handler: x.y}\n" * 12_000,
    "many functions": HEAD
    + "functions:\n"
    + "".join(f"  f{n}: {{handler: x.y, setings: {{}}}}\n" for n in range(1_660)),
    "too large": GOOD + "#" * (2 << 20),
    "a python object": HEAD + "functions: !!python/object/apply:os._exit [9]\n",
    "digits": HEAD + "functions: {f: {handler: chaos.echo, timeout: " + "9" * 250_000 + "}}\n",
    "an impossible date": HEAD + "functions: {f: {handler: 2024-00-01}}\n",
    "a flood of mistakes": HEAD + "functions:\n" + "  f: [1_000, no, 010]\n" * 1_990,
    "control characters": HEAD + "functions: {f: {handler: \x00\x1b}}\n",
    "not a number": HEAD + "functions: {f: {handler: chaos.echo, timeout: .nan}}\n",
    "nothing but braces": HEAD + "functions: {" + "{}: {}, " * 4_990 + "}\n",
    "a scalar of lines": HEAD + 'functions: "' + "\n" * 250_000 + '"\n',
    "a scalar of escapes": HEAD + 'functions: "' + "\\x41" * 60_000 + '"\n',
    "directives": "%YAML 1.1\n" * 20_000 + "---\n" + GOOD,
}


def special(name: str, aside: Path) -> None:
    """Replace the file by something that is not a text file."""
    aside.unlink(missing_ok=True)
    if name == "a pipe":
        os.mkfifo(aside)
    else:
        aside.symlink_to("/dev/zero")


def run(size: int, report: Report) -> None:
    """Try so many bombs on an instance that serves."""
    slowest, most, refused = 0.0, 0.0, 0
    shown: list[str] = []
    with running(GOOD) as (instance, folder):
        pid, editor = instance.process.pid, Editor(instance, folder)
        aside = editor.file.with_suffix(".new")
        names = ["an endless device", *BOMBS, "a pipe"][:size]
        for name in names:
            processes.forget_peak(pid)
            before = processes.peak(pid)
            if name in BOMBS:
                aside.write_text(BOMBS[name])
                long_ago = time.time() - 10
                os.utime(aside, (long_ago, long_ago))
            else:
                special(name, aside)
            aside.replace(editor.file)
            began = time.monotonic()
            took_over = editor.look()
            seconds = time.monotonic() - began
            grown = (processes.peak(pid) - before) / processes.MIB
            answer = instance.invoke("f", b"still")
            refused += not took_over and (answer.status, answer.body) == (200, b"still")
            shown.append(f"{name} {seconds * 1000:.0f} ms {grown:.0f} MiB")
            slowest, most = max(slowest, seconds), max(most, grown)
            report.progress(f"{name}: {seconds:.2f} s, {grown:.0f} MiB")
        again = editor.edit(GOOD.replace("chaos.echo", "chaos.size"))
        served = instance.invoke("f", b"12345").body
        code = instance.stop()
    report.expect(
        refused == len(names), f"{refused} of {len(names)} refused, the old one served on"
    )
    report.expect(again and served == b"5", "a good edit after that is taken over")
    report.expect(code == 0, f"exit code {code}")
    report.expect_within(slowest, 0.5, "slowest")
    report.expect(most <= 50, f"most memory {most:.0f} MiB (<= 50)")
    for line in shown:
        report.figure(line)


BAR = Bar(13, "bombs", "configuration bombs are refused soon", 99, 12, run)
