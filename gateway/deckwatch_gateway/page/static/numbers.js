// Numbers as people read them.

const whole = new Intl.NumberFormat("en");
const tenth = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export function count(number, one, many = `${one}s`) {
  return `${whole.format(number)} ${number === 1 ? one : many}`;
}

// "0.4 %", "93.1 %"; 0 and 100 only where it is exactly so.
export function percent(share) {
  const shown = Math.round(share * 1000) / 10;
  if (shown === 0 && share > 0) return "under 0.1 %";
  if (shown === 100 && share < 1) return "over 99.9 %";
  return `${shown.toFixed(1)} %`;
}

export function bytes(size) {
  if (size < 1000) return count(size, "byte");
  if (size < 1e6) return `${tenth.format(size / 1e3)} kB`;
  return `${tenth.format(size / 1e6)} MB`;
}

export function megapixels(pixels) {
  return `${tenth.format(pixels / 1e6)} megapixels`;
}
