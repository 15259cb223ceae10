"""Settings watch: the settings file read again when it changes; the last good settings stay in force."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from webhook.policy.objects import InvalidObject
from webhook.policy.settings import Settings
from webhook.policy.settings_file import load

log = logging.getLogger(__name__)

# A kubelet needs up to a minute to bring a changed ConfigMap anyway.
EVERY = 3.0


class SettingsWatch:
    """
    Holds the settings in force.

    A mounted ConfigMap is changed by turning a symbolic link, so what is compared is the file behind the name.
    """

    def __init__(self, path: Path) -> None:
        """
        Raises:
            InvalidObject: when the file is bad at the start, where there are no last good settings.
            OSError: when it cannot be read.
        """
        self._path = path
        self._mark = _mark(path)
        self.settings: Settings = load(path.read_text(encoding="utf-8"))
        self.error = ""
        self._listeners: list[Callable[[Settings], None]] = []
        self._stopping = threading.Event()

    def subscribe(self, listener: Callable[[Settings], None]) -> None:
        self._listeners.append(listener)

    def check(self) -> bool:
        """Read the file again if it changed; whether new settings are in force."""
        try:
            mark = _mark(self._path)
            if mark == self._mark:
                return False
            settings = load(self._path.read_text(encoding="utf-8"))
        except InvalidObject as e:
            self._refuse(e.path, e.message)
            self._mark = mark
            return False
        except (OSError, UnicodeDecodeError) as e:
            # In the middle of being replaced, or gone: looked at again next time.
            self._refuse(str(self._path), str(e))
            return False
        self._mark, self.error = mark, ""
        if settings == self.settings:
            return False
        self.settings = settings
        log.info("event=settings-loaded generation=%s", settings.generation)
        for listener in self._listeners:
            listener(settings)
        return True

    def run(self) -> None:
        """A thread's body, until `stop`."""
        while not self._stopping.wait(EVERY):
            self.check()

    def stop(self) -> None:
        self._stopping.set()

    def _refuse(self, path: str, message: str) -> None:
        error = f"{path}: {message}"
        if error != self.error:
            log.error("event=settings-refused path=%s error=%r in_force=%s", path, message, self.settings.generation)
        self.error = error


def _mark(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size
