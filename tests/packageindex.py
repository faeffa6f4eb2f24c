"""A package index that can vanish."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path


class _Pages(http.server.SimpleHTTPRequestHandler):
    """Files that are to be asked for each time."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "max-age=0")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def package_index(folder: Path, *wheels: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """An index that has these wheels: its URL, and what makes it stop answering.

    Args:
        folder: made for its pages.
        wheels: files, named as the format has it.
    """
    for wheel in wheels:
        page = folder / "simple" / wheel.name.partition("-")[0].replace("_", "-") / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(f'<a href="/{wheel.name}">{wheel.name}</a>', encoding="utf-8")
        shutil.copy(wheel, folder)
    handler = partial(_Pages, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def vanish() -> None:
        server.shutdown()
        server.server_close()

    try:
        yield f"http://127.0.0.1:{server.server_port}/simple", vanish
    finally:
        vanish()
        thread.join()
