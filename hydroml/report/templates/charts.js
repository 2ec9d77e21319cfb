// Charts: axes, lines, and the colours of values.

const PAPER = 700; // width of a chart on paper: letters come out at 9 points
const INK = "#1d252c";
const OBSERVED = "#1d252c";
const SIMULATED = "#d55e00";
const RAIN = "#6baed6";
const FAILED = "#d55e00";
// Okabe and Ito: colour-blind readers tell them apart
const CYCLE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
const DASHES = ["", "7 3", "2 3", "8 3 2 3"];

const RAMPS = {
  sequence: ["#440154", "#482878", "#3e4a89", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6dcd59", "#b4de2c", "#fde725"],
  water: ["#67001f", "#b2182b", "#d6604d", "#f4a582", "#fddbc7", "#f2f2f2", "#d1e5f0", "#92c5de", "#4393c3", "#2166ac", "#053061"],
  date: ["#7f3b08", "#b35806", "#e08214", "#fdb863", "#fee0b6", "#f2f2f2", "#d8daeb", "#b2abd2", "#8073ac", "#542788", "#2d004b"],
  error: ["#543005", "#8c510a", "#bf812d", "#dfc27d", "#f6e8c3", "#f2f2f2", "#c7eae5", "#80cdc1", "#35978f", "#01665e", "#003c30"],
};
RAMPS.dry = [...RAMPS.water].reverse();

function mix(ramp, share) {
  const at = Math.max(0, Math.min(1, share)) * (ramp.length - 1);
  const k = Math.min(Math.floor(at), ramp.length - 2);
  const part = (hex, i) => parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16);
  const rgb = [0, 1, 2].map((i) => Math.round(part(ramp[k], i) + (part(ramp[k + 1], i) - part(ramp[k], i)) * (at - k)));
  return `rgb(${rgb.join(",")})`;
}

// Ends of a scale: symmetric and round for changes, 2 to 98 % of the values otherwise.
function scaleOf(column) {
  const values = finite(column.values);
  const ramp = RAMPS[column.kind === "diverging" ? column.palette : "sequence"];
  let low = column.low;
  let high = column.high;
  if (column.kind === "diverging") {
    const away = finite(Array.from(values, (v) => Math.abs(v - column.center)));
    const limit = roundUp(away.length ? quantile(away, 0.98) : 1);
    low = column.center - limit;
    high = column.center + limit;
  } else if (low === undefined) {
    low = values.length ? quantile(values, 0.02) : 0;
    high = values.length ? quantile(values, 0.98) : 1;
    if (low === high) high = low + 1;
  }
  return {
    low, high, ramp,
    under: values.length > 0 && values[0] < low,
    over: values.length > 0 && values[values.length - 1] > high,
    color: (v) => mix(ramp, (v - low) / (high - low)),
  };
}

function roundUp(reach) {
  if (!(reach > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(reach));
  return [1, 2, 2.5, 5, 10].map((s) => s * power).find((s) => s >= reach * (1 - 1e-9));
}

function ticks(low, high, most = 6) {
  const raw = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((s) => s * power).find((s) => s >= raw);
  const first = Math.ceil(low / step - 1e-9);
  const list = [];
  for (let k = first; k * step <= high + step * 1e-9; k++) list.push(Number((k * step).toPrecision(12)));
  return list;
}

// Names ticks with as many decimals as all of them need.
function tickName(list) {
  const decimals = Math.max(0, ...list.map((v) => (String(v).split(".")[1] || "").length));
  return (v) => (Math.abs(v) < 1e-4 && v !== 0 ? v.toExponential(0) : v.toFixed(Math.min(decimals, 4))).replace("-", "−");
}

// Redraws a chart whenever its width changes, so that its letters keep their size.
function responsive(host, paint) {
  let width = 0;
  const again = () => {
    const now = Math.round(host.clientWidth);
    if (now > 0 && now !== width) {
      width = now;
      paint(width);
    }
  };
  new ResizeObserver(() => requestAnimationFrame(again)).observe(host);
  const draws = () => host.childElementCount > 0;
  addEventListener("beforeprint", () => { if (draws()) paint(host.closest(".two") ? 350 : PAPER); });
  addEventListener("afterprint", () => { if (draws() && width) paint(width); });
  return () => {
    width = Math.round(host.clientWidth) || 600;
    paint(width);
  };
}

// Axes on a new picture; gives the functions that place values on it.
function frame(host, width, height, x, y, label, margin = { left: 60, right: 14, top: 10, bottom: 38 }) {
  const right = width - margin.right;
  const bottom = height - margin.bottom;
  const picture = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const toX = (v) => margin.left + ((v - x.low) / (x.high - x.low)) * (right - margin.left);
  const along = y.log ? Math.log10 : (v) => v;
  const toY = (v) => bottom - ((along(v) - along(y.low)) / (along(y.high) - along(y.low))) * (bottom - margin.top);
  for (const tick of y.ticks) {
    picture.append(draw("line", { class: "grid", x1: margin.left, x2: right, y1: toY(tick), y2: toY(tick) }));
    picture.append(draw("text", { x: margin.left - 7, y: toY(tick) + 4, "text-anchor": "end" }, (y.name || tickName(y.ticks))(tick)));
  }
  for (const tick of x.ticks) {
    picture.append(draw("line", { class: "axis", x1: toX(tick), x2: toX(tick), y1: bottom, y2: bottom + 4 }));
    picture.append(draw("text", { x: toX(tick), y: bottom + 17, "text-anchor": "middle" }, (x.name || tickName(x.ticks))(tick)));
  }
  picture.append(draw("line", { class: "axis", x1: margin.left, x2: right, y1: bottom, y2: bottom }));
  if (x.label) picture.append(draw("text", { x: (margin.left + right) / 2, y: height - 4, "text-anchor": "middle" }, x.label));
  if (y.label) {
    const middle = (margin.top + bottom) / 2;
    picture.append(draw("text", { x: 12, y: middle, transform: `rotate(-90 12 ${middle})`, "text-anchor": "middle" }, y.label));
  }
  host.replaceChildren(picture);
  return { picture, toX, toY, left: margin.left, right, top: margin.top, bottom };
}

// A path through values; a missing one breaks it.
function path(xs, ys, toX, toY) {
  let d = "";
  let pen = "M";
  for (let i = 0; i < ys.length; i++) {
    if (!isNumber(ys[i])) {
      pen = "M";
      continue;
    }
    d += `${pen}${toX(xs[i]).toFixed(1)},${toY(ys[i]).toFixed(1)}`;
    pen = "L";
  }
  return d;
}

function key(entries) {
  return make("ul", { class: "key" }, ...entries.map(([name, stroke, dash, width]) =>
    make("li", {}, draw("svg", { viewBox: "0 0 26 10", "aria-hidden": "true" },
      draw("line", { x1: 0, x2: 26, y1: 5, y2: 5, stroke, "stroke-width": width || 2.2, "stroke-dasharray": dash })), name)));
}

// Cumulative distribution of NSE, a line a run.
function paintDistribution(width) {
  const lowest = -0.5;
  const axis = frame(find("cdf"), width, Math.min(360, 120 + width * 0.4),
    { low: lowest, high: 1, ticks: [-0.5, -0.25, 0, 0.25, 0.5, 0.75, 1], label: "Nash–Sutcliffe efficiency" },
    { low: 0, high: 1, ticks: [0, 0.25, 0.5, 0.75, 1], label: "share of basins at or below", name: (v) => `${100 * v} %` },
    "Cumulative distribution of NSE over basins", { left: 62, right: 14, top: 10, bottom: 38 });
  axis.picture.append(draw("line", { class: "axis", x1: axis.toX(0), x2: axis.toX(0), y1: axis.top, y2: axis.bottom }));
  const entries = page.runs.map((one, k) => {
    const column = one.columns.find((c) => c.key === "NSE");
    const values = column ? finite(column.values) : [];
    const color = CYCLE[k % CYCLE.length];
    const dash = DASHES[k % DASHES.length];
    if (!values.length) return [`${one.name}: no basin with a score`, color, dash];
    let d = `M${axis.toX(lowest)},${axis.toY(values.filter((v) => v < lowest).length / values.length)}`;
    values.forEach((v, i) => {
      if (v >= lowest) d += `H${axis.toX(v).toFixed(1)}V${axis.toY((i + 1) / values.length).toFixed(1)}`;
    });
    axis.picture.append(draw("path", { d: `${d}H${axis.toX(1)}`, fill: "none", stroke: color, "stroke-width": 2.2, "stroke-dasharray": dash }));
    const middle = quantile(values, 0.5);
    if (middle >= lowest) axis.picture.append(draw("circle", { cx: axis.toX(middle), cy: axis.toY(0.5), r: 5, fill: color, stroke: "#fff", "stroke-width": 1.5 }));
    const failed = values.filter((v) => v <= 0).length;
    return [`${one.name}: median ${text(middle, 2)}, NSE ≤ 0 in ${failed} of ${values.length} basins`, color, dash];
  });
  find("cdf").append(key(entries));
}

// Loss by epoch, a line a member of a run.
function paintLosses(width) {
  const curves = [...new Map(page.runs.flatMap((one) => Object.entries(one.losses)))]; // a member once
  const longest = Math.max(...curves.map(([, values]) => values.length));
  const most = Math.max(...curves.flatMap(([, values]) => values.filter(isNumber)));
  const axis = frame(find("loss"), width, 190,
    { low: 1, high: Math.max(longest, 2), ticks: ticks(1, Math.max(longest, 2)).filter(Number.isInteger), label: "epoch" },
    { low: 0, high: most * 1.05, ticks: ticks(0, most * 1.05, 4), label: "training loss" }, "Training loss by epoch");
  const entries = curves.map(([name, values], k) => {
    const stroke = CYCLE[k % CYCLE.length];
    const dash = DASHES[k % DASHES.length];
    const xs = values.map((_, i) => i + 1);
    axis.picture.append(draw("path", { d: path(xs, values, axis.toX, axis.toY), fill: "none", stroke, "stroke-width": 2, "stroke-dasharray": dash }));
    return [name, stroke, dash];
  });
  if (curves.length > 1) find("loss").append(key(entries));
}
