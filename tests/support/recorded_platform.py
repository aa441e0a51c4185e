"""A platform with a history that a test writes: what lists, filters and charts need."""

import time

from fcplug.platform.model import Call, Happening
from support.small_platform import SmallPlatform, answer, failure

_FUNCTIONS = ("echo", "fails", "site")


class RecordedPlatform(SmallPlatform):
    """A small platform that can be given many calls at once."""

    def record(self, count: int) -> None:
        """Record calls of several functions, of which every seventh failed."""
        for number in range(count):
            call = Call(
                function=_FUNCTIONS[number % len(_FUNCTIONS)],
                request_id=f"1-{int(time.time()):08x}-{number:08x}-{number:012x}",
                payload=b'{"order": %d, "customer": "Ada"}' % number,
            )
            outcome = failure() if number % 7 == 0 else answer(b'{"done": %d}' % number)
            self._history.end(self._history.begin(call), outcome)

    def tell(self, happening: Happening) -> None:
        """Send to all who follow what happened in the queue."""
        super().tell(happening)
        self._followers.tell(happening.kind, lambda: happening.value)
