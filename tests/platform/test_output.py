"""What instances write: given to their calls, bounded, whatever they write."""

import resource
from pathlib import Path

from fcplug.platform.emulator import Emulator
from support.platforms import event, stranger

MB = 1024 * 1024


def test_a_line_of_50_mb_is_cut(tmp_path: Path) -> None:
    code = b"run os.write(1, b'x' * 1024)\nfor _ in range(50): os.write(1, b'y' * 1048576)"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Emulator([stranger(tmp_path)]) as platform:
        outcome = platform.invoke(event(code + b"\nprint(flush=True); print('end', flush=True)"))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert outcome.succeeded
    _, cut, last = outcome.log.splitlines()
    assert (cut[:1024], last) == (b"x" * 1024, b"end")
    assert cut.endswith(f"... (cut: the line has {50 * MB + 1024} bytes)".encode())
    assert len(cut) < 33 * 1024
    assert grown * 1024 < 30 * MB


def test_the_last_of_much_output_is_kept(tmp_path: Path) -> None:
    code = b"run for n in range(400_000): print('line', n)\nprint('end', flush=True)"
    with Emulator([stranger(tmp_path)]) as platform:
        outcome = platform.invoke(event(code))
    assert len(outcome.log) <= MB
    assert outcome.log.endswith(b"line 399999\nend\n")


def test_a_line_without_an_end_belongs_to_its_call(tmp_path: Path) -> None:
    with Emulator([stranger(tmp_path)]) as platform:
        first = platform.invoke(event(b"run print('half', end='', flush=True)"))
        second = platform.invoke(event(b"run os.write(2, b'\\xff error\\n')"))
    assert first.log.endswith(b"half")
    assert second.log.endswith(b"\xff error\n")
    assert b"half" not in second.log
