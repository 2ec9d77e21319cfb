// The map: markers in the colours of a column, hover, keyboard, zoom.

const map = { svg: find("map-svg"), box: find("map-box"), tip: find("tip"), column: null, scale: null, hover: null };
const whole = { x: 0, y: 0, w: page.map.width, h: page.map.height };
let view = { ...whole };
let markers = [];
const placed = Array.from({ length: count }, (_, i) => i).filter((i) => isNumber(page.basins.x[i]));

function buildMap() {
  const ground = draw("g", { "aria-hidden": "true" });
  for (const line of page.map.outlines) {
    ground.append(draw("path", { class: "outline", d: line.d, stroke: line.stroke, "stroke-width": line.width * 1.6 }));
  }
  const points = draw("g", { id: "points" });
  markers = Array.from({ length: count }, () => null);
  for (const i of placed) {
    markers[i] = draw("path", { "data-basin": i, "vector-effect": "non-scaling-stroke" });
    points.append(markers[i]);
  }
  map.ring = draw("circle", { fill: "none", stroke: "#000", "stroke-width": 2.5, "vector-effect": "non-scaling-stroke", "pointer-events": "none" });
  map.point = draw("circle", { fill: "none", stroke: "#e69f00", "stroke-width": 3, "vector-effect": "non-scaling-stroke", "pointer-events": "none" });
  map.svg.append(ground, points, map.ring, map.point);
  map.svg.addEventListener("pointermove", (event) => hover(nearest(event), event));
  map.svg.addEventListener("pointerleave", () => hover(null));
  map.svg.addEventListener("click", (event) => {
    const basin = nearest(event);
    if (basin !== null && !map.dragged) choose({ basin });
  });
  map.svg.addEventListener("keydown", onKey);
  map.svg.addEventListener("blur", () => hover(null));
  map.svg.addEventListener("focus", () => {
    if (map.svg.matches(":focus-visible") && chosen.basin !== null) hover(chosen.basin);
  });
  new ResizeObserver(() => requestAnimationFrame(setView)).observe(map.svg);
  buildZoom();
  setView();
}

// Pixels of the screen for one unit of the picture.
const density = () => (map.svg.clientWidth || 900) / view.w;

function radius() {
  const width = map.svg.clientWidth || 900;
  const few = Math.sqrt(250 / Math.max(placed.length, 20));
  const pixels = Math.max(2.6, Math.min(8, (width / 900) * 5.4 * few));
  return (pixels * (whole.w / view.w) ** 0.35) / density();
}

function setView() {
  map.svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.w} ${view.h}`);
  map.svg.classList.toggle("zoomed", view.w < whole.w);
  shapeMarkers();
}

function shapeMarkers() {
  const r = radius();
  const round = (s) => `m${-s},0a${s},${s} 0 1 0 ${2 * s},0a${s},${s} 0 1 0 ${-2 * s},0z`;
  const [circle, dot] = [round(r), round(r / 3)];
  const triangle = `m${-1.15 * r},${-0.8 * r}h${2.3 * r}l${-1.15 * r},${2 * r}z`;
  for (const i of placed) {
    const value = map.column ? map.column.values[i] : null;
    const shape = !isNumber(value) ? dot : isFailed(map.column, value) ? triangle : circle;
    markers[i].setAttribute("d", `M${page.basins.x[i]},${page.basins.y[i]}${shape}`);
  }
  for (const [mark, basin, more] of [[map.ring, chosen.basin, 1.7], [map.point, map.hover, 2]]) {
    const shown = basin !== null && markers[basin];
    mark.setAttribute("visibility", shown ? "visible" : "hidden");
    if (!shown) continue;
    mark.setAttribute("cx", page.basins.x[basin]);
    mark.setAttribute("cy", page.basins.y[basin]);
    mark.setAttribute("r", r * more);
  }
}

const isFailed = (column, value) =>
  isNumber(value) && (column.kind === "check" ? value === 0 : column.failed !== undefined && value <= column.failed);

async function paintMap() {
  const ticket = (map.ticket = (map.ticket || 0) + 1);
  const column = await chosenColumn();
  if (!column || ticket !== map.ticket) return; // something else was chosen in the meantime
  const scale = scaleOf(column);
  Object.assign(map, { column, scale });
  const weak = new Set(column.weak || []);
  for (const i of placed) {
    const value = column.values[i];
    let [fill, stroke, width] = ["#9aa5ad", "none", 0]; // no value: a grey dot
    if (isFailed(column, value)) [fill, stroke, width] = [FAILED, "#3b1a00", 0.8];
    else if (column.kind === "check" && isNumber(value)) [fill, stroke, width] = ["#9dbdd3", "#51697a", 0.7];
    else if (isNumber(value) && weak.has(i)) [fill, stroke, width] = ["#fff", darker(scale.color(value)), 2.2];
    else if (isNumber(value)) [fill, stroke, width] = [scale.color(value), "#3d4850", 0.6];
    markers[i].setAttribute("fill", fill);
    markers[i].setAttribute("stroke", stroke);
    markers[i].setAttribute("stroke-width", width);
    markers[i].setAttribute("pointer-events", "all");
  }
  shapeMarkers();
  find("map-heading").textContent = column.heading || withBracket(column.title, column.units);
  paintLegend(column, scale, weak);
}

const withBracket = (title, units) => (unit(units) ? `${title} [${unit(units)}]` : title);

// The column the map shows; a change is cut out of the response.
async function chosenColumn() {
  if (chosen.group !== "Change") return run().columns.find((c) => c.key === chosen.column);
  const { scenarios, statistics } = run().response;
  const { scenario, statistic, statics } = chosen;
  const [change, agree] = await Promise.all([changeBlock("change"), hasRange() ? changeBlock("agree") : null]);
  const at = place(scenario, statistic);
  const values = change.subarray(at, at + count);
  const weak = [];
  if (agree) values.forEach((v, i) => { if (agree[at + i] < AGREE) weak.push(i); });
  return {
    key: `${statistics.name[statistic]}_${scenarios.name[scenario]}${statics === "recomputed" ? "_recomputed" : ""}`,
    kind: "diverging", center: 0, palette: statistics.palette[statistic], units: statistics.change_units[statistic],
    title: statistics.title[statistic], values, weak,
    heading: `Change of ${statistics.title[statistic]} [${unit(statistics.change_units[statistic])}], ${scenarios.title[scenario]}`,
  };
}

// A ring needs more contrast with the ground than a filled circle.
const darker = (rgb) => `rgb(${rgb.match(/\d+/g).map((v) => Math.round(0.78 * v)).join(",")})`;

function paintLegend(column, scale, weak) {
  const legend = find("legend");
  legend.replaceChildren();
  if (column.kind !== "check") legend.append(colourBar(column, scale));
  const shown = placed.map((i) => column.values[i]);
  const failed = shown.filter((v) => isFailed(column, v)).length;
  const sample = (shape, words) => legend.append(make("span", {}, draw("svg", { width: 16, height: 16, viewBox: "-8 -8 16 16", "aria-hidden": "true" }, shape), words));
  const triangle = draw("path", { d: "M-6,-4h12l-6,10z", fill: FAILED, stroke: "#3b1a00" });
  if (column.kind === "check") {
    const passed = shown.filter((v) => v === 1).length;
    sample(draw("circle", { r: 5, fill: "#9dbdd3", stroke: "#51697a" }), `passed (${passed})`);
    sample(triangle, `failed (${failed})`);
  } else if (column.failed !== undefined) sample(triangle, `${column.key} ≤ ${column.failed} (${failed})`);
  const open = placed.filter((i) => weak.has(i)).length;
  if (open) sample(draw("circle", { r: 5, fill: "#fff", stroke: "#55616b", "stroke-width": 2 }), `fewer than 80 % of members agree on the sign (${open})`);
  const none = shown.filter((v) => !isNumber(v)).length;
  if (none) sample(draw("circle", { r: 2, fill: "#9aa5ad" }), `no value (${none})`);
  const values = finite(column.values);
  const lost = count - placed.length;
  if (column.kind === "check") find("map-caption").textContent = `The check applies to ${values.length} of ${count} basins.`;
  else find("map-caption").textContent = !values.length ? "No basin has a value." :
    `${values.length} basins, median ${text(quantile(values, 0.5))}, 10 to 90 %: ${text(quantile(values, 0.1))} to ${text(quantile(values, 0.9))}` +
    (lost ? `; ${lost} not drawn (place not known).` : ".");
}

function colourBar(column, scale) {
  const id = "ramp";
  const stops = scale.ramp.map((color, k) => draw("stop", { offset: k / (scale.ramp.length - 1), "stop-color": color }));
  const marks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const value = scale.low + share * (scale.high - scale.low);
    const beyond = share === 0 && scale.under ? "≤ " : share === 1 && scale.over ? "≥ " : "";
    return draw("text", { x: 22 + 316 * share, y: 30, "text-anchor": "middle" }, beyond + text(Math.abs(value) < 1e-9 * (scale.high - scale.low) ? 0 : value).replace(/\.0+$/, ""));
  });
  return draw("svg", { class: "bar", viewBox: "0 0 360 34", role: "img", "aria-label": `Colours from ${text(scale.low)} to ${text(scale.high)} ${unit(column.units)}` },
    draw("defs", {}, draw("linearGradient", { id }, ...stops)),
    draw("rect", { x: 22, y: 3, width: 316, height: 12, fill: `url(#${id})`, stroke: "#8b98a3", "stroke-width": 0.5 }), ...marks);
}

function nearest(event) {
  const box = map.svg.getBoundingClientRect();
  const x = view.x + (event.clientX - box.left) / density();
  const y = view.y + (event.clientY - box.top) / density();
  const reach = Math.max(16 / density(), radius() * 1.5);
  let best = null;
  let least = reach * reach;
  for (const i of placed) {
    const far = (page.basins.x[i] - x) ** 2 + (page.basins.y[i] - y) ** 2;
    if (far < least) [best, least] = [i, far];
  }
  return best;
}

function hover(basin) {
  map.hover = basin;
  shapeRings();
  map.tip.hidden = basin === null;
  if (basin === null || !map.column) return;
  const shown = map.column.kind === "check" ? ["failed", "passed"][map.column.values[basin]] || "does not apply"
    : withUnit((map.column.kind === "diverging" && map.column.center === 0 ? signed : text)(map.column.values[basin]), map.column.units);
  const unsure = (map.column.weak || []).includes(basin) ? " (members disagree on the sign)" : "";
  map.tip.replaceChildren(make("b", {}, page.basins.id[basin]), page.basins.name[basin], make("div", {}, `${map.column.title}: ${shown}${unsure}`));
  const x = (page.basins.x[basin] - view.x) * density();
  const y = (page.basins.y[basin] - view.y) * density();
  const width = map.tip.offsetWidth;
  map.tip.style.left = `${Math.max(2, Math.min(x - width / 2, map.box.clientWidth - width - 4))}px`;
  const above = y - map.tip.offsetHeight - 14;
  map.tip.style.top = `${above > 0 ? above : y + 14}px`;
}

function shapeRings() {
  const r = radius();
  const shown = map.hover !== null && markers[map.hover];
  map.point.setAttribute("visibility", shown ? "visible" : "hidden");
  if (!shown) return;
  map.point.setAttribute("cx", page.basins.x[map.hover]);
  map.point.setAttribute("cy", page.basins.y[map.hover]);
  map.point.setAttribute("r", r * 2);
}

// Arrow keys go to the nearest basin in their direction.
function onKey(event) {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if ((event.key === "Enter" || event.key === " ") && map.hover !== null) {
    choose({ basin: map.hover });
    event.preventDefault();
  } else if (event.key === "Escape") hover(null);
  if (!way || !placed.length) return;
  event.preventDefault();
  const from = map.hover ?? (markers[chosen.basin] ? chosen.basin : placed[0]);
  let best = from;
  let least = Infinity;
  for (const i of placed) {
    const dx = page.basins.x[i] - page.basins.x[from];
    const dy = page.basins.y[i] - page.basins.y[from];
    const ahead = dx * way[0] + dy * way[1];
    const aside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
    if (ahead > 0.05 && ahead + 2 * aside < least) [best, least] = [i, ahead + 2 * aside];
  }
  hover(best);
}

function buildZoom() {
  const zoom = (factor) => {
    const w = Math.min(whole.w, Math.max(whole.w / 16, view.w * factor));
    const h = (w * whole.h) / whole.w;
    const at = markers[chosen.basin] && view.w === whole.w ? [page.basins.x[chosen.basin], page.basins.y[chosen.basin]] : [view.x + view.w / 2, view.y + view.h / 2];
    move(at[0] - w / 2, at[1] - h / 2, w, h);
  };
  find("zoom-in").addEventListener("click", () => zoom(0.6));
  find("zoom-out").addEventListener("click", () => zoom(1 / 0.6));
  find("zoom-all").addEventListener("click", () => move(0, 0, whole.w, whole.h));
  let start = null;
  map.svg.addEventListener("pointerdown", (event) => {
    map.dragged = false;
    if (view.w < whole.w) start = { x: event.clientX, y: event.clientY, view: { ...view } };
  });
  map.svg.addEventListener("pointermove", (event) => {
    if (!start || !event.buttons) return;
    const [dx, dy] = [event.clientX - start.x, event.clientY - start.y];
    if (Math.hypot(dx, dy) > 4) map.dragged = true;
    if (map.dragged) move(start.view.x - dx / density(), start.view.y - dy / density(), view.w, view.h);
  });
  for (const name of ["pointerup", "pointerleave"]) map.svg.addEventListener(name, () => { start = null; });
}

function move(x, y, w, h) {
  view = { x: Math.max(0, Math.min(x, whole.w - w)), y: Math.max(0, Math.min(y, whole.h - h)), w, h };
  setView();
  hover(null);
}
