"""Write what the rules found beside the tables of every complete study, as findings.md."""

from pathlib import Path

from gc_tutorial.study.evidence.findings import as_markdown
from gc_tutorial.study.published import PublishedStudy, published
from gc_tutorial.study.tables import published_tables

RESULTS = Path(__file__).resolve().parent.parent / "gc_tutorial" / "study" / "results"


def text(study: PublishedStudy) -> str:
    """The findings of a complete study, with its plan and its size."""
    found = as_markdown(list(study.findings().values()))
    return f"# {study.plan.title}\n\n{study.progress} Written by `python tools/findings.py` from the rules.\n\n{found}"


def main() -> None:
    for name in published_tables():
        study = published(name)
        if study.complete:
            (RESULTS / name / "findings.md").write_text(text(study), encoding="utf-8")


if __name__ == "__main__":
    main()
