"""Look for known vulnerabilities in the pinned packages, and for secrets in the tracked files: `make audit`.

Ends with an error where something is found. What could not be looked up, without the network for example, is said
plainly and is no error: nobody should take it for a clean result.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINNED = ("requirements.txt", "requirements-test.txt")
NO_SECRETS = ("models/", "samples/", "benchmarks/methods/measured/", "benchmarks/smollm2/measured/")
"""Weights, texts, and numbers with the fingerprints of their texts: long strings of letters and digits, none of them a
key."""


def vulnerabilities() -> list[str]:
    """A line for each known vulnerability. Says on stdout how many packages were looked up at all."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
        command += ["-f", "json", "-o", str(answer)] + [word for name in PINNED for word in ("-r", name)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if not answer.is_file():
            print(f"Vulnerabilities: NOT CHECKED, there is no answer. {done.stderr.strip()[-300:]}")
            return []
        packages = json.loads(answer.read_text(encoding="utf-8"))["dependencies"]
    known = [package for package in packages if "skip_reason" not in package]
    if len(known) < len(packages):
        others = ", ".join(package["name"] for package in packages if package not in known)
        print(f"Vulnerabilities: NOT CHECKED for {len(packages) - len(known)} of {len(packages)} packages: {others}")
    if known:
        print(f"Vulnerabilities: looked up for {len(known)} of {len(packages)} pinned packages")
    return [
        f"{package['name']} {package['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'none'}"
        for package in known
        for found in package["vulns"]
    ]


def secrets() -> list[str]:
    """A line for each place in a tracked file that looks like a key or a password."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    files = [name for name in listed.stdout.splitlines() if not name.startswith(NO_SECRETS)]
    command = [sys.executable, "-m", "detect_secrets", "scan", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    print(f"Secrets: looked for in {len(files)} files")
    found = json.loads(done.stdout)["results"]
    return [f"{name}, line {each['line_number']}: {each['type']}" for name, places in found.items() for each in places]


def main() -> None:
    found = [*vulnerabilities(), *secrets()]
    print("\n".join(found) or "Nothing found.")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
