"""What lies in the tree: sizes, attribution, and nothing that belongs to one machine."""

import json
import re

from tests.house.project import PACKAGES, ROOT, documents, files, texts

MIB = 1024 * 1024

# Spelt in pieces, so that this file does not hold what it looks for.
REGISTRIES = re.compile("|".join(("pypi" + r"\.org", "python" + r"hosted\.org")))
MACHINE_PATHS = re.compile("|".join((r"(?<![\w.])/wo" + "rk/", "/ro" + "ot/", "/tmp/" + "dw")))


def test_the_model_repository_is_small() -> None:
    size = sum(path.stat().st_size for path in files(ROOT / "model_repository"))
    assert size < 25 * MIB


def test_no_file_is_large() -> None:
    large = {str(path): path.stat().st_size for path in files() if path.stat().st_size > 20 * MIB}
    assert not large


def test_no_registry_is_named() -> None:
    assert not [str(path) for path, text in texts() if REGISTRIES.search(text)]


def test_no_path_of_one_machine_is_named() -> None:
    assert not [str(path) for path, text in texts() if MACHINE_PATHS.search(text)]


def test_modules_are_short() -> None:
    lengths = {
        str(path): text.count("\n")
        for path, text in texts()
        if path.suffix == ".py" and path.parts[0] in (*PACKAGES, "tools")
    }
    assert {path: length for path, length in lengths.items() if length > 300} == {}


def test_the_photographs_are_small_and_attributed() -> None:
    folder = ROOT / "examples" / "photos"
    photographs = sorted(folder.glob("*.jpg"))
    assert len(photographs) >= 8
    assert all(path.stat().st_size < 120_000 for path in photographs)
    text = (folder / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert "CC BY 4.0" in text
    assert re.findall(r"^\| (\S+\.jpg) \|", text, re.MULTILINE) == [p.name for p in photographs]


def test_the_notice_names_every_licence_text() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    texts_there = sorted(f"licenses/{path.name}" for path in (ROOT / "licenses").iterdir())
    assert sorted(set(re.findall(r"licenses/[\w.-]+\.txt", notice))) == texts_there


def test_the_notice_names_what_the_release_was_trained_on() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    releases = sorted((ROOT / "model_repository").glob("deckwatch/*/release.json"))
    assert releases
    for path in releases:
        for data in json.loads(path.read_text(encoding="utf-8"))["training_data"]:
            assert data["name"] in notice, f"{data['name']} of {path} is missing in NOTICE"


def test_links_between_documents_hold() -> None:
    broken = []
    for path, text in documents():
        without_code = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", without_code):
            if re.match(r"https?:", target):
                continue
            name, _, anchor = target.partition("#")
            linked = (ROOT / path).parent / name if name else ROOT / path
            if not linked.exists() or (anchor and anchor not in anchors(linked.read_text())):
                broken.append(f"{path}: {target}")
    assert not broken


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as code forges make them."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
