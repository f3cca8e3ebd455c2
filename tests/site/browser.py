"""A browser's look at every page of build/site: whole without a network, readable in both colours and on a phone.

`make render` builds the site and runs this; `make test`, which needs no browser, does not.
"""

import json
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "site"))
from build import REPOSITORY, SITE, alone, folded_title, home, sources  # noqa: E402

SOURCES = {home(language) / Path(name).with_suffix(".html"): source for source, (language, name) in sources().items()}
PAGES = sorted(path for path in SITE.rglob("*.html") if "_static" not in path.parts)
ORIGIN = "https://site.invalid"
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]  # else Playwright's own
WIDTHS = {"desktop": 1280, "phone": 390}
HOSTS = {
    "arxiv.org",
    "codespaces.new",
    "doi.org",
    "colab.research.google.com",
    "github.com",
    "kaggle.com",
    "keras.io",
    "mybinder.org",
    "nbviewer.org",
    "www.tensorflow.org",
    "{}.github.io".format(REPOSITORY.split("/")[3]),
}
# Where others found, reported or corrected what the pages speak of.
CREDITED = (
    "https://github.com/keras-team/keras-io/",
    "https://github.com/keras-team/keras/",
    "https://github.com/Rishit-dagli/Gradient-Centralization-TensorFlow/",
    "https://github.com/Yonghongwei/Gradient-Centralization/",
    "https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer/",
    "https://github.com/wandb/senpai/",
)

# What is wrong with the page that is open, by kind: each finds nothing on a good page.
FAULTS = {
    "figures that do not show or have no text": """
        all("article img").filter(i => !i.naturalWidth || !(shown(i) || i.closest("details")) || i.alt.length <= 20)
        .map(i => i.src)""",
    "formulas that do not show": "all('math').filter(m => !shown(m)).map(m => m.textContent)",
    "formulas whose end cannot be reached": """
        all("div.math math").filter(m => m.scrollWidth > box(m).width + 1).map(m => m.textContent)""",
    "formulas that were left as TeX": r"prose().filter(text => /[$]|\\[a-zA-Z]+/.test(text))",
    "Markdown that was left as it is": r"prose().filter(text => /[*][*]|`|^#+ |\]\(/.test(text))",
    "things that stick out": """
        all("article *").filter(e => shown(e) && box(e).right > box(e.closest("article")).right + 1 && !scrolls(e))
        .map(e => e.outerHTML.slice(0, 200))""",
    "things that are cut off": """
        all("main *").filter(e => getComputedStyle(e).overflowX === "hidden" && e.scrollWidth > e.clientWidth + 1)
        .map(e => e.outerHTML.slice(0, 200))""",
    "a page that scrolls sideways": """
        [document.scrollingElement.scrollWidth].filter(width => width > document.documentElement.clientWidth)""",
    "solutions that are open, or not coloured": """
        all("details").filter(d => d.open || !d.querySelector("pre span[class]")).map(d => d.textContent)""",
    "further titles": "all('h1').slice(1).map(h => h.textContent)",
    "places that are not on the page": """
        all("a[href^='#']").map(a => decodeURIComponent(a.hash.slice(1)))
        .filter(place => place && !document.getElementById(place))""",
}
SHORTHANDS = """
    const all = what => [...document.querySelectorAll(what)];
    const box = e => e.getBoundingClientRect();
    const shown = e => e.checkVisibility() && box(e).width > 0 && box(e).height > 0;
    const scrolls = e => e.localName !== "article"
        && (["auto", "scroll"].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
    const prose = () => {
        const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
        const found = [];
        while (walker.nextNode()) found.push(walker.currentNode);
        const other = "pre, code, math, style, script, .dataframe, .sig, .field-list strong";
        return found.filter(t => !t.parentElement.closest(other)).map(t => t.data);
    };
"""


def short(path):
    return str(path.relative_to(SITE).with_suffix(""))


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=next(filter(None, map(shutil.which, BROWSERS)), None))
        except Error:
            pytest.exit("No browser: install Debian's `chromium`, or run `playwright install chromium`.", returncode=1)
        yield browser
        browser.close()


def address(path):
    return f"{ORIGIN}/{path.relative_to(SITE).as_posix()}"


@pytest.fixture
def look(browser):
    """Opens pages, which are served from the folder and from nowhere else; nothing may go wrong meanwhile."""
    wrong, contexts = [], []

    def serve(route):
        path = SITE / unquote(urlsplit(route.request.url).path).lstrip("/")
        if route.request.url.startswith(ORIGIN) and path.is_file():
            return route.fulfill(path=path)
        wrong.append(f"missing, or of another host: {route.request.url}")
        return route.abort()

    def open_page(path, colours="light", width=1280, query=""):
        contexts.append(browser.new_context(color_scheme=colours, viewport={"width": width, "height": 900}))
        page = contexts[-1].new_page()
        page.route("**/*", serve)
        page.on("console", lambda message: message.type in ("error", "warning") and wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address(path) + query)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def test_every_source_is_a_page():
    assert PAGES, "run docs/site/build.py first"
    assert set(SOURCES) <= set(PAGES)


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", PAGES, ids=short)
def test_page(look, path, width, colours):
    page = look(path, colours, WIDTHS[width])
    assert page.locator("html").get_attribute("data-theme") == colours
    found = {
        kind: page.evaluate(f"() => {{ {SHORTHANDS} return {script.strip()} }}") for kind, script in FAULTS.items()
    }
    assert {kind: faults for kind, faults in found.items() if faults} == {}

    # What is folded, and what a pointer would open, is to be readable, too.
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    page.evaluate("Promise.all(document.getAnimations().map(animation => animation.finished))")  # else it is still pale
    # Without `preload`, which looks for imported style sheets in the wrong folder.
    violations = Axe().run(page, options={"resultTypes": ["violations"], "preload": False}).response["violations"]
    assert [(one["id"], node["html"], node["failureSummary"]) for one in violations for node in one["nodes"]] == []


@pytest.mark.parametrize("path", PAGES, ids=short)
def test_links(look, path):
    page = look(path)
    links = page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.href)")
    for link in map(urlsplit, links):
        if link.geturl().startswith(ORIGIN):
            target = SITE / unquote(link.path).lstrip("/")
            assert target.is_file(), link
            assert not link.fragment or f'id="{unquote(link.fragment)}"' in target.read_text(encoding="utf-8"), link
        else:
            assert link.scheme == "https" and link.hostname in HOSTS, link
            assert link.hostname != "github.com" or link.geturl().startswith((REPOSITORY, *CREDITED)), link

    language, name = path.parent.name if path.parent != SITE else "en", path.name
    name = "index.html" if path.stem in alone(sources()) else name
    assert page.locator("html").get_attribute("lang") == language
    others = {address(home(one) / name) for one in {language for language, _ in sources().values()} - {language}}
    switch = page.locator("a.language-switch")
    assert {element.evaluate("a => a.href") for element in switch.all()} == others

    if path in SOURCES:
        order = sorted(page for page in SOURCES if page.parent == path.parent)
        order.sort(key=lambda page: page.stem != "index")
        here = order.index(path)
        around = {"left-prev": order[:here][-1:], "right-next": order[here + 1 :][:1]}
        for button, expected in around.items():
            found = page.locator(f"a.{button}").evaluate_all("all => all.map(a => a.href)")
            assert found == [address(target) for target in expected]


@pytest.mark.parametrize("path", [path for path, source in SOURCES.items() if source.suffix == ".ipynb"], ids=short)
def test_nothing_of_the_notebook_is_lost(look, path):
    cells = json.loads(SOURCES[path].read_text(encoding="utf-8"))["cells"]
    prose = "".join("".join(cell["source"]) + "\n" for cell in cells if cell["cell_type"] == "markdown")
    kinds = [kind for cell in cells for out in cell.get("outputs", []) for kind in out.get("data", {})]
    alts = [
        about["alt"] for cell in cells for out in cell.get("outputs", []) for about in out.get("metadata", {}).values()
    ]
    page = look(path)
    assert page.locator(".cell_output img").evaluate_all("all => all.map(i => i.alt)") == alts
    assert page.locator(".cell_input").count() == sum(cell["cell_type"] == "code" for cell in cells)
    assert page.locator("table.dataframe").count() == kinds.count("text/html")
    folded = [tag for cell in cells for tag in cell["metadata"].get("tags", []) if tag.startswith("hide-")]
    assert page.locator("article details").count() == len(folded)
    language = path.parent.name if path.parent != SITE else "en"
    codes = ["".join(cell["source"]) for cell in cells]
    (code,) = [code for code in codes if code.startswith("# @title Solution\n")]
    solution = page.locator(".tag_hide-cell details").last
    assert solution.locator("summary p:visible").inner_text() == folded_title(code, language)
    answer = solution.locator(".cell_output").get_by_text({"ja": "解答例："}.get(language, "Answer:")).first
    assert not answer.is_visible()
    solution.locator("summary").click()
    assert answer.is_visible()
    assert (page.locator("math").count() > 0) == ("$" in prose)
    address = urlsplit(REPOSITORY).path
    source = SOURCES[path].relative_to(ROOT).as_posix()
    for link in (
        f"https://colab.research.google.com/github{address}/blob/main/{source}",
        f"https://mybinder.org/v2/gh{address}/main?urlpath=lab/tree/{source}",
    ):
        assert page.locator(f'article a[href="{link}"]').count() == 1


def test_controls(look):
    page = look(SITE / "index.html")
    page.get_by_role("button", name="Color mode").click()
    page.get_by_role("button", name="Dark", exact=True).click()
    assert page.locator("html").get_attribute("data-theme") == "dark"

    page = look(SITE / "index.html", width=WIDTHS["phone"])
    page.get_by_role("button", name="Site navigation").click()
    page.get_by_role("dialog").get_by_role("link", name="2. Augmentation").click()
    assert page.url.endswith("02_augmentation.html")

    page = look(SITE / "search.html", query="?q=momentum")
    page.locator("#search-results li a").first.click()
    page.get_by_role("main").get_by_text("momentum").first.wait_for()
