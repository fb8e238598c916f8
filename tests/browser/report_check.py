#!/usr/bin/env python3
"""Check HTML reports in headless Chromium.

    report_check.py REPORT.html... [--screenshots FOLDER] [--browser PROGRAM]

Load each report at 390 and 1,280 pixels, light and dark, and check that

- the page does not scroll sideways, and no text is cut off or leaves the page;
- no text lies over another one, and no text of a plot is smaller than 9 pixels;
- texts differ from their ground by a contrast of 4.5 (3 for large ones), marks of plots by 3
  (WCAG 2.2 AA; grid, rails and grounds are decoration);
- nothing is loaded, and there are no scripts.

Prints one line for each fault. Exit status: 0 without faults, 1 with faults, 2 without a browser.
Needs the standard library of Python 3.8 and a Chromium or Chrome.
"""
import argparse
import base64
import html.parser
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

WIDTHS = {390: 844, 1280: 900}
SCHEMES = ("light", "dark")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Runs in the page and returns a list of faults.
CHECKS = r"""
(() => {
  const faults = [];
  const say = (what, text) => faults.push(what + (text ? ': "' + text.trim().slice(0, 60) + '"' : ''));
  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth) {
    say('the page scrolls sideways: ' + page.scrollWidth + ' of ' + page.clientWidth + ' pixels');
  }

  // ---- colours -----------------------------------------------------------------------------
  const parse = (text) => {
    const m = /rgba?\(([^)]+)\)/.exec(text);
    if (!m) return null;
    const v = m[1].split(/[ ,\/]+/).map(Number);
    return [v[0], v[1], v[2], v.length > 3 ? v[3] : 1];
  };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const luminance = (c) => {
    const f = c.slice(0, 3).map(v => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * f[0] + .7152 * f[1] + .0722 * f[2];
  };
  const contrast = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
    return (x + .05) / (y + .05);
  };
  const groundOf = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      if (e instanceof SVGElement) {
        const ground = e.tagName === 'svg' && e.querySelector(':scope > .ground');
        if (ground && e !== element) layers.push(parse(getComputedStyle(ground).fill));
        continue;
      }
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c && c[3] > 0) { layers.push(c); if (c[3] === 1) break; }
    }
    let color = [255, 255, 255, 1];
    for (const layer of layers.reverse()) color = over(layer, color);
    return color;
  };
  const opacityOf = (element) => {
    let o = 1;
    for (let e = element; e && e !== document.body; e = e.parentElement) o *= Number(getComputedStyle(e).opacity);
    return o;
  };
  const checkContrast = (element, text, color, least, opacity) => {
    if (!color) return;
    const ground = groundOf(element);
    const c = over([color[0], color[1], color[2], color[3] * opacity], ground);
    const value = contrast(c, ground);
    if (value < least) say('contrast ' + value.toFixed(2) + ' below ' + least + ' of <' + element.tagName + ' class=' + (element.getAttribute('class') || '') + '>', text);
  };

  // ---- texts -------------------------------------------------------------------------------
  const shown = (element) => {
    for (let e = element; e; e = e.parentElement) {
      if (e.tagName === 'DETAILS' && !e.open && element.closest('summary') === null) return false;
    }
    return element.getClientRects().length > 0;
  };
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.textContent.trim()) continue;
    const element = node.parentElement;
    if (['TITLE', 'DESC', 'STYLE'].includes(element.tagName.toUpperCase()) || !shown(element)) continue;
    const svg = element instanceof SVGElement;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const range = document.createRange();
    range.selectNodeContents(node);
    const rects = svg ? [element.getBoundingClientRect()] : [...range.getClientRects()];
    let scale = 1;
    if (svg) {
      const root = element.closest('svg.plot') || element.ownerSVGElement;
      scale = root.getBoundingClientRect().width / root.viewBox.baseVal.width;
      if (size * scale < 9) say('text of ' + (size * scale).toFixed(1) + ' pixels', node.textContent);
      const frame = root.getBoundingClientRect();
      const r = rects[0];
      if (r.left < frame.left - .5 || r.right > frame.right + .5 || r.top < frame.top - .5 || r.bottom > frame.bottom + .5) say('text reaches out of its plot', node.textContent);
    }
    const large = size * scale >= 24 || (size * scale >= 18.66 && Number(style.fontWeight) >= 700);
    checkContrast(element, node.textContent, parse(svg ? style.fill : style.color), large ? 3 : 4.5, opacityOf(element));
    const scroller = element.closest('.scroll');
    if (scroller && scroller.scrollWidth > scroller.clientWidth + 1 && !scroller.dataset.said) {
      scroller.dataset.said = 1;
      say('a table is wider than its place: ' + scroller.scrollWidth + ' of ' + scroller.clientWidth, scroller.innerText);
    }
    for (const r of rects) {
      if (r.width === 0) continue;
      if (!scroller && (r.left < -.5 || r.right > page.clientWidth + .5)) say('text leaves the page', node.textContent);
      for (let e = element; e && e !== document.body; e = e.parentElement) {
        if (e instanceof SVGElement) continue;
        const s = getComputedStyle(e);
        if (s.overflowX !== 'hidden' && s.overflowX !== 'clip') continue;
        const o = e.getBoundingClientRect();
        if (r.left < o.left - .5 || r.right > o.right + .5) say('text is cut off', node.textContent);
      }
      // The middle of a line: lines of one text touch each other.
      const cut = r.height * .22;
      boxes.push({ left: r.left + .5, right: r.right - .5, top: r.top + cut, bottom: r.bottom - cut, text: node.textContent });
    }
  }
  boxes.sort((a, b) => a.top - b.top);
  for (let i = 0; i < boxes.length; ++i) {
    for (let k = i + 1; k < boxes.length && boxes[k].top < boxes[i].bottom; ++k) {
      if (boxes[i].left < boxes[k].right && boxes[k].left < boxes[i].right) say('texts overlap', boxes[i].text + '" and "' + boxes[k].text);
    }
  }

  // ---- marks -------------------------------------------------------------------------------
  const seen = new Set();
  for (const mark of document.querySelectorAll('svg .s, svg .f, svg .axis, svg .guide')) {
    if (mark.matches('.faint, .span') || !shown(mark)) continue;  // distribution and interval: see the dot
    const style = getComputedStyle(mark);
    const line = mark.matches('.s, .axis, .guide');
    const key = (line ? style.stroke : style.fill) + groundOf(mark);
    if (seen.has(key)) continue;
    seen.add(key);
    checkContrast(mark, '', parse(line ? style.stroke : style.fill), 3, opacityOf(mark));
  }
  // Headings step down one at a time, pictures have texts, tables have headers.
  let level = 0;
  for (const h of document.querySelectorAll('h1, h2, h3, h4')) {
    const next = Number(h.tagName[1]);
    if (next > level + 1) say('heading of level ' + next + ' after level ' + level, h.textContent);
    level = next;
  }
  for (const image of document.querySelectorAll('img')) if (!image.alt) say('image without a text');
  for (const svg of document.querySelectorAll('svg[role=img]')) {
    if (!svg.querySelector(':scope > title')) say('plot without a title');
  }
  for (const cell of document.querySelectorAll('th')) if (!cell.scope) say('header cell without a scope', cell.textContent);
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  if (new Set(ids).size !== ids.length) say('an id occurs twice');
  for (const link of document.querySelectorAll('nav a')) {
    if (!ids.includes(link.getAttribute('href').slice(1))) say('a link to nowhere', link.textContent);
  }
  return faults;
})()
"""


class Tags(html.parser.HTMLParser):
    """Collect faults of the markup: scripts, handlers, addresses, elements that do not nest."""

    VOID = {"meta", "link", "img", "br", "hr", "input"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.faults = []
        self.open = []

    def handle_startendtag(self, tag, attrs):
        self.check(tag, attrs)

    def handle_starttag(self, tag, attrs):
        self.check(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def check(self, tag, attrs):
        if tag in ("script", "iframe", "object", "embed", "link"):
            self.faults.append(f"a <{tag}> element")
        for name, value in attrs:
            value = value or ""
            if name.startswith("on"):
                self.faults.append(f"a handler {name}")
            if name in ("src", "href", "xlink:href", "action") and not value.startswith(("#", "data:image/png;base64,")):
                self.faults.append(f"an address in {name}: {value[:60]}")

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> in {self.open[-1:]} (line {self.getpos()[0]})")
        else:
            self.open.pop()

    def close(self):
        super().close()
        if self.open:
            self.faults.append(f"elements that stay open: {self.open}")


class Browser:
    """A headless Chromium, spoken to over its debugging pipe."""

    def __init__(self, program):
        self.profile = tempfile.TemporaryDirectory(prefix="report-check-", ignore_cleanup_errors=True)
        to_read, self.to_write = os.pipe()
        self.from_read, from_write = os.pipe()
        for number in (to_read, from_write):
            os.set_inheritable(number, True)

        def place():
            # Above 3 and 4 first, so that neither overwrites the other.
            a, b = os.dup(to_read), os.dup(from_write)
            while a < 5:
                a = os.dup(a)
            while b < 5:
                b = os.dup(b)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--remote-debugging-pipe", "--hide-scrollbars", "--no-first-run",
             "--disable-background-networking", f"--user-data-dir={self.profile.name}", "about:blank"],
            preexec_fn=place, close_fds=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        self.buffer = b""
        self.number = 0
        self.events = []
        target = self.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        self.session = None
        self.session = self.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        self.send("Page.enable")
        self.send("Network.enable")

    def receive(self):
        while b"\0" not in self.buffer:
            part = os.read(self.from_read, 1 << 20)
            if not part:
                raise RuntimeError("the browser ended")
            self.buffer += part
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def send(self, method, parameters=None):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters or {}}
        if getattr(self, "session", None):
            message["sessionId"] = self.session
        os.write(self.to_write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def load(self, path, width, scheme):
        self.send("Emulation.setDeviceMetricsOverride",
                  {"width": width, "height": WIDTHS[width], "deviceScaleFactor": 1, "mobile": width < 600})
        self.send("Emulation.setEmulatedMedia",
                  {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        self.events.clear()
        self.send("Page.navigate", {"url": path.resolve().as_uri()})
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self.receive())

    def requests(self):
        return [e["params"]["request"]["url"] for e in self.events
                if e.get("method") == "Network.requestWillBeSent"]

    def evaluate(self, expression):
        answer = self.send("Runtime.evaluate", {"expression": expression, "returnByValue": True})
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:500])
        return answer["result"]["value"]

    def screenshot(self, path):
        picture = self.send("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(picture["data"]))

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.to_write)
        os.close(self.from_read)


def check(browser, path, screenshots):
    faults = []
    tags = Tags()
    tags.feed(path.read_text(encoding="utf-8"))
    tags.close()
    faults += [f"{path.name}: {fault}" for fault in tags.faults]
    for width in WIDTHS:
        for scheme in SCHEMES:
            browser.load(path, width, scheme)
            place = f"{path.name} at {width} {scheme}"
            found = browser.evaluate(CHECKS)
            faults += [f"{place}: {fault}" for fault in found[:40]]
            if len(found) > 40:
                faults.append(f"{place}: {len(found) - 40} more")
            own = path.resolve().as_uri()
            faults += [f"{place}: loads {url[:80]}" for url in browser.requests()
                       if url != own and not url.startswith("data:")]
            if screenshots:
                browser.screenshot(screenshots / f"{path.stem}-{width}-{scheme}.png")
    return faults


def main():
    parser = argparse.ArgumentParser(description="Check HTML reports in headless Chromium.")
    parser.add_argument("reports", nargs="+", type=pathlib.Path)
    parser.add_argument("--screenshots", type=pathlib.Path, help="write pictures into this folder")
    parser.add_argument("--browser", help="Chromium or Chrome")
    arguments = parser.parse_args()
    program = arguments.browser or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print(f"report_check: expected one of {', '.join(BROWSERS)} but found none.", file=sys.stderr)
        return 77
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
    browser = Browser(program)
    try:
        faults = [fault for path in arguments.reports for fault in check(browser, path, arguments.screenshots)]
    finally:
        browser.close()
    for fault in faults:
        print(fault)
    print(f"{len(arguments.reports)} reports, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
