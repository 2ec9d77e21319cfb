// The page's data, what is chosen, and small tools.

const find = (id) => document.getElementById(id);
const page = JSON.parse(find("payload").textContent);
const count = page.basins.id.length;
const AGREE = 0.795; // 80 %, less what packing rounds off

// What is chosen on the page; every view says what it depends on.
const chosen = { run: 0, group: "", column: "", scenario: 0, statistic: 0, statics: "held", basin: null };
const views = [];

function watch(keys, draw) {
  views.push({ keys, draw });
}

function choose(changes) {
  const changed = Object.keys(changes).filter((key) => chosen[key] !== changes[key]);
  Object.assign(chosen, changes);
  for (const view of views) {
    if (view.keys.some((key) => changed.includes(key))) view.draw();
  }
}

const run = () => page.runs[chosen.run];

// Elements are made with textContent only: no text from data is ever read as markup.
function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function options(select, entries, value) {
  select.replaceChildren(...entries.map(([key, text]) => make("option", { value: key }, text)));
  select.value = value;
}

const isNumber = (v) => v !== null && v !== undefined && Number.isFinite(v);

function text(value, digits = 3) {
  if (!isNumber(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e5) return String(value).replace("-", "−");
  const size = Math.abs(value);
  let shown;
  if (size >= 1e5 || size < 1e-3) shown = value.toExponential(1);
  else shown = value.toFixed(Math.max(0, Math.min(4, digits - 1 - Math.floor(Math.log10(size)))));
  return shown.replace("-", "−");
}

const signed = (value, digits = 3) => (value > 0 ? "+" : "") + text(value, digits);

const SPELLED = { 1: "", "mm d-1": "mm/d", "mm yr-1": "mm/yr", "d yr-1": "days/yr", "yr-1": "per yr", d: "days", K: "°C" };
const unit = (name) => (name in SPELLED ? SPELLED[name] : name);
const withUnit = (shown, name) => (unit(name) && shown !== "–" ? `${shown} ${unit(name)}` : shown);

function quantile(sorted, q) {
  const place = (sorted.length - 1) * q;
  const low = Math.floor(place);
  const high = Math.ceil(place);
  return sorted[low] + (sorted[high] - sorted[low]) * (place - low);
}

function finite(values) {
  return Float64Array.from(Array.from(values).filter(isNumber)).sort();
}

const median = (values) => {
  const sorted = finite(values);
  return sorted.length ? quantile(sorted, 0.5) : null;
};

// Blocks: base64 of deflated half floats, high bytes first, then low bytes (page_codec.py).
const HALF = (() => {
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31;
    const mantissa = bits & 1023;
    let value;
    if (exponent === 0) value = mantissa * 2 ** -24;
    else if (exponent === 31) value = mantissa ? NaN : Infinity;
    else value = (1 + mantissa / 1024) * 2 ** (exponent - 15);
    table[bits] = bits >> 15 ? -value : value;
  }
  return table;
})();

async function unpack(packed) {
  const binary = atob(packed);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const half = planes.length / 2;
  const values = new Float32Array(half);
  for (let i = 0; i < half; i++) values[i] = HALF[(planes[i] << 8) | planes[half + i]];
  return values;
}

const unpacked = new Map();

// A whole block, or one line of it; null where there is none.
function block(name, line = null) {
  const key = line === null ? name : `${name}:${line}`;
  if (!unpacked.has(key)) {
    const element = find(`block-${name}`);
    const packed = element ? (line === null ? element.textContent : element.textContent.split("\n")[line]) : "";
    unpacked.set(key, packed ? unpack(packed) : Promise.resolve(null));
  }
  return unpacked.get(key);
}

// An array (scenario, statistic, basin) of the response, by the choice of attributes.
function changeBlock(name) {
  const recomputed = chosen.statics === "recomputed" && name === "change";
  return block(`${name}${recomputed ? "_recomputed" : ""}-${chosen.run}`);
}

// The members' range and agreement were computed with attributes held.
const hasRange = () => run().response.members > 1 && chosen.statics === "held";

const place = (scenario, statistic, basin = 0) =>
  (scenario * run().response.statistics.name.length + statistic) * count + basin;
