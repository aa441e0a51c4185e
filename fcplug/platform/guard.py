"""A small process that ends the instances if the platform cannot: when it was killed."""

import contextlib
import subprocess
import threading

# it reads process groups that begin (+) and end (-), until its input ends, as the platform has then
_SCRIPT = """\
groups=
while read -r sign number; do
    if [ "$sign" = + ]; then
        groups="$groups $number"
        continue
    fi
    left=
    for group in $groups; do
        [ "$group" = "$number" ] || left="$left $group"
    done
    groups=$left
done
for group in $groups; do
    kill -s KILL -- "-$group" 2>/dev/null
done
"""


class Guard:
    """Knows the process groups of the instances. The guarding process starts with the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def add(self, group: int) -> None:
        """Guard a process group."""
        with self._lock:
            if self._process is None and not self._closed:
                self._process = subprocess.Popen(  # noqa: S603 - our own script
                    ["/bin/sh", "-c", _SCRIPT],
                    cwd="/",
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C is for the platform
                )
            self._send("+", group)

    def remove(self, group: int) -> None:
        """Forget a process group, which has ended: its number may be given to another."""
        with self._lock:
            self._send("-", group)

    def close(self) -> None:
        """End the guarding process."""
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            process.wait()

    def _send(self, sign: str, group: int) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # somebody ended it
                self._process.stdin.write(f"{sign} {group}\n".encode())
                self._process.stdin.flush()
