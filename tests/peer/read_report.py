"""Reads what lies beside a report as another program would, and computes some of its numbers anew.

    python read_report.py REPORT_FOLDER COMMANDS_FOLDER

JSON files against their schemas (jsonschema), those of the report and those that commands printed, every CSV file and the
predictions (pandas), accuracies and differences of accuracies from the predictions, LaTeX tables and figures as PDF (pdflatex, where it
is) and the RO-Crate (rocrate-validator). Prints what was checked.
"""

import importlib.metadata
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import jsonschema
import pandas
import requests_cache

folder = pathlib.Path(sys.argv[1])
commands = pathlib.Path(sys.argv[2])
data = folder / "data"


def check_schemas():
    for schema in [*sorted(data.glob("*.schema.json")), *sorted(commands.glob("*.schema.json"))]:
        document = schema.with_name(schema.name.replace(".schema", ""))
        rules = json.loads(schema.read_text())
        jsonschema.Draft202012Validator.check_schema(rules)
        jsonschema.Draft202012Validator(rules).validate(json.loads(document.read_text()))
        print(f"{document.name}: valid")


def check_tables():
    tables = sorted(data.glob("*.csv"))
    for table in tables:
        frame = pandas.read_csv(table)
        assert len(frame) and not any(str(name).startswith("Unnamed") for name in frame.columns), table
    print(f"{len(tables)} CSV files read")


def check_numbers():
    predictions = pandas.read_csv(data / "predictions.csv.gz", dtype={"image": str, "source": str})
    probabilities = [name for name in predictions.columns if name.startswith("p ")]
    assert (predictions[probabilities].sum(axis=1) - 1).abs().max() < 1e-3
    most = predictions[probabilities].idxmax(axis=1).str.removeprefix("p ")
    assert (most == predictions["predicted"]).all()
    right = most == predictions["class"]
    assert (right == predictions["correct"]).all()
    # Of each classifier, by the label of its task.
    accuracy = (100 * right.groupby("classifier/" + predictions["classifier"]).mean()).to_dict()
    arms = predictions.assign(label="classifier/" + predictions["classifier"]).groupby("label")["arm"].first()

    def mean(labels):
        return sum(accuracy[label] for label in labels) / len(labels)

    compared = {"accuracy": 0, "difference": 0}
    for number in json.loads((data / "numbers.json").read_text()):
        labels = [label for label in number.get("from", []) if label in accuracy]
        if number["id"].startswith("accuracy-accuracy-table/"):
            kind, expected = "accuracy", mean(labels)
        elif number["id"].startswith("contrasts-") and number["column"] == "difference":
            real = [label for label in labels if arms[label] == "real"]
            others = [label for label in labels if arms[label] != "real"]
            kind, expected = "difference", mean(others) - mean(real)
        else:
            continue
        assert abs(float(number["value"]) - expected) <= 0.05 + 1e-9, (number, expected)
        compared[kind] += 1
    assert all(compared.values()), compared
    print(f"{len(predictions)} predictions give {compared['accuracy']} accuracies and {compared['difference']} differences again")


def check_latex():
    """As in a paper: a document with booktabs and graphicx reads each table and figure."""
    tables, figures = sorted(data.glob("*.tex")), sorted(data.glob("*.pdf"))
    assert tables and figures
    if not shutil.which("pdflatex"):
        print(f"{len(tables)} LaTeX tables not set: there is no pdflatex")
        return
    inputs = "\n\n".join(f"\\input{{{table.resolve()}}}" for table in tables)
    inputs += "\n\n".join(f"\\includegraphics[width=\\linewidth]{{{figure.resolve()}}}" for figure in figures)
    packages = "\\usepackage{booktabs}\\usepackage{graphicx}"
    document = f"\\documentclass{{article}}{packages}\\begin{{document}}\n{inputs}\n\\end{{document}}\n"
    with tempfile.TemporaryDirectory() as place:
        (pathlib.Path(place) / "tables.tex").write_text(document)
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, errors="replace")
        log = (pathlib.Path(place) / "tables.log").read_text(errors="replace")
    assert done.returncode == 0 and "Missing character" not in log, done.stdout
    print(f"{len(tables)} LaTeX tables and {len(figures)} figures set")


def keep_context(cache):
    """Puts RO-Crate 1.1's context, which the package rocrate carries, where the validator keeps what it has fetched."""
    address = "https://w3id.org/ro/crate/1.1/context"
    text = importlib.metadata.distribution("rocrate").locate_file("rocrate/data/ro-crate.jsonld").read_bytes()
    assert json.loads(text)["@id"] == address
    response = requests_cache.CachedResponse(status_code=200, url=address, headers={"Content-Type": "application/ld+json"})
    response._content = text
    response.request = requests_cache.CachedRequest(method="GET", url=address)
    requests_cache.CachedSession(str(cache), backend="sqlite", expire_after=-1).cache.save_response(response)


def check_crate():
    validator = pathlib.Path(sys.executable).with_name("rocrate-validator")
    with tempfile.TemporaryDirectory() as kept:
        cache = pathlib.Path(kept) / "cache"
        keep_context(cache)
        options = ["--no-paging", "--offline", "--cache-path", cache, "--skip-availability-check", "--verbose"]
        command = [validator, "-y", "--disable-color", "validate", *options, folder]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    print("the RO-Crate is valid")


check_schemas()
check_tables()
check_numbers()
check_latex()
check_crate()
