"""Every page that `make site` writes, in a real browser: wide and narrow, light and dark, read with the keyboard."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from ..test_hygiene import is_sentence

HTML = Path(__file__).resolve().parents[2] / "build" / "html"
PAGES = sorted(HTML.rglob("*.html"))
WIDTHS = (390, 1280)
CONTRAST = 4.5  # WCAG 2.2, level AA, for text of every size

SCROLLS = """
const scrolls = e => /auto|scroll/.test(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth + 1;
const named = e => `<${e.localName}> ${(e.textContent || e.alt || e.id).trim().slice(0, 50)}`;
"""

OVERFLOW = f"""() => {{ {SCROLLS}
const faults = [], width = document.documentElement.clientWidth, needed = document.documentElement.scrollWidth;
const within = e => {{ for (e = e.parentElement; e; e = e.parentElement) if (scrolls(e)) return true; return false; }};
if (needed > width) faults.push(`${{needed}} px are needed`);
for (const e of document.body.querySelectorAll("*")) {{
  const place = e.getBoundingClientRect(), style = getComputedStyle(e);
  if (!place.width || style.visibility == "hidden") continue;
  if ((place.right > width + 1 || place.left < -1) && !within(e)) faults.push(`${{named(e)}} ends at ${{place.right}}`);
  if (/hidden|clip/.test(style.overflowX) && e.clientWidth && e.scrollWidth > e.clientWidth + 1)
    faults.push(`${{named(e)}} is cut off`);
}}
return faults; }}"""

# Ratios as WCAG defines them; what is transparent is laid over what is below it.
LOW_CONTRAST = """least => {
const colour = text => {
  const parts = /^rgba?\\(/.test(text) && text.match(/[\\d.]+/g).map(Number);
  if (!parts) throw `unknown colour ${text}`;
  return [...parts, 1].slice(0, 4); };
const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const probe = document.body.appendChild(document.createElement("i"));
probe.style.background = "Canvas";
const canvas = colour(getComputedStyle(probe).backgroundColor);
probe.remove();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), range = document.createRange();
const faults = {};
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const text = node.data.trim(), style = getComputedStyle(node.parentElement);
  range.selectNodeContents(node);
  if (!text || !range.getClientRects().length || style.visibility == "hidden") continue;
  const line = [];
  for (let e = node.parentElement; e; e = e.parentElement) line.unshift(getComputedStyle(e));
  const opacity = line.reduce((product, s) => product * s.opacity, 1);
  if (!opacity) continue;
  const ground = line.reduce((below, s) => over(colour(s.backgroundColor), below), canvas);
  const ink = colour(style.color);
  const [a, b] = [light(over([...ink.slice(0, 3), ink[3] * opacity], ground)), light(ground)];
  const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  if (ratio < least) faults[`${style.color} on ${ground.slice(0, 3)}: ${ratio.toFixed(2)}`] ??= text.slice(0, 50);
}
return Object.entries(faults).map(fault => fault.join(": ")); }"""

HEADINGS = "() => [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(h => [+h.localName[1], h.textContent])"

PICTURES = """() => [...document.images].map(i => [i.alt, i.complete && i.naturalWidth > 0, i.src.slice(0, 80)])"""

LINKS = """() => [...document.querySelectorAll("[href]")].map(e => [e.getAttribute("href"), e.href])"""

IDS = """() => [...document.querySelectorAll("[id]")].map(e => e.id)"""

WATCH_FOCUS = f"""() => {{ {SCROLLS}
window.reached = new Set(), window.unseen = new Set();
document.addEventListener("focusin", ({{target}}) => {{
  const style = getComputedStyle(target), place = target.getBoundingClientRect();
  window.reached.add(target);
  if (style.outlineStyle == "none" || style.opacity < 1 || !place.width) window.unseen.add(target);
}});
const all = [...document.querySelectorAll("a[href], button, input, select, summary, textarea")];
window.wanted = all.filter(e => e.getClientRects().length);
window.wanted.push(...[...document.body.querySelectorAll("*")].filter(scrolls));
return window.wanted.length; }}"""

UNREACHED = f"""() => {{ {SCROLLS}
const met = e => [...window.reached].some(other => e.contains(other));
return [...window.wanted].filter(e => !met(e)).map(e => `${{named(e)}} is not reached`)
  .concat([...window.unseen].map(e => `${{named(e)}} does not show its focus`)); }}"""


def overflow(page):
    """What a reader would have to scroll the whole page sideways for, or cannot see at all."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        found += [f"{width} px: {fault}" for fault in page.evaluate(OVERFLOW)]
    return found


def low_contrast(page):
    """Text that is hard to tell from its ground, by light and by dark."""
    found = []
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        found += [f"{scheme}: {fault}" for fault in page.evaluate(LOW_CONTRAST, CONTRAST)]
    return found


def misplaced_headings(page):
    """Headings that skip a level, or are not below the page's one title."""
    found, above = [], 0
    for level, text in page.evaluate(HEADINGS):
        if level > above + 1 or (level == 1) != (above == 0):
            found.append(f"h{level} {text} after h{above}")
        above = level
    return found if above else ["no heading"]


def broken_pictures(page):
    """Pictures that the browser cannot draw."""
    return [source for _, drawn, source in page.evaluate(PICTURES) if not drawn]


def pictures_without_a_sentence(page):
    """Pictures whose text is not a sentence."""
    texts = [text for text, _, _ in page.evaluate(PICTURES)]
    return [f"{text!r} is no sentence" for text in texts if not is_sentence(text)]


def unreached_by_keyboard(page):
    """Links, fields and what scrolls that the key Tab does not come to, or whose focus cannot be seen."""
    for _ in range(page.evaluate(WATCH_FOCUS) + 2):
        page.keyboard.press("Tab")
    return page.evaluate(UNREACHED)


CHECKS = [
    overflow,
    low_contrast,
    misplaced_headings,
    broken_pictures,
    pictures_without_a_sentence,
    unreached_by_keyboard,
]


def opened(chromium, address):
    """A new page at an address, and what it complained of while it loaded."""
    page, complaints = chromium.new_page(viewport={"width": WIDTHS[-1], "height": 900}), []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"not loaded: {request.url}"))
    page.goto(address)
    return page, complaints


@pytest.fixture(scope="session")
def ids(chromium):
    """The names that a link to each page may have after its ``#``."""
    page, found = chromium.new_page(), {}
    for path in PAGES:
        page.goto(path.as_uri())
        found[path] = set(page.evaluate(IDS))
    page.close()
    return found


@pytest.fixture(scope="module", params=PAGES, ids=lambda path: path.relative_to(HTML).as_posix())
def page_and_complaints(request, chromium):
    page, complaints = opened(chromium, request.param.as_uri())
    yield page, complaints
    page.close()


@pytest.fixture
def page(page_and_complaints):
    return page_and_complaints[0]


def test_the_site_was_built():
    assert HTML / "index.html" in PAGES and HTML / "api" / "index.html" in PAGES, "run `make site` first"


def test_it_loads_without_a_complaint(page_and_complaints):
    assert not page_and_complaints[1], "\n".join(page_and_complaints[1])


def broken_links(page, ids):
    """Links that lead out of the site's folder, to no file, or to no place on a page."""
    found = []
    for written, address in page.evaluate(LINKS):
        parts = urlsplit(address)
        if parts.scheme != "file":
            continue
        path = Path(unquote(parts.path))
        within = {parts.fragment, unquote(parts.fragment)} & {"", *ids.get(path, [])}  # browsers try both
        if HTML not in path.parents or not path.is_file() or not within:
            found.append(written)
    return found


def test_every_link_leads_somewhere(page, ids):
    found = broken_links(page, ids)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_nothing_is_found_by(check, page):
    found = check(page)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "check, body",
    [
        (overflow, "<pre>" + "x" * 300),
        (overflow, "<div style='width: 9em; overflow: hidden'><pre>" + "x" * 300),
        (overflow, "<p style='position: absolute; left: 1270px'>wide"),
        (low_contrast, "<p style='color: #888; background: #fff'>pale"),
        (low_contrast, "<p style='background: #000'>black <b style='color: #fff'>or white"),
        (low_contrast, "<div style='opacity: .5'>pale"),
        (low_contrast, "<p style='color: #000'>black by night too"),
        (misplaced_headings, "<h2>no title"),
        (misplaced_headings, "<h1>one</h1><h3>skips"),
        (misplaced_headings, "<h1>one</h1><h1>two"),
        (misplaced_headings, "no heading"),
        (broken_pictures, "<img src='lost.png'>"),
        (pictures_without_a_sentence, "<img>"),
        (pictures_without_a_sentence, "<img alt='Figure: loss curve'>"),
        (pictures_without_a_sentence, "<img alt='The loss falls and then rises'>"),
        (unreached_by_keyboard, "<a href='#' tabindex=-1>skipped"),
        (unreached_by_keyboard, "<a href='#' style='visibility: hidden'>shown to a mouse only"),
        (unreached_by_keyboard, "<a href='#' style='outline: none'>no ring"),
        (unreached_by_keyboard, "<pre tabindex=-1 style='width: 9em; overflow: auto'>" + "x" * 300),
    ],
)
def test_each_check_finds_what_breaks_it(chromium, check, body):
    page = chromium.new_page()
    page.set_content(f"<html lang=en style='color-scheme: light dark'><body>{body}")
    assert check(page)
    page.close()


def test_what_is_right_passes(chromium):
    page = chromium.new_page()
    dot = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
    page.set_content(f"""<html style="color-scheme: light dark"><h1>1</h1><h2>2</h2><a href="#">3</a>
      <div style="width: 9em; overflow: auto"><pre>{"x" * 300}</pre></div>
      <img src="{dot}" alt="A point in the corner of nothing.">""")
    assert {check.__name__: check(page) for check in CHECKS} == {check.__name__: [] for check in CHECKS}
    page.close()


def test_a_complaint_is_heard(chromium, tmp_path):
    (tmp_path / "a.html").write_text("<script>console.error('lost'); nothing.here</script><img src='lost.png'>")
    page, complaints = opened(chromium, (tmp_path / "a.html").as_uri())
    assert {complaint.split(":")[0] for complaint in complaints} >= {"lost", "nothing is not defined", "not loaded"}
    page.close()


def test_a_broken_link_is_found(chromium, ids):
    page, _ = opened(chromium, (HTML / "index.html").as_uri())
    links = ["nowhere.html", "../../README.md", "01_convolution.html#nowhere", "#nowhere", "docs"]
    page.set_content("".join(f"<a href='{HTML.as_uri()}/{link}'>x</a>" for link in links))
    assert len(broken_links(page, ids)) == len(links)
    page.close()


def results(page, query):
    page.fill("#search", query)
    return page.locator("#found li").all_text_contents()


def test_the_search_finds_terms_headings_and_functions(chromium):
    page, complaints = opened(chromium, (HTML / "index.html").as_uri())
    assert results(page, "步幅")[0].startswith("stride 步幅")
    assert any(found.endswith("2. Padding and stride") for found in results(page, "why pad"))
    assert "evaluate_accuracy d2lhelpers.metrics" in results(page, "evaluate_acc")
    assert results(page, "nothing like this") == [] and "Nothing is called so." in page.inner_text("#found")
    assert results(page, " ") == []
    page.fill("#search", "dilation")
    page.click("#found a >> nth=0")
    assert page.url == (HTML / "02_padding_and_stride.html").as_uri()
    assert complaints == []
    page.close()


def test_without_scripts_there_is_no_search_and_all_the_rest(chromium):
    page = chromium.new_context(java_script_enabled=False).new_page()
    page.goto((HTML / "index.html").as_uri())
    assert not page.is_visible("#search") and page.is_visible("text=The map")
    page.close()
