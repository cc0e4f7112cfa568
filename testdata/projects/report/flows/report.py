"""A report on a folder: what is in it, how large, how old, and who works on it.

It needs nothing but Python 3.9, and git for the history of a checkout.
"""
from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from datetime import date, datetime
from pathlib import Path
from typing import Any, Optional

from prefect import flow, get_run_logger, task

AGES = [("today", 1), ("this week", 7), ("this month", 31), ("this year", 366)]  # days


@task
def scan(folder: Path, since: date | None, limit: int, seconds: float) -> dict[str, Any]:
    """Looks at the files below folder, level by level, and reads none of them.

    Stops after `limit` files or `seconds`, whichever comes first. Links are
    not followed; what cannot be opened is counted.
    """
    first = datetime.combine(since, datetime.min.time()).timestamp() if since else None
    end = time.monotonic() + seconds
    found: dict[str, Any] = {"files": [], "folders": 0, "unreadable": 0, "stopped": None}
    level = [str(folder)]
    while level:
        below: list[str] = []
        for path in level:
            if time.monotonic() > end:
                found["stopped"] = f"after {seconds:g} seconds"
                return found
            look_into(path, first, below, found)
            if len(found["files"]) >= limit:
                del found["files"][limit:]
                found["stopped"] = f"at {limit:,} files"
                return found
        level = below
    return found


def look_into(path: str, first: float | None, below: list[str], found: dict[str, Any]) -> None:
    """Adds the files of one folder to found, and its folders to below."""
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError:
        found["unreadable"] += 1
        return
    found["folders"] += 1
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != ".git":
                    below.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                if first is None or status.st_mtime >= first:
                    found["files"].append((entry.path, status.st_size, status.st_mtime))
        except OSError:
            found["unreadable"] += 1


@task(retries=2, retry_delay_seconds=1)
def history(folder: Path, since: date | None, limit: int) -> dict[str, Any] | None:
    """The newest commits that touched folder, or None where it is in no checkout.

    Tried again when git is too slow, as it can be while it packs.
    """
    marks = ["log", f"--max-count={limit}", "--name-only", "--no-renames", "--no-show-signature"]
    marks += ["--relative", "--format=%x01%ad%x09%aN", "--date=short"]
    if since:
        marks.append(f"--since={since.isoformat()}T00:00:00")
    output = git(folder, *marks, "--", ".")
    if output is None:
        return None
    days: list[str] = []
    authors: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for commit in output.split("\x01")[1:]:
        head, *names = commit.splitlines()
        day, _, author = head.partition("\t")
        days.append(day)
        authors[author] += 1
        files.update(name for name in names if name)
    return {"days": days, "authors": authors, "files": files, "stopped": len(days) >= limit}


def git(folder: Path, *words: str) -> str | None:
    """What git prints, or None where there is no git, no checkout or no commit.

    Nothing that the checkout configures is run: no hooks, no file monitor, no
    pager; and nothing is fetched or locked.
    """
    quiet = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment.update(GIT_OPTIONAL_LOCKS="0", GIT_NO_LAZY_FETCH="1", GIT_TERMINAL_PROMPT="0", LC_ALL="C")
    try:
        done = subprocess.run(
            ["git", "--no-pager", *quiet, "-C", str(folder), *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
        )
    except FileNotFoundError:
        return None
    if done.returncode != 0:
        return None
    return done.stdout.decode("utf-8", "replace")


@task
def write(output: Path, text: str) -> None:
    """Puts the text at output, all of it or nothing."""
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, output)


@flow
def folder_report(
    folder: Path = Path("."),
    since: Optional[date] = None,
    top: int = 10,
    output: Optional[Path] = None,
    limit: int = 20000,
    seconds: float = 2.0,
) -> dict[str, Any]:
    """Reports on a folder: sizes, types and ages of its files, and its git history.

    Args:
        folder: the folder to look at
        since: count only files and commits from this day on
        top: how many lines each list has
        output: a file to write the report to, too
        limit: look at no more files than this
        seconds: look for no longer than this
    """
    folder = Path(folder).expanduser().resolve()
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    log = get_run_logger()
    log.info("looking at %s", folder)
    found = scan(folder, since, limit, seconds)
    log.info("%s in %s", plural(len(found["files"]), "file"), plural(found["folders"], "folder"))
    commits = history(folder, since, 1000)
    log.info(plural(len(commits["days"]), "commit") if commits else "no git history here")

    text = "\n".join(report_lines(folder, since, top, found, commits)) + "\n"
    print(text, flush=True)
    if output:
        write(Path(output).expanduser(), text)
        log.info("written to %s", output)
    return summary(folder, found, commits, output)


def summary(folder: Path, found: dict, commits: dict | None, output: Path | None) -> dict[str, Any]:
    """The flow's result: a few numbers for a program to read."""
    return {
        "folder": str(folder),
        "files": len(found["files"]),
        "bytes": sum(size for _, size, _ in found["files"]),
        "largest": max(found["files"], key=lambda file: file[1], default=("",))[0],
        "commits": len(commits["days"]) if commits else None,
        "authors": len(commits["authors"]) if commits else None,
        "complete": not found["stopped"],
        "output": str(output) if output else None,
    }


def report_lines(folder: Path, since: date | None, top: int, found: dict, commits: dict | None) -> list[str]:
    files = found["files"]
    size = sum(size for _, size, _ in files)
    title = f"Report on {folder}" + (f" since {since}" if since else "")
    lines = ["", title, "=" * len(title)]
    lines.append(f"{plural(len(files), 'file')}, {human(size)}, in {plural(found['folders'], 'folder')}")
    if found["stopped"]:
        lines.append(f"(stopped {found['stopped']}: the report is on the part that was seen)")
    if found["unreadable"]:
        lines.append(f"({found['unreadable']:,} of the folders and files could not be read)")
    if files:
        lines += section("By type", by_type(files, top))
        lines += section("By age of the last change", by_age(files))
        lines += section("Largest", largest(folder, files, top))
        lines += section("Newest", newest(folder, files, top))
    if commits and commits["days"]:
        lines += section("Commits", by_month(commits))
        lines += section("Busiest files", counted(commits["files"], top))
        lines += section("Authors", counted(commits["authors"], top))
    return lines


def section(title: str, lines: list[str]) -> list[str]:
    return ["", title] + ["  " + line for line in lines]


def by_type(files: list, top: int) -> list[str]:
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for path, size, _ in files:
        kind = os.path.splitext(path)[1].lower() or "(none)"
        sizes[kind] += size
        counts[kind] += 1
    most = max(sizes.values()) or 1
    return [
        f"{kind[:12]:<12} {counts[kind]:>8,} files {human(size):>9}  {bar(size / most)}"
        for kind, size in sizes.most_common(top)
    ]


def by_age(files: list) -> list[str]:
    now = time.time()
    counts: Counter[str] = Counter()
    for _, _, changed in files:
        days = (now - changed) / 86400
        counts[next((name for name, limit in AGES if days < limit), "older")] += 1
    names = [name for name, _ in AGES] + ["older"]
    return [f"{name:<12} {counts[name]:>8,} files  {bar(counts[name] / len(files))}" for name in names]


def largest(folder: Path, files: list, top: int) -> list[str]:
    chosen = sorted(files, key=lambda file: -file[1])[:top]
    return [f"{human(size):>9}  {os.path.relpath(path, folder)}" for path, size, _ in chosen]


def newest(folder: Path, files: list, top: int) -> list[str]:
    chosen = sorted(files, key=lambda file: -file[2])[:top]
    return [
        f"{datetime.fromtimestamp(changed):%Y-%m-%d %H:%M}  {os.path.relpath(path, folder)}"
        for path, _, changed in chosen
    ]


def by_month(commits: dict) -> list[str]:
    days = commits["days"]
    newest = "the newest " if commits["stopped"] else ""
    lines = [f"{newest}{plural(len(days), 'commit')}, {min(days)} to {max(days)}"]
    months = Counter(day[:7] for day in days)
    most = max(months.values())
    for month in sorted(months)[-12:]:
        lines.append(f"{month}  {months[month]:>6,}  {bar(months[month] / most)}")
    return lines


def counted(counts: Counter, top: int) -> list[str]:
    return [f"{count:>6,} {'commit ' if count == 1 else 'commits'}  {name}" for name, count in counts.most_common(top)]


def bar(share: float) -> str:
    return "#" * max(round(share * 24), 1 if share else 0)


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def human(size: float) -> str:
    """1.2 MB: what a file manager would show."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


if __name__ == "__main__":
    folder_report()
