"""Pages of docs/ with tables that a script measures."""

from __future__ import annotations

from pathlib import Path


def put_measured(page: Path, text: str, what: str = "measured") -> None:
    """Puts the text between the page's marks of that name, in place of what was measured before."""
    begin, end = f"<!-- {what}: begin -->", f"<!-- {what}: end -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
