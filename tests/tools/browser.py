"""The pages as a browser shows them: formulas, requests, links, narrow screens, the search.

`python3 tests/tools/browser.py docs/_build` looks at the pages that `make docs` has made, and prints what is wrong. It
needs chromium, and nothing else than Python itself, so that it runs outside of the environment of the project, too.
"""

import functools
import http.server
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlparse

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=BackForwardCache",
    "--remote-debugging-pipe",
]
NARROW, WIDE = 400, 1300
SECONDS = 60.0
MANY = 50  # pages for one browser: after some hundred and fifty it becomes slow

# what is evaluated in a page, when it is loaded
LOOK = """
(() => {
  const formulas = [...document.querySelectorAll("span.math, div.math")];
  return {
    formulas: formulas.length,
    raw: formulas.filter(f => !f.querySelector("math")).map(f => f.textContent.slice(0, 60)),
    wrong: [...document.querySelectorAll(".katex-error")].map(f => f.title.slice(0, 100)),
    flat: formulas.filter(f => f.getBoundingClientRect().height < 5).length,
    broken: [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src),
    width: document.documentElement.scrollWidth,
    copy: document.querySelectorAll("button.copybtn").length,
    code: document.querySelectorAll("div.highlight pre").length,
  };
})()
"""
FOUND = "[...document.querySelectorAll('#search-results ul.search li a')].map(a => a.textContent)"


class Elements(HTMLParser):
    """Names of places, links, and what a page loads."""

    def __init__(self, text):
        super().__init__()
        self.places, self.links, self.loads = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.places |= {known[name] for name in ("id", "name") if known.get(name)}
        if tag == "a" and known.get("href"):
            self.links.append(known["href"])
        elif known.get("src"):
            self.loads.append(known["src"])
        elif tag == "link" and known.get("href") and known.get("rel") not in ("next", "prev", "index", "search"):
            self.loads.append(known["href"])


def pages(folder):
    """All pages, but those of the source code."""
    return sorted(path for path in folder.rglob("*.html") if not {"_modules", "_static"} & set(path.parts))


def broken_links(folder):
    """Links to files or places that are not there, and what is loaded from other machines."""
    files = [path for path in folder.rglob("*.html") if "_static" not in path.parts]
    parsed = {path.resolve(): Elements(path.read_text()) for path in files}
    wrong = []
    for path, page in parsed.items():
        for address in page.loads:
            if urlparse(address).netloc or not (path.parent / unquote(urlparse(address).path)).exists():
                wrong.append(f"{path.name} loads {address}")
        for address in page.links:
            bare, place = urldefrag(address)
            if urlparse(bare).scheme or urlparse(bare).netloc:
                continue
            goal = (path.parent / unquote(urlparse(bare).path)).resolve() if bare else path
            if not goal.exists():
                wrong.append(f"{path.name} links to {address}")
            elif place and goal in parsed and unquote(place) not in parsed[goal].places:
                wrong.append(f"{path.name} links to a place that {goal.name} has not: {place}")
    return sorted(set(wrong))


class Browser:
    """Chromium, spoken to through a pair of pipes."""

    def __init__(self, program):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        down, up = os.pipe(), os.pipe()

        def wire():
            # the ends of the browser are 3 and 4; first away from these numbers, whatever they are
            ends = os.dup2(down[0], 100), os.dup2(up[1], 101)
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        command = [program, *OPTIONS, f"--user-data-dir={self.folder.name}", "about:blank"]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, preexec_fn=wire, close_fds=False, **quiet)
        os.close(down[0])
        os.close(up[1])
        self.write, self.read = down[1], up[0]
        self.number, self.rest, self.events, self.session = 0, b"", [], None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.ask(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        """End it."""
        self.process.terminate()
        self.process.wait(20)
        os.close(self.write)
        os.close(self.read)
        self.folder.cleanup()

    def ask(self, method, **parameters):
        """Call a method of the protocol; its result. Events on the way are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.next_message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def next_message(self, seconds=SECONDS):
        """What the browser says next; None when it says nothing for so long."""
        while b"\0" not in self.rest:
            if not select.select([self.read], [], [], seconds)[0]:
                if seconds == SECONDS:
                    raise TimeoutError("the browser does not answer")
                return None
            part = os.read(self.read, 1 << 16)
            if not part:
                raise RuntimeError("the browser has ended")
            self.rest += part
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def screen(self, width):
        """Another width of the screen."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)

    def open(self, address):
        """Load a page on a wide screen, and wait until nothing is loaded any more."""
        self.screen(WIDE)
        self.events = []
        self.ask("Page.navigate", url=address)
        end = time.monotonic() + SECONDS
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            message = self.next_message(1.0)
            if message:
                self.events.append(message)
            if time.monotonic() > end:
                raise TimeoutError(address)
        while time.monotonic() < end and (message := self.next_message(0.05)) is not None:
            self.events.append(message)

    def evaluate(self, expression):
        """The value of an expression of JavaScript in the page."""
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def requests(self):
        """Addresses that the page has asked for since it was opened."""
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def exceptions(self):
        """What its scripts have thrown."""
        thrown = [event for event in self.events if event.get("method") == "Runtime.exceptionThrown"]
        return [event["params"]["exceptionDetails"]["text"] for event in thrown]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server that says nothing."""

    def log_message(self, *arguments):
        """Nothing."""


def looked_at(browser, root, page):
    """What is wrong with a page, on a wide screen and on a narrow one, and the number of its formulas."""
    browser.open(root + page)
    seen = browser.evaluate(LOOK)
    browser.screen(NARROW)
    narrow = browser.evaluate("document.documentElement.scrollWidth")
    wrong = [f"{page} asks for {url}" for url in browser.requests() if not url.startswith((root, "data:", "blob:"))]
    wrong += [f"{page} throws {text}" for text in browser.exceptions()]
    wrong += [f"{page} leaves a formula as it is: {text}" for text in seen["raw"]]
    wrong += [f"{page} has a formula that cannot be read: {text}" for text in seen["wrong"]]
    wrong += [f"{page} lacks a picture: {source}" for source in seen["broken"]]
    if seen["flat"]:
        wrong.append(f"{page} shows {seen['flat']} formulas without height")
    if seen["code"] and not seen["copy"]:
        wrong.append(f"{page} has code without buttons to copy it")
    wrong += [f"{page} is {w} wide on a screen of {s}" for w, s in ((seen["width"], WIDE), (narrow, NARROW)) if w > s]
    return wrong, seen["formulas"]


def searched(browser, root, word, seconds=20.0):
    """The titles that the search finds."""
    browser.open(f"{root}search.html?q={word}")
    end = time.monotonic() + seconds
    while not (found := browser.evaluate(FOUND)) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def colours(browser, root):
    """The background by day and by night."""
    browser.open(root + "index.html")
    asked = "getComputedStyle(document.body).backgroundColor"
    return [
        browser.evaluate(f"document.documentElement.dataset.theme = '{theme}'; {asked}") for theme in ("light", "dark")
    ]


def look(folder, program, some=None):
    """Look at all pages, or at some, wide and narrow: what is wrong, and the number of formulas."""
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    root, wrong, formulas = f"http://127.0.0.1:{server.server_port}/", [], 0
    names = [path.relative_to(folder).as_posix() for path in pages(folder)]
    names = [page for page in names if some is None or some(page)]
    try:
        for first in range(0, len(names), MANY):
            with Browser(program) as browser:
                for page in names[first : first + MANY]:
                    found, number = looked_at(browser, root, page)
                    wrong, formulas = wrong + found, formulas + number
        with Browser(program) as browser:
            if not any("MultiscalePotential" in title for title in searched(browser, root, "MultiscalePotential")):
                wrong.append("the search does not find MultiscalePotential")
            day, night = colours(browser, root)
            if day == night:
                wrong.append("there is no dark mode")
    finally:
        server.shutdown()
    return sorted(set(wrong)), formulas


def chromium():
    """The program, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


if __name__ == "__main__":
    place = Path(sys.argv[1]).resolve()
    if chromium() is None:
        sys.exit("there is no chromium here: apt-get install chromium")
    links = broken_links(place)
    others, count = look(place, chromium())
    print("\n".join(links + others + [f"{len(pages(place))} pages, {count} formulas"]))
    sys.exit(1 if links or others else 0)
