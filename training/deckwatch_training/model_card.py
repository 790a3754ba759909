"""MODEL_CARD.md of a release: what it was trained on, what it can and cannot do."""

from __future__ import annotations

from typing import Any

from deckwatch_vision.release import Release


def model_card(release: Release, words: str) -> str:
    """The card in Markdown; `words` are the author's own on intended use and limits."""
    detector, classifier = release.detector, release.classifier
    return "\n".join(
        [
            f"# Model card: {release.name}, version {release.version}",
            "",
            f"Made {release.created[:10]}. Detector: {detector.architecture} on a canvas of "
            f"{detector.input_size} x {detector.input_size} pixels. Classifier: "
            f"{classifier.architecture} on crops of {classifier.input_size} x "
            f"{classifier.input_size} pixels with {classifier.context:g} times the box's longer "
            "side in view.",
            "",
            words.strip(),
            "",
            "## Classes",
            "",
            "| code | name | scientific name | sensitive |",
            "|---|---|---|---|",
            *(
                f"| {one.code} | {one.common_name} | {one.scientific_name or ''} | "
                f"{'yes' if one.sensitive else ''} |"
                for one in release.labels
            ),
            "",
            "## Training data",
            "",
            *(
                f"- {data.name}, {data.licence}: {data.attribution}. {data.pictures} photographs. "
                f"{data.url or ''}".rstrip()
                for data in release.training_data
            ),
            "",
            "## Scorecard",
            "",
            *scorecard_table(release.scorecard["valid"]),
            "",
            "## How the numbers were chosen",
            "",
            f"On {release.scorecard['held_back']['pictures']} photographs held back from training: "
            f"temperature {classifier.temperature:g}, NMS overlap {detector.iou_threshold:g}, "
            f"veto {release.fusion.veto:g}, score threshold {release.fusion.score_threshold:g}, "
            f"candidates from {detector.candidate_threshold:g}, fusion {release.fusion.method} "
            f"(whole picture: {release.fusion.whole_picture}, sharpness "
            f"{release.fusion.sharpness:g}).",
            "",
        ]
    )


def scorecard_table(card: dict[str, Any]) -> list[str]:
    """The scorecard as rows of a Markdown table, each value with its 95 % interval over groups.

    Scorecards of older releases have fewer numbers; what a scorecard lacks is left out.
    """
    detector, species = card["detector"], card["species"]
    words = [
        f"Recall by species on true boxes: {_listed(species['recall'])}.",
        f"AP over IoU 0.5 to 0.95: {_shown(detector['ap'])}.",
        f"AP50 of the detector without the classifier's veto: "
        f"{_shown(detector['ap50_without_veto'])}.",
    ]
    if pipeline := card.get("pipeline"):
        words.append(f"AP by species: {_listed(pipeline['ap'])}.")
    if unknown := card.get("unknown"):
        there = ", ".join(f"{code} ({count})" for code, count in unknown.items())
        words.append(
            f"Left out where species are measured, because the release lacks them: {there}."
        )
    vessels = card.get("data", {}).get("vessels", card["groups"])
    return [
        f"Measured on {card['pictures']} photographs of {vessels} groups with "
        f"{card['fish']} fish and {species['boxes']} boxes in all. The interval is the middle 95 % "
        "of 500 draws of whole groups.",
        "",
        "| measure | value | 95 % interval |",
        "|---|---|---|",
        *(
            f"| {name} | {_shown(value)} | {_shown(low)} to {_shown(high)} |"
            if low is not None
            else f"| {name} | {_shown(value)} | |"
            for name, (value, low, high) in scorecard_rows(card)
        ),
        "",
        " ".join(words),
    ]


def scorecard_rows(card: dict[str, Any]) -> list[tuple[str, list[float | None]]]:
    """What a scorecard's table shows: words, and [value, low, high] with None for not known."""
    detector, species, picture = card["detector"], card["species"], card["picture"]
    pipeline = card.get("pipeline", {})
    alarms = f"{detector['false_alarm_pictures']} of {detector['pictures_without_fish']}"
    rows = [
        ("fish: AP50, all species as one", detector["ap50"]),
        (f"fish: F1 at the shipped threshold {detector['threshold']:g}", detector["f1"]),
        ("fish: recall there", detector["recall"]),
        ("fish: precision there", detector["precision"]),
        (f"pictures without fish on which fish are reported ({alarms})",
         detector["false_alarm_share"]),
        ("fish found and named: mAP50 over the species", pipeline.get("map50")),
        ("fish found and named: macro recall", pipeline.get("macro_recall")),
        ("species on true boxes: accuracy", species["accuracy"]),
        ("species on true boxes: macro recall", species["macro_recall"]),
        ("species on true boxes: log loss", species["log_loss"]),
        ("species on true boxes: expected calibration error", species["calibration_error"]),
        ("picture: accuracy", picture["accuracy"]),
        ("picture: macro recall", picture.get("macro_recall")),
        ("picture: log loss", picture["log_loss"]),
        ("picture: expected calibration error", picture["calibration_error"]),
    ]  # fmt: skip
    return [(name, value) for name, value in rows if value and value[0] is not None]


def _shown(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"


def _listed(values: dict[str, float | None]) -> str:
    return ", ".join(f"{code} {_shown(value)}" for code, value in values.items()) or "none"
