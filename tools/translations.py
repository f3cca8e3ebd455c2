"""Build the editions in other languages, notebooks/<language>/: the English code around prose of their own.

The prose lives in the markdown cells of notebooks/<language>/NN_name.py. Each of them carries, as `translates`, a hash
of the English cell that it translates, so that a test can tell which English text has changed since. A translator who
has corrected a cell takes that hash out, and this program writes the new one.

The code differs in one thing: its first cell calls `start` with the language. Nothing is executed here. A cell keeps
the outputs that it has; `make outputs` runs these notebooks like the English ones.
"""

import hashlib
import re
import sys
from difflib import SequenceMatcher
from pathlib import Path

import jupytext
import nbformat

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
# An edition is a folder of this name. What is said in the line of links is all that is translated here.
LANGUAGES = {
    "ja": {
        "Open in Colab": "Colab で開く",
        "Open in Binder": "Binder で開く",
        "Open in Kaggle": "Kaggle で開く",
        "Open in Codespaces": "Codespaces で開く",
        "Read in nbviewer": "nbviewer で読む",
    }
}
UNTRANSLATED = "untranslated"
START = "gc_tutorial.start()"


def main():
    for language in LANGUAGES:
        for english in sorted(NOTEBOOKS.glob("[0-9]*.py")) if (NOTEBOOKS / language).is_dir() else []:
            target = NOTEBOOKS / language / english.name
            script, notebook, dropped = build(english, target)
            for cell in dropped:
                print(f"{language}/{english.stem}: left out, since its English cell is gone:\n\n{cell.source}\n")
            target.write_text(script, encoding="utf-8")
            target.with_suffix(".ipynb").write_text(notebook, encoding="utf-8")


def build(english, target):
    """The text of one pair in another language.

    Args:
        english: path of the English .py; its .ipynb stands beside it.
        target: path of the translated .py, from which the prose comes; there may be none yet.

    Returns:
        str, the .py; str, the .ipynb; list of the translated cells that belong to no English cell any more.
    """
    script, notebook = jupytext.read(english), nbformat.read(english.with_suffix(".ipynb"), as_version=4)
    if [(cell.cell_type, cell.source) for cell in script.cells] != [(c.cell_type, c.source) for c in notebook.cells]:
        sys.exit(f"{english.stem}.py and its .ipynb are not in step: run `make sync`.")
    theirs = jupytext.read(target).cells if target.exists() else []
    language = target.parent.name
    for cell in [*script.cells, *notebook.cells]:
        if cell.cell_type == "code":
            cell.source = cell.source.replace(START, f'{START[:-1]}language="{language}")')
    pairs, dropped = align(script.cells, theirs)
    keep_outputs(notebook, target.with_suffix(".ipynb"))
    for number, cell in enumerate(script.cells):
        if cell.cell_type == "markdown":
            text, translates = pairs.get(number, (cell.source, UNTRANSLATED))
            text = with_links(text, cell.source, target)
            for one in (cell, notebook.cells[number]):
                one.source, one.metadata["translates"] = text, translates
    # The header as it stands in the English file: jupytext would add its own version to it.
    start = "\n# %%"
    header, body = english.read_text(encoding="utf-8").split(start, 1)[0], jupytext.writes(script, fmt="py:percent")
    return header + start + body.split(start, 1)[1], nbformat.writes(notebook) + "\n", dropped


def keep_outputs(notebook, path):
    """Give a notebook the outputs that its cells have in a file, cell by cell with the same code, and no others."""
    old = nbformat.read(path, as_version=4) if path.exists() else nbformat.v4.new_notebook()
    outputs = {cell.source: (cell.outputs, cell.execution_count) for cell in old.cells if cell.cell_type == "code"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = outputs.get(cell.source, ([], None))
    notebook.metadata["executed"] = old.metadata.get("executed", "")


def align(english, theirs):
    """Find the translation of each English prose cell: by its hash, or else by its place between cells that agree.

    Returns:
        dict of (text, hash) by the number of the English cell, and a list of the translated cells in no pair.
    """
    hashes = [digest(cell.source) if cell.cell_type == "markdown" else cell.source for cell in english]
    recorded = [cell.metadata.get("translates", "") if cell.cell_type == "markdown" else cell.source for cell in theirs]
    prose = [number for number, cell in enumerate(english) if cell.cell_type == "markdown"]
    spare = [number for number, cell in enumerate(theirs) if cell.cell_type == "markdown"]
    matches = {number: recorded.index(hashes[number]) for number in prose if hashes[number] in recorded}
    pairs = {number: (theirs[match].source, hashes[number]) for number, match in matches.items()}
    spare = [number for number in spare if number not in matches.values()]
    for _, first, last, their_first, their_last in SequenceMatcher(None, hashes, recorded, False).get_opcodes():
        new = [number for number in prose if first <= number < last and number not in pairs]
        old = [number for number in spare if their_first <= number < their_last]
        for number, match in zip(new, old, strict=False):
            # Two texts against three could be paired wrongly, and a hash would hide that.
            sure = hashes[number] if len(new) == len(old) else UNTRANSLATED
            pairs[number] = theirs[match].source, recorded[match] or sure
            spare.remove(match)
    return pairs, [theirs[number] for number in spare]


def digest(prose):
    """12 hex digits that tell whether an English cell has changed; its line of links, which is made, is left out."""
    kept = "\n".join(line for line in prose.splitlines() if not line.startswith("[Open in Colab]"))
    return hashlib.sha256(re.sub(r"\n{3,}", "\n\n", kept).strip().encode()).hexdigest()[:12]


def with_links(text, english, target):
    """The text with the English text's line of links, if it has one, made to lead to this edition."""
    language, words = target.parent.name, LANGUAGES[target.parent.name]
    starts = tuple(f"[{word}]" for pair in words.items() for word in pair)
    parts = [part for part in text.split("\n\n") if not part.startswith(starts)]
    for place, part in enumerate(english.split("\n\n")):
        if part.startswith("[Open in Colab]"):
            *doors, _ = part.replace(f"notebooks/{target.stem}", f"notebooks/{language}/{target.stem}").split(" · ")
            line = " · ".join([*doors, f"[English](../{target.stem}.ipynb)"])
            for word, translated in words.items():
                line = line.replace(f"[{word}]", f"[{translated}]")
            parts.insert(place, line)
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
