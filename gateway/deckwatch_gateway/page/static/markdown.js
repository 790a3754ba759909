// The Markdown of model cards as elements: headings, paragraphs, lists, tables, code, bold, links.
// Made node by node, so whatever a card says, it can only ever be text.

import { element } from "./dom.js";

const RULE = /^\s*\|?(\s*:?-+:?\s*\|)+\s*(:?-+:?\s*)?$/;
const ITEM = /^\s{0,3}(?:[-*+]|(\d+)[.)])\s+(.*)$/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const FENCE = /^\s*```/;

// Elements for `text`; its first level becomes a heading of level `top`.
export function render(text, top = 3) {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const found = [];
  let place = 0;
  while (place < lines.length) {
    const line = lines[place];
    if (!line.trim()) {
      place += 1;
      continue;
    }
    const block =
      heading(line, top) ?? fence(lines, place) ?? table(lines, place) ?? list(lines, place) ??
      paragraph(lines, place);
    found.push(block.node);
    place += block.lines;
  }
  return found;
}

function heading(line, top) {
  const match = HEADING.exec(line);
  if (!match) return null;
  const level = Math.min(6, match[1].length + top - 1);
  return { node: element(`h${level}`, {}, ...inline(match[2])), lines: 1 };
}

function fence(lines, start) {
  if (!FENCE.test(lines[start])) return null;
  let end = start + 1;
  while (end < lines.length && !FENCE.test(lines[end])) end += 1;
  const code = lines.slice(start + 1, end).join("\n");
  return { node: element("pre", {}, code), lines: end - start + 1 };
}

function table(lines, start) {
  if (!lines[start].includes("|") || !RULE.test(lines[start + 1] ?? "")) return null;
  let end = start + 2;
  while (end < lines.length && lines[end].includes("|")) end += 1;
  const heads = cells(lines[start]).map((cell) => element("th", { scope: "col" }, ...inline(cell)));
  const row = (line) =>
    element("tr", {}, ...cells(line).map((cell) => element("td", {}, ...inline(cell))));
  const rows = lines.slice(start + 2, end).map(row);
  const node = element(
    "div",
    { class: "wide" },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...heads)),
      element("tbody", {}, ...rows),
    ),
  );
  return { node, lines: end - start };
}

function cells(line) {
  const inner = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function list(lines, start) {
  const first = ITEM.exec(lines[start]);
  if (!first) return null;
  const items = [];
  let end = start;
  while (end < lines.length && lines[end].trim()) {
    const match = ITEM.exec(lines[end]);
    if (match) items.push(match[2]);
    else if (/^\s/.test(lines[end])) items.push(`${items.pop()} ${lines[end].trim()}`);
    else break;
    end += 1;
  }
  const nodes = items.map((item) => element("li", {}, ...inline(item)));
  return { node: element(first[1] ? "ol" : "ul", {}, ...nodes), lines: end - start };
}

function paragraph(lines, start) {
  let end = start + 1;
  const starts = (line) => HEADING.test(line) || FENCE.test(line) || ITEM.test(line);
  while (end < lines.length && lines[end].trim() && !starts(lines[end])) end += 1;
  const text = lines.slice(start, end).map((line) => line.trim()).join(" ");
  return { node: element("p", {}, ...inline(text)), lines: end - start };
}

const INLINE =
  /`([^`]+)`|\*\*(.+?)\*\*|\[([^\]]+)\]\(([^)\s]+)\)|(https:\/\/[^\s<>()|"]*[^\s<>()|".,;:!?])/;

// Text with its code, bold and links; a link that is not https stays text.
function inline(text) {
  const nodes = [];
  let rest = text;
  for (let match = INLINE.exec(rest); match; match = INLINE.exec(rest)) {
    if (match.index) nodes.push(rest.slice(0, match.index));
    nodes.push(span(match));
    rest = rest.slice(match.index + match[0].length);
  }
  if (rest) nodes.push(rest);
  return nodes;
}

function span([whole, code, bold, label, target, bare]) {
  if (code !== undefined) return element("code", {}, code);
  if (bold !== undefined) return element("strong", {}, ...inline(bold));
  if (bare !== undefined) return link(bare, bare);
  return target.startsWith("https://") ? link(label, target) : whole;
}

function link(label, address) {
  return element("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, label);
}
