// RFC 4180, for spreadsheets: a row a fish; a row without a fish where there is none.

const LINE = "\r\n";
// Excel takes a file for UTF-8 only when it begins so.
const MARK = "\ufeff";
// A cell that begins like this is run as a formula by spreadsheets, whatever its quotes.
const FORMULA = /^[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]/;

export function csv(rows) {
  return MARK + rows.map((row) => row.map(cell).join(",") + LINE).join("");
}

export function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// The rows for `pictures` ({name, result, problem}), without fish scored below `threshold`.
export function table(pictures, release, threshold) {
  const codes = release.labels.map((species) => species.code);
  const head = [
    "file", "width", "height", "sha256", "picture_label", "picture_likelihood", "fish", "label",
    "common_name", "scientific_name", "fao_code", "sensitive", "score",
    ...codes.map((code) => `likelihood_${code}`),
    "x1", "y1", "x2", "y2", "release", "release_version", "error",
  ];
  const rows = pictures.flatMap((picture) => {
    if (picture.problem) return [alone(picture.name, head.length, picture.problem.code)];
    if (!picture.result) return [];
    const { result } = picture;
    const whole = [
      picture.name, result.image.width, result.image.height, result.image.sha256, result.label,
      result.likelihoods[result.label],
    ];
    const origin = [result.release.name, result.release.version, ""];
    const shown = result.fish
      .map((fish, place) => [place + 1, fish])
      .filter(([, fish]) => fish.score >= threshold);
    if (shown.length === 0) {
      const empty = Array(head.length - whole.length - origin.length).fill(null);
      return [[...whole, ...empty, ...origin]];
    }
    return shown.map(([number, fish]) => [
      ...whole, number, ...named(fish.label), fish.score,
      ...codes.map((code) => fish.likelihoods[code]), ...fish.box, ...origin,
    ]);
  });
  return [head, ...rows];

  function named(label) {
    const species = release.labels.find((each) => each.code === label);
    if (!species) return [label, label, null, null, null]; // of a release before this one
    const { common_name, scientific_name, fao_code, sensitive } = species;
    return [label, common_name, scientific_name, fao_code, sensitive];
  }
}

function alone(name, length, code) {
  return [name, ...Array(length - 2).fill(null), code];
}
