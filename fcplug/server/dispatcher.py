"""The threads that answer requests."""

import threading
from collections.abc import Callable

from waitress.channel import HTTPChannel
from waitress.task import ThreadedTaskDispatcher


class Dispatcher(ThreadedTaskDispatcher):
    """A fixed number of daemon threads that answer requests, first come first served.

    Waiting in line is normal here and its length no news: unlike waitress's own dispatcher this
    one does not log it (a line for most requests once more are in flight than threads).
    """

    def __init__(self, name: str, threads: int) -> None:
        super().__init__()
        self._name = name
        self.set_thread_count(threads)

    def start_new_thread(self, target: Callable[[int], None], thread_no: int) -> None:
        """Start a thread that is named for what it does and never keeps the process alive."""
        name = f"{self._name}-{thread_no}"
        threading.Thread(target=target, name=name, args=(thread_no,), daemon=True).start()

    def add_task(self, task: HTTPChannel) -> None:
        """Put a channel whose first request is complete in line."""
        with self.lock:
            self.queue.append(task)
            self.queue_cv.notify()

    @property
    def busy(self) -> bool:
        """Whether any request is being answered, or waits for a thread."""
        return bool(self.queue) or self.active_count > 0

    @property
    def waiting(self) -> int:
        """How many requests no thread has taken yet."""
        return len(self.queue)

    def stop(self) -> bool:
        """Drop who waits in line, end the idle threads; tell whether all of them are gone."""
        with self.lock:
            self.queue.clear()
        self.set_thread_count(0)
        with self.lock:
            return self.thread_exit_cv.wait_for(lambda: not self.threads, timeout=0.1)
