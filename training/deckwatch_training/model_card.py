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
    """The scorecard as rows of a Markdown table, each value with its 95 % interval over groups."""
    detector, species, picture = card["detector"], card["species"], card["picture"]
    alarms = f"{detector['false_alarm_pictures']} of {detector['pictures_without_fish']}"
    rows = [
        ("fish: AP50, all species as one", detector["ap50"]),
        (f"fish: F1 at the shipped threshold {detector['threshold']:g}", detector["f1"]),
        ("fish: recall there", detector["recall"]),
        ("fish: precision there", detector["precision"]),
        (f"pictures without fish on which fish are reported ({alarms})",
         detector["false_alarm_share"]),
        ("species on true boxes: accuracy", species["accuracy"]),
        ("species on true boxes: macro recall", species["macro_recall"]),
        ("species on true boxes: log loss", species["log_loss"]),
        ("species on true boxes: expected calibration error", species["calibration_error"]),
        ("picture: accuracy", picture["accuracy"]),
        ("picture: log loss", picture["log_loss"]),
        ("picture: expected calibration error", picture["calibration_error"]),
    ]  # fmt: skip
    recall = ", ".join(f"{code} {value:.3f}" for code, value in species["recall"].items())
    return [
        f"Measured on {card['pictures']} photographs of {card['groups']} groups with "
        f"{card['fish']} fish and {species['boxes']} boxes in all. The interval is the middle 95 % "
        "of 500 draws of whole groups.",
        "",
        "| measure | value | 95 % interval |",
        "|---|---|---|",
        *(f"| {name} | {v[0]:.3f} | {v[1]:.3f} to {v[2]:.3f} |" for name, v in rows),
        "",
        f"Recall by species on true boxes: {recall}. AP over IoU 0.5 to 0.95: "
        f"{detector['ap']:.3f}. AP50 of the detector without the classifier's veto: "
        f"{detector['ap50_without_veto']:.3f}.",
    ]
