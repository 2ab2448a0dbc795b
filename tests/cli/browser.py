#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looks at the page of "ashlar serve" with Chromium, over its debugging pipe (--remote-debugging-pipe: JSON, ended by NUL).

    browser.py CHROMIUM URL WORK [SCREENSHOTS]     prints "pass NAME" or "fail NAME: what is wrong" for each check

What is published and reported is what test-serve-page.sh has made."""

import base64
import fcntl
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

HOSTILE = "<img src=x onerror=alert(1)><script>document.title='owned'</script>"


class Browser:
    def __init__(self, program, work):
        to_read, self.to_write = os.pipe()
        self.to_read, to_write = os.pipe()
        # Where it looks for them: 3 and 4.
        to_read, to_write = (fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (to_read, to_write))

        def place():
            os.dup2(to_read, 3)
            os.dup2(to_write, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--remote-debugging-pipe", f"--user-data-dir={work}/profile", "about:blank"],
            preexec_fn=place, pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=open(f"{work}/chromium.log", "wb"))
        os.close(to_read)
        os.close(to_write)
        self.buffer, self.number, self.session, self.problems = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Page", "Network"):
            self.call(f"{domain}.enable")

    def read(self, seconds):
        end = time.monotonic() + seconds
        while b"\0" not in self.buffer:
            if not select.select([self.to_read], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self.to_read, 1 << 20)
            if not data:
                raise EOFError("the browser has ended")
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def note(self, event):
        name, values = event.get("method"), event.get("params", {})
        if name == "Runtime.exceptionThrown":
            self.problems.append(values["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif name == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning", "assert"):
            self.problems.append(str(values["args"]))
        elif name == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
            self.problems.append(values["entry"]["text"])
        elif name == "Page.javascriptDialogOpening":
            self.problems.append("a dialog: " + values["message"])
        elif name == "Network.requestWillBeSent":
            self.asked.append(values["request"]["url"])

    asked = []

    def call(self, method, **values):
        self.number += 1
        message = {"id": self.number, "method": method, "params": values}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read(60)
            if answer.get("id") != self.number:
                self.note(answer)
                continue
            if "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            return answer["result"]

    def value(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(expression + ": " + json.dumps(answer["exceptionDetails"])[:500])
        return answer["result"].get("value")

    def show(self, url, width, height, scheme):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.value("delete document.documentElement?.dataset.ready")
        self.call("Page.navigate", url=url)
        for _ in range(200):
            if self.value("document.documentElement?.dataset.ready") == "yes":
                return
            time.sleep(0.05)
        raise TimeoutError("the page is not ready: " + str(self.value("document.body.innerText"))[:500])

    def keep(self, path):
        picture = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(picture["data"]))

    def end(self):
        self.process.kill()
        self.process.wait()


def report(name, problem):
    print(f"fail {name}: {problem}" if problem else f"pass {name}", flush=True)


def equal(name, wanted, found):
    report(name, None if wanted == found else f"{found!r} is not {wanted!r}".replace("\n", " "))


def check_figures(page):
    text = page.value("document.body.innerText")
    for word in ("lab/x86_64/vm", "Roll-out of 3", "Nodes by version", "What an update takes", "Releases"):
        report(f"the page has \"{word}\"", None if word in page.value("document.body.textContent") else text[:300].replace("\n", " "))
    equal("the newest version is told", "3", page.value("document.querySelector('#summary dd').firstChild.textContent"))
    equal("and how many nodes reported", "24", page.value("document.querySelectorAll('#summary dd')[1].firstChild.textContent"))
    bars = page.value("""[...document.querySelectorAll('#nodes-chart rect.bar')].map(bar =>
        [bar.dataset.version, bar.classList[1], Number(bar.dataset.nodes), bar.getBoundingClientRect().height])""")
    equal("a bar for each version and state", [["2", "done", 12], ["2", "failed", 3], ["3", "done", 6], ["1", "updating", 3]],
          [bar[:3] for bar in bars])
    scale = bars[0][3] / bars[0][2]
    report("bars are as high as their numbers", None if bars[0][3] > 20 and all(abs(high - nodes * scale) < 0.5 for _, _, nodes, high in bars) else bars)
    rows = page.value("[...document.querySelectorAll('#nodes-table tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))")
    equal("the table has the same", [["2", "12", "0", "3", "15"], ["3", "6", "0", "0", "6"], ["1", "0", "3", "0", "3"]], rows)
    waves = page.value("[...document.querySelectorAll('#rollout-table tbody tr')].map(row => [...row.cells].slice(1).map(cell => cell.textContent))")
    equal("waves, with what is done in each", [["0–25 %", "9", "6 (66.7 %)", "3", "open"], ["25–100 %", "15", "0 (0 %)", "0", "to come"]], waves)
    reach = page.value("""(() => { const box = name => document.querySelector(`#rollout-chart ${name}`).getBBox();
        return [box('.curve').height, box('.allowed').height]; })()""")
    report("the curve is a quarter of the whole", None if abs(reach[0] / reach[1] - 0.25) < 0.01 else reach)


def check_costs(page):
    costs = page.value("[...document.querySelectorAll('#costs-chart rect.cost')].map(bar => [Number(bar.dataset.bytes), bar.getBoundingClientRect().width])")
    equal("costs from each version, by delta where there is one, and anew", [150000, 60000], [cost for cost, _ in costs][:2])
    full = max(cost for cost, _ in costs)
    widest = max(wide for _, wide in costs)
    report("bars are as long as their costs", None if all(abs(wide - cost / full * widest) < 1 for cost, wide in costs) else costs)
    page.value("(() => { const select = document.getElementById('target'); select.value = '2'; select.dispatchEvent(new Event('change')); })()")
    equal("another version can be chosen", "1", page.value("document.querySelector('#costs-table tbody th').textContent"))
    page.value("(() => { const select = document.getElementById('target'); select.value = '3'; select.dispatchEvent(new Event('change')); })()")


def check_hostile(page):
    equal("what a node says is text", HOSTILE, page.value("document.querySelector('#failures-table td.text').textContent"))
    equal("and nothing else", [0, 1, "Releases"], page.value("[document.images.length, document.scripts.length, document.title]"))


def check_access(page):
    equal("headings of tables have a scope", 0, page.value("document.querySelectorAll('th:not([scope])').length"))
    equal("tables have captions", 0, page.value("[...document.querySelectorAll('table')].filter(one => !one.caption).length"))
    equal("charts have titles and descriptions", 0, page.value(
        "[...document.querySelectorAll('svg[role=img]')].filter(one => !one.querySelector('title').textContent || !one.querySelector('desc').textContent).length"))
    equal("selections have labels", 0, page.value("[...document.querySelectorAll('select')].filter(one => one.labels.length !== 1).length"))
    equal("the language is told", "en", page.value("document.documentElement.lang"))
    order = []
    for _ in range(4):
        for kind in ("rawKeyDown", "keyUp"):
            page.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        order.append(page.value("document.activeElement.id || document.activeElement.className"))
    equal("the keyboard reaches all", ["skip", "ref", "channel", "target"], order)
    contrast = """(() => {
        const parse = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number).map(one => one / 255).map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
        const light = text => { const [r, g, b] = parse(text); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const card = light(getComputedStyle(document.querySelector('section')).backgroundColor);
        return Math.min(...['h2', 'caption', 'td', '.quiet'].map(name => ratio(light(getComputedStyle(document.querySelector(name)).color), card)));
    })()"""
    ratio = page.value(contrast)
    report("text stands out", None if ratio >= 4.5 else f"contrast {ratio}")


def check_width(page, width):
    wide = page.value("[document.documentElement.scrollWidth, innerWidth]")
    report(f"nothing is wider than {width} pixels", None if wide[0] <= wide[1] == width else wide)


def main():
    program, url, work = sys.argv[1:4]
    pictures = sys.argv[4] if len(sys.argv) > 4 else None
    page = Browser(program, work)
    try:
        for width, scheme in ((1200, "light"), (1200, "dark"), (390, "light"), (320, "dark")):
            page.show(url, width, 800, scheme)
            if (width, scheme) == (1200, "light"):
                check_figures(page)
                check_costs(page)
                check_hostile(page)
            if width == 1200:
                check_access(page)
            check_width(page, width)
            if pictures:
                page.keep(f"{pictures}/{width}-{scheme}.png")
        dark = page.value("getComputedStyle(document.body).backgroundColor")
        report("it can be dark", None if sum(map(int, dark[4:-1].split(","))) < 150 else dark)
        others = [one for one in page.asked if not one.startswith(url) and one != "about:blank"]
        equal("nobody else is asked for anything", [], others)
        equal("no errors in the console", [], page.problems)
    finally:
        page.end()


main()
