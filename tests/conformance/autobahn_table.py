"""Prints the results of the Autobahn cases beside what is expected: autobahn_table.py EXPECTED REPORTS...

Exits with 1 when they differ. Each folder of reports is named after the role of the program under test.
"""

import json
import sys
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path


def read_expected(path):
    """The rules of a file: (pattern, number of cases, behaviour, behaviour in closing, reason)."""
    rules = []
    for line in Path(path).read_text().splitlines():
        if line and not line.startswith("#"):
            pattern, number, behaviour, closing, *reason = line.split(maxsplit=4)
            rules.append((pattern, int(number), behaviour, closing, " ".join(reason)))
    return rules


def read_results(folder):
    """What a folder of reports says: case -> (behaviour, behaviour in closing)."""
    index = Path(folder, "index.json")
    if not index.exists():
        sys.exit(f"no report in {folder}; see {folder}.log")
    (agent,) = json.loads(index.read_text()).values()
    return {case: (entry["behavior"], entry["behaviorClose"]) for case, entry in agent.items()}


def compare(rules, results):
    """One row for each rule, and the differences; of the rules that match a case the last holds."""
    rows = [(Counter(), rule) for rule in rules]
    differences = []
    for case, behaviour in results.items():
        row = next((row for row in reversed(rows) if fnmatchcase(case, row[1][0])), None)
        if row is None:
            differences.append(f"{case}: not expected at all")
            continue
        found, (_, _, *expected, _) = row
        found[behaviour] += 1
        if list(behaviour) != expected:
            differences.append(f"{case}: {' / '.join(behaviour)}, not {' / '.join(expected)}")
    for found, (pattern, number, *_) in rows:
        if found.total() != number:
            differences.append(f"{pattern}: {found.total()} cases, not {number}")
    return rows, differences


def main(expected, *folders):
    rules = read_expected(expected)
    failed = False
    for folder in folders:
        results = read_results(folder)
        rows, differences = compare(rules, results)
        print(f"\nas {Path(folder).name}: {len(results)} cases")
        for found, (pattern, *_, reason) in rows:
            for (behaviour, closing), count in sorted(found.items()):
                print(f"  {pattern:7} {count:4}  {behaviour:14} closing {closing:14} {reason}".rstrip())
        for difference in differences:
            print(f"  DIFFERS {difference}")
        failed |= bool(differences)
    print("\ndifferent from what is expected" if failed else "\nas expected")
    sys.exit(failed)


main(*sys.argv[1:])
