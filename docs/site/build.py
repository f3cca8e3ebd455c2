"""Build the site: build/site from the README and the notebooks, build/site/<language> from each other edition.

Nothing is executed and nothing is fetched. What Sphinx reads is first written to build/pages: the same texts, with
their links, which lead from file to file of the repository, made to lead from page to page of the site.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
from sphinx.cmd.build import main as sphinx_build

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib  # Python 3.10, on which Sphinx brings it

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGES, SITE = ROOT / "build" / "pages", ROOT / "build" / "site"
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]

# Where each edition stands: its start page, and the folder of its notebooks, where a README.md is its glossary.
# An edition without a start page is not built.
EDITIONS = {
    "en": (ROOT / "README.md", ROOT / "notebooks"),
    "ja": (ROOT / "README.ja.md", ROOT / "notebooks" / "ja"),
}
# What is written on a solution that is folded.
FOLDED = {  # titles of cells
    "ja": {
        "Solution": "解答例",
        "The numbers behind the answers": "答えのもとになった数値",
        "The numbers behind the figures": "図のもとになった数値",
        "The rule on the common shift": "共通のずれの規則",
        "The speeds of study C": "実験 C の速さ",
    }
}
# Pages of the English edition alone.
REFERENCE = [ROOT / "docs" / "faq.md", ROOT / "docs" / "coming_from_gctf.md", ROOT / "docs" / "api.md"]
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)")
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


def main():
    pages = sources()
    shutil.rmtree(PAGES, ignore_errors=True)
    editions = list(dict.fromkeys(language for language, _ in pages.values()))
    # All of them, to show every warning at once.
    if any([build(language, pages, editions) for language in editions]):
        sys.exit("The site was not built: each warning above is an error.")
    shutil.rmtree(SITE, ignore_errors=True)
    for language in editions:
        shutil.copytree(PAGES / language / "html", home(language))
    print(f"Open {SITE / 'index.html'} in a browser.")


def sources():
    """The language and the name of the page that each file of the repository becomes."""
    pages = {}
    for language, (start, folder) in EDITIONS.items():
        if start.exists():
            named = {start: "index.md", folder / "README.md": "glossary.md"}
            named |= {notebook: notebook.name for notebook in sorted(folder.glob("[0-9]*.ipynb"))}
            named |= {page: page.name for page in REFERENCE if language == "en"}
            pages |= {source: (language, name) for source, name in named.items() if source.exists()}
    return pages


def alone(pages):
    """The names of the pages that are not in every edition; there, the start page stands for them."""
    editions = {language for language, _ in pages.values()}
    names = {name for _, name in pages.values()}
    return sorted(Path(name).stem for name in names if any((one, name) not in pages.values() for one in editions))


def home(language):
    return SITE if language == "en" else SITE / language


def build(language, pages, editions):
    """Build one edition; not 0 where there was a warning."""
    folder = PAGES / language
    (folder / "source").mkdir(parents=True)
    for source, (of, name) in pages.items():
        if of == language:
            write(source, folder / "source" / name, pages)
    settings = {"language": language, "html_theme_options.github_url": REPOSITORY}
    options = [f"-D{name}={value}" for name, value in settings.items()] + [
        f"-Aeditions={' '.join(editions)}",
        f"-Aalone={' '.join(alone(pages))}",
    ]
    folders = ["-c", HERE, "-d", folder / "doctrees", folder / "source", folder / "html"]
    return sphinx_build(["-q", "-W", "--keep-going", *options, *map(str, folders)])


def write(source, target, pages):
    """Write what Sphinx is to read: links mended, and alternative text where MyST-NB looks for it."""
    if source.suffix == ".md":
        text = for_site(source.read_text(encoding="utf-8"), source, target, pages)
        if target.name == "index.md":
            # The list of the pages, which the theme shows beside each of them.
            others = [name for language, name in pages.values() if language == pages[source][0] and name != target.name]
            text += "\n".join(["", "```{toctree}", ":hidden:", "", *sorted(others), "```", ""])
        target.write_text(text, encoding="utf-8")
        return
    notebook = nbformat.read(source, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = for_site(cell.source, source, target, pages)
            continue
        for output in cell.outputs:
            if "text/html" in output.get("data", {}):
                # The corner of a pandas table heads nothing.
                output.data["text/html"] = output.data["text/html"].replace("<th></th>", "<td></td>")
        texts = [about["alt"] for out in cell.outputs for about in out.get("metadata", {}).values() if "alt" in about]
        if len(texts) > 1:
            sys.exit(f"{source.name}: one cell shows several figures, but MyST-NB takes one alternative text a cell.")
        myst = {"image": {"alt": texts[0]}} if texts else {}
        if "hide-cell" in cell.metadata.get("tags", []):
            myst |= dict.fromkeys(("code_prompt_show", "code_prompt_hide"), folded_title(cell.source, pages[source][0]))
        if myst:
            cell.metadata["mystnb"] = myst
    nbformat.write(notebook, target)


def folded_title(code, language):
    """What a folded cell is called: its `# @title`, which Colab shows, too."""
    title = code.splitlines()[0].removeprefix("# @title ")
    return FOLDED.get(language, {}).get(title, title)


def for_site(text, source, target, pages):
    """Markdown with its links made to lead to pages of the site, and to the code host for every other file."""
    mine = pages[source][0]

    def link(match):
        title, path, place = match[1], (source.parent / match[2]).resolve(), match[3] or ""
        language, name = pages.get(path, (None, None))
        if language == mine:
            return f"[{title}]({name}{place})"
        if language:  # Sphinx does not know the pages of another edition
            there = Path(os.path.relpath(home(language), home(mine)), name).with_suffix(".html").as_posix()
            return f'<a href="{there}{place}" lang="{language}" hreflang="{language}">{title}</a>'
        if any(path.parent == folder and not start.exists() for start, folder in EDITIONS.values()):
            return title  # a page of an edition that is not built
        if not path.exists():
            sys.exit(f"{source.relative_to(ROOT)} links to {match[2]}, which does not exist.")
        kind = "tree" if path.is_dir() else "blob"
        return f"[{title}]({REPOSITORY}/{kind}/main/{path.relative_to(ROOT).as_posix()}{place})"

    def image(match):
        if "://" in match[2]:
            return match[1]  # a badge: nothing is fetched from elsewhere
        picture = (source.parent / match[2]).resolve()
        shutil.copy(picture, target.parent)
        return f"![{match[1]}]({picture.name})"

    return LINK.sub(link, IMAGE.sub(image, text))


if __name__ == "__main__":
    main()
