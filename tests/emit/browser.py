"""A real browser, which judges pictures and pages: headless Chromium."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from html import unescape
from pathlib import Path

from judges import ROOT, lacking

_FETCHED = ROOT / ".cache" / "browser" / "bin" / "chromium-headless-shell"
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_LIMIT = 60  # seconds
_RESULT = re.compile(r'<pre id="judged"[^>]*>(.*?)</pre>', re.DOTALL)


@cache
def program() -> str:
    """The browser; the test does not go on without one."""
    fetched = str(_FETCHED) if _FETCHED.is_file() else None
    found = os.environ.get("VPCI_BROWSER") or fetched or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        lacking("no Chromium here (set VPCI_BROWSER, or run tools/fetch-browser.sh)")
    return found


def run(page: Path, *options: str, width: int = 1200, height: int = 900, log: Path | None = None) -> str:
    """What the browser prints of a page, with options such as --dump-dom; its complaints go into `log`."""
    done = subprocess.run(
        [program(), "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
         f"--window-size={width},{height}", f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()],
        capture_output=True, text=True, timeout=_LIMIT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    if log is not None:
        log.write_text(done.stderr)
    return done.stdout


def judged(page: Path, *options: str, width: int = 1200) -> str:
    """What a script of the page wrote into its `<pre id="judged">`."""
    shown = run(page, "--dump-dom", *options, width=width)
    match = _RESULT.search(shown)
    assert match, shown[-2000:]
    return unescape(match[1])
