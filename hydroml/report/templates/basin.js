// The chosen basin: facts, hydrograph, response surface, regime, all changes.

const flow = { basin: null, series: null, years: [], year: "" };
const DAY = 86400000;

function paintPanel() {
  const basin = chosen.basin;
  if (basin === null) return;
  const { id, name } = page.basins;
  find("choose-basin").value = String(basin);
  find("panel-title").textContent = name[basin] ? `${id[basin]} – ${name[basin]}` : id[basin];
  find("flow-title").textContent = `Hydrograph of ${find("panel-title").textContent}`;
  find("response-title").textContent = `Answer of ${find("panel-title").textContent}`;
  const climate = run().climate[basin];
  const where = isNumber(page.basins.lat[basin]) ? `${degrees(page.basins.lat[basin], "NS")}, ${degrees(page.basins.lon[basin], "EW")}` : "place not known";
  find("panel-climate").textContent = [climate && climate !== "unknown" ? `Climate: ${climate}` : "", where].filter(Boolean).join(" · ");
  const parts = [];
  for (const group of ["Scores", "Attributes", "Plausibility"]) {
    const columns = run().columns.filter((c) => c.group === group);
    if (!columns.length) continue;
    parts.push(make("h4", {}, group));
    const wide = group === "Plausibility";
    const list = make("dl", { class: wide ? "facts2 wide" : "facts2" });
    for (const column of columns) {
      const value = column.values[basin];
      const shown = column.kind === "check" ? ["failed", "passed"][value] || "–" : withUnit(text(value), column.units);
      const title = wide ? column.title.replace(/^check: /, "") : group === "Scores" ? column.key.replaceAll("_", " ") : column.key.replaceAll("_", "_\u200b"); // may break there
      list.append(make("div", { title: column.title }, make("dt", {}, title), make("dd", { class: isFailed(column, value) ? "bad" : null }, shown)));
    }
    parts.push(list);
  }
  find("panel-facts").replaceChildren(...parts);
}

const degrees = (v, [positive, negative]) => `${Math.abs(v).toFixed(2)}° ${v < 0 ? negative : positive}`;

async function loadFlow() {
  const { flows } = run();
  const basin = chosen.basin;
  const values = flows && basin !== null ? await block(`flows-${chosen.run}`, basin) : null;
  if (basin !== chosen.basin) return; // another one was chosen in the meantime
  flow.series = null;
  if (!values) {
    find("hydrograph").replaceChildren(make("p", { class: "missing" }, flows ? "This run has no simulation of the basin." :
      "simulations.nc is not there; hydroml evaluate writes it."));
    find("hydrograph-reading").textContent = "";
    return;
  }
  flow.series = Object.fromEntries(flows.series.map((name, k) => [name, values.subarray(k * flows.days, (k + 1) * flows.days)]));
  flow.start = Date.parse(`${flows.first}T00:00:00Z`);
  flow.years = yearsOf(flow.start, flows.days);
  const kept = flow.years.some((y) => y.name === flow.year) || flow.year === "all";
  if (!kept) flow.year = liveliest();
  options(find("choose-year"), [...flow.years.map((y) => [y.name, y.name]), ["all", flows.cut ? "all years on this page" : "all years"]], flow.year);
  redraw.hydrograph();
}

// Water years, from October: index of the first day and of the day after the last.
function yearsOf(start, days) {
  const years = [];
  for (let i = 0; i < days; i++) {
    const day = new Date(start + i * DAY);
    const water = day.getUTCFullYear() + (day.getUTCMonth() >= 9 ? 1 : 0);
    const name = `${water - 1}/${String(water).slice(2)}`;
    if (!years.length || years[years.length - 1].name !== name) years.push({ name, from: i, to: i });
    years[years.length - 1].to = i + 1;
  }
  return years;
}

// The year with the highest observed flow, or else the last one.
function liveliest() {
  const peaks = flow.years.map(({ from, to }) => Math.max(-1, ...Array.from(flow.series.qobs.subarray(from, to)).filter(isNumber)));
  const best = Math.max(...peaks);
  return flow.years[best < 0 ? flow.years.length - 1 : peaks.indexOf(best)].name;
}

function paintHydrograph(width) {
  if (!flow.series) return;
  const all = flow.year === "all";
  const { from, to } = all ? { from: 0, to: run().flows.days } : flow.years.find((y) => y.name === flow.year);
  const cut = (name) => (flow.series[name] ? Array.from(flow.series[name].subarray(from, to)) : null);
  const [qobs, qsim, prcp] = ["qobs", "qsim", "prcp"].map(cut);
  const days = Array.from({ length: to - from }, (_, i) => i);
  const flows = [...qobs, ...qsim].filter(isNumber);
  let most = 0;
  for (const v of flows) most = Math.max(most, v);
  most = most || 1;
  const log = find("log-flow").checked;
  const stretch = prcp ? 1.45 : 1.06;
  const least = log ? Math.max(Math.min(...flows.filter((v) => v > 0), most) / 1.5, most / 1e5) : 0;
  const y = log ? { low: least, high: most * (most / least) ** (stretch - 1), log, ticks: decades(least, most) }
    : { low: 0, high: most * stretch, ticks: ticks(0, most, 4) };
  y.label = "discharge [mm/d]";
  const axis = frame(find("hydrograph"), width, Math.min(340, 190 + width * 0.16),
    { low: 0, high: Math.max(to - from - 1, 1), ticks: dateTicks(from, to, width), name: (i) => dateName(from + i, all) },
    y, `Observed and simulated discharge, ${flow.year}`, { left: 58, right: prcp ? 48 : 12, top: 8, bottom: 28 });
  if (prcp) hangRain(axis, prcp);
  const floor = (v) => (log && isNumber(v) ? Math.max(v, least) : v);
  for (const [values, stroke] of [[qobs, OBSERVED], [qsim, SIMULATED]]) {
    axis.picture.append(draw("path", { d: path(days, values.map(floor), axis.toX, axis.toY), fill: "none", stroke, "stroke-width": all ? 1 : 1.6, "stroke-linejoin": "round" }));
  }
  const members = run().flows.members;
  find("hydrograph").append(key([["observed", OBSERVED, "", 2.2], [members > 1 ? `simulated (mean of ${members})` : "simulated", SIMULATED, "", 2.2], ...(prcp ? [["precipitation", RAIN, "", 8]] : [])]));
  readFlow(axis, { qobs, qsim, prcp }, from, to);
}

function decades(low, high) {
  const list = [];
  for (let k = Math.ceil(Math.log10(low)); 10 ** k <= high; k++) list.push(Number((10 ** k).toPrecision(1)));
  return list.length ? list : [low];
}

function hangRain(axis, prcp) {
  let most = 1;
  for (const v of prcp) if (isNumber(v)) most = Math.max(most, v);
  const depth = (axis.bottom - axis.top) * 0.29;
  let d = "";
  prcp.forEach((v, i) => {
    if (v > 0) d += `M${axis.toX(i).toFixed(1)},${axis.top}v${((v / most) * depth).toFixed(1)}`;
  });
  const thick = Math.max(0.6, ((axis.right - axis.left) / prcp.length) * 0.8);
  axis.picture.append(draw("path", { d, stroke: RAIN, "stroke-width": thick, fill: "none" }));
  for (const v of ticks(0, most, 3).slice(0, 3)) {
    axis.picture.append(draw("text", { x: axis.right + 5, y: axis.top + (v / most) * depth + 4 }, String(v)));
  }
  const middle = axis.top + depth + 34;
  axis.picture.append(draw("text", { x: axis.right + 38, y: middle, transform: `rotate(-90 ${axis.right + 38} ${middle})`, "text-anchor": "middle" }, "P [mm/d]"));
}

const dateOf = (i) => new Date(flow.start + i * DAY);

function dateTicks(from, to, width) {
  const list = [];
  const long = to - from > 800;
  const every = long ? 12 : width < 480 ? 3 : width < 800 ? 2 : 1;
  for (let i = from; i < to; i++) {
    const day = dateOf(i);
    if (day.getUTCDate() === 1 && (long ? day.getUTCMonth() === 0 : (day.getUTCMonth() - 9 + 12) % every === 0)) list.push(i - from);
  }
  const thin = Math.ceil(list.length / (width / 60));
  return list.filter((_, k) => k % thin === 0);
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function dateName(i, all) {
  const day = dateOf(i);
  return all ? String(day.getUTCFullYear()) : MONTHS[day.getUTCMonth()];
}

// A line under the pointer, and the numbers of its day in words.
function readFlow(axis, series, from, to) {
  const line = draw("line", { class: "axis", y1: axis.top, y2: axis.bottom, visibility: "hidden" });
  axis.picture.append(line);
  const say = (i) => {
    const words = [["observed", series.qobs], ["simulated", series.qsim], ["precipitation", series.prcp]]
      .filter(([, values]) => values).map(([name, values]) => `${name} ${withUnit(text(values[i]), "mm d-1")}`);
    find("hydrograph-reading").textContent = `${dateOf(from + i).toISOString().slice(0, 10)}: ${words.join(", ")}`;
  };
  axis.picture.addEventListener("pointermove", (event) => {
    const box = axis.picture.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * axis.picture.viewBox.baseVal.width;
    const i = Math.round(((x - axis.left) / (axis.right - axis.left)) * (to - from - 1));
    if (i < 0 || i >= to - from) return;
    line.setAttribute("x1", axis.toX(i));
    line.setAttribute("x2", axis.toX(i));
    line.setAttribute("visibility", "visible");
    say(i);
  });
  const range = `${dateOf(from).toISOString().slice(0, 10)} to ${dateOf(to - 1).toISOString().slice(0, 10)}`;
  find("hydrograph-reading").textContent = `${range}. Point at the chart to read a day.`;
}

// Temperature by precipitation: a cell a scenario of the grid.
async function paintSurface(width) {
  if (!run().response || chosen.basin === null) return;
  const { scenarios, statistics } = run().response;
  const { basin, statistic, statics } = chosen;
  const change = await changeBlock("change");
  if (basin !== chosen.basin || statistic !== chosen.statistic || statics !== chosen.statics) return;
  const units = statistics.change_units[statistic];
  find("surface-title").textContent = `Change of ${statistics.title[statistic]} [${unit(units)}]`;
  const cells = scenarios.name.map((_, s) => s).filter((s) => isNumber(scenarios.warming[s]) && isNumber(scenarios.factor[s]));
  const unique = (values) => [...new Set(values)].sort((a, b) => a - b);
  const warmings = unique(cells.map((s) => scenarios.warming[s]));
  const factors = unique(cells.map((s) => scenarios.factor[s]));
  const values = cells.map((s) => change[place(s, statistic, basin)]);
  const host = find("surface");
  if (!values.some(isNumber)) {
    host.replaceChildren(make("p", { class: "missing" }, "The grid of scenarios has no value of this statistic here."));
    return;
  }
  const scale = scaleOf({ values, kind: "diverging", center: 0, palette: statistics.palette[statistic] });
  const [left, bottom] = [56, 42];
  const wide = (width - left - 4) / factors.length;
  const tall = Math.max(24, Math.min(44, wide * 0.62));
  const height = tall * warmings.length + bottom;
  const picture = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": find("surface-title").textContent });
  cells.forEach((s, k) => {
    const x = left + factors.indexOf(scenarios.factor[s]) * wide;
    const y = (warmings.length - 1 - warmings.indexOf(scenarios.warming[s])) * tall;
    const value = values[k];
    const dark = Math.abs(value) / scale.high > 0.62;
    const cell = draw("g", { class: "cell", "data-scenario": s },
      draw("title", {}, `${scenarios.title[s]}: ${isNumber(value) ? withUnit(signed(value), units) : "no value"}`),
      draw("rect", { x, y, width: wide - 1, height: tall - 1, fill: isNumber(value) ? scale.color(value) : "#fff", stroke: s === chosen.scenario ? "#000" : isNumber(value) ? "none" : "#c5cdd3", "stroke-width": s === chosen.scenario ? 2.5 : 1 }));
    const size = wide < 44 ? 10 : 12;
    const label = draw("text", { x: x + wide / 2, y: y + tall / 2 + 4, "text-anchor": "middle", "pointer-events": "none" }, brief(value, wide < 44 ? 2 : 3));
    label.style.fontSize = `${size}px`;
    label.style.fill = dark ? "#fff" : INK;
    cell.append(label);
    picture.append(cell);
  });
  factors.forEach((f, k) => picture.append(draw("text", { x: left + (k + 0.5) * wide, y: height - bottom + 16, "text-anchor": "middle" }, brief(Math.round(100 * (f - 1)), 2))));
  warmings.forEach((t, k) => picture.append(draw("text", { x: left - 7, y: (warmings.length - 0.5 - k) * tall + 4, "text-anchor": "end" }, t > 0 ? `+${t}` : String(t))));
  picture.append(draw("text", { x: (left + width) / 2, y: height - 6, "text-anchor": "middle" }, "change of precipitation [%]"));
  const middle = (height - bottom) / 2;
  picture.append(draw("text", { x: 12, y: middle, transform: `rotate(-90 12 ${middle})`, "text-anchor": "middle" }, "warming [°C]"));
  picture.addEventListener("click", (event) => {
    const cell = event.target.closest(".cell");
    if (cell) choose({ scenario: Number(cell.dataset.scenario) });
  });
  host.replaceChildren(picture);
}

function brief(value, digits) {
  if (!isNumber(value)) return "–";
  if (Math.abs(value) >= 1000) return `${signed(value / 1000, 2)}k`;
  const round = Math.abs(value) >= 10 || digits < 3 ? 0 : 1;
  return `${value > 0 ? "+" : ""}${value.toFixed(round)}`.replace("-", "−").replace(/^[+−]?0(\.0)?$/, "0");
}

// Mean flow of each month, from October: baseline and scenario.
async function paintRegime(width) {
  if (!run().response || chosen.basin === null) return;
  const { scenarios, months } = run().response;
  const { basin, scenario } = chosen;
  const regime = await block(`regime-${chosen.run}`);
  if (basin !== chosen.basin || scenario !== chosen.scenario) return;
  const order = months.map((m, k) => [(m + 2) % 12, k]).sort((a, b) => a[0] - b[0]).map((pair) => pair[1]);
  const curve = (s) => order.map((k) => regime[(s * months.length + k) * count + basin]);
  const lines = [[0, "#55616b", "6 3", "baseline"]];
  if (scenario !== 0) lines.push([scenario, "#0b5a88", "", scenarios.title[scenario]]);
  const most = Math.max(...lines.flatMap(([s]) => curve(s).filter(isNumber)), 0) || 1;
  find("regime-title").textContent = "Mean flow by month [mm/d], climatic attributes held";
  const axis = frame(find("regime"), width, Math.max(230, Math.min(330, width * 0.6)),
    { low: 0, high: 11, ticks: width < 420 ? [0, 2, 4, 6, 8, 10] : order.map((_, i) => i), name: (i) => MONTHS[months[order[i]] - 1] },
    { low: 0, high: most * 1.08, ticks: ticks(0, most * 1.08, 5) }, "Mean flow by month", { left: 44, right: 14, top: 8, bottom: 28 });
  for (const [s, stroke, dash] of lines) {
    axis.picture.append(draw("path", { d: path(order.map((_, i) => i), curve(s), axis.toX, axis.toY), fill: "none", stroke, "stroke-width": 2.4, "stroke-dasharray": dash }));
  }
  find("regime").append(key(lines.map(([, stroke, dash, name]) => [name, stroke, dash])));
}

async function paintChanges() {
  if (!run().response || chosen.basin === null) return;
  const { statistics, members } = run().response;
  const { basin, scenario, statics } = chosen;
  const ranged = hasRange();
  const names = ranged ? ["change", "low", "high", "agree"] : ["change"];
  const [base, change, low, high, agree] = await Promise.all([block(`base-${chosen.run}`), ...names.map(changeBlock)]);
  if (basin !== chosen.basin || scenario !== chosen.scenario || statics !== chosen.statics) return;
  const head = ["statistic", "baseline", "change"].concat(ranged ? ["lowest and highest member", "agree on sign"] : []);
  const rows = statistics.name.map((_, k) => {
    const at = place(scenario, k, basin);
    const now = base[k * count + basin];
    if (!isNumber(now) && !isNumber(change[at])) return null;
    const cells = [make("th", { scope: "row" }, statistics.title[k]), cell(withUnit(text(now), statistics.units[k])), cell(withUnit(signed(change[at]), statistics.change_units[k]))];
    if (ranged) cells.push(cell(isNumber(low[at]) ? `${signed(low[at], 2)} to ${signed(high[at], 2)}` : "–"), cell(isNumber(agree[at]) ? `${Math.round(agree[at] * members)} of ${members}` : "–"));
    return make("tr", {}, ...cells);
  }).filter(Boolean);
  find("changes").replaceChildren(tableOf(head, rows, "All statistics of the basin"));
}

const cell = (words) => make("td", { class: "n" }, words);

function tableOf(head, rows, label) {
  const top = head.map((words, k) => make("th", { scope: "col", class: k ? "n" : null }, words));
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
    make("table", {}, make("thead", {}, make("tr", {}, ...top)), make("tbody", {}, ...rows)));
}
