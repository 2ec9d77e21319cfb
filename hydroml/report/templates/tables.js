// Changes by climate, and the table of basins: sort, search, download.

const SUMMED_UP = ["mean", "q95", "annual_max", "flood10", "q05", "low7", "high_days", "low_days", "centre_timing"];

async function paintGroups() {
  if (!run().response) return;
  const { statistics } = run().response;
  const { scenario, statics } = chosen;
  const change = await changeBlock("change");
  if (scenario !== chosen.scenario || statics !== chosen.statics) return;
  const shown = SUMMED_UP.map((name) => statistics.name.indexOf(name)).filter((k) => k >= 0);
  const storms = ["storm_peak", "storm_volume"].map((name) => statistics.name.indexOf(name)).filter((k) => k >= 0);
  const some = (k) => finite(change.subarray(place(scenario, k), place(scenario, k) + count)).length > 0;
  const columns = [...shown, ...storms].filter((k, i) => i < shown.length || some(k));
  const climates = ["humid", "humid with snow", "dry", "dry with snow", "unknown", "all"].map((climate) => {
    const inside = [];
    run().climate.forEach((label, i) => { if (label !== null && (climate === "all" || label === climate)) inside.push(i); });
    return { climate, inside };
  }).filter(({ inside }) => inside.length);
  const rows = columns.map((k) => make("tr", {}, make("th", { scope: "row" }, withBracket(statistics.title[k], statistics.change_units[k])),
    ...climates.map(({ inside }) => cell(signed(median(inside.map((i) => change[place(scenario, k, i)])))))));
  const head = ["median over basins (their number)", ...climates.map(({ climate, inside }) => `${climate} (${inside.length})`)];
  const box = tableOf(head, rows, "Median change by climate");
  find("groups").replaceChildren(box, make("p", { class: "note" }, `Change in ${run().response.scenarios.title[scenario]}, the mean of members, against the model's own baseline.`));
}

const LISTED = ["NSE", "KGE", "alpha", "beta", "FHV", "FLV", "aridity", "frac_snow", "p_mean",
  "mean_per_precipitation", "annual_max_per_precipitation", "low7_per_precipitation",
  "mean_per_temperature", "annual_max_per_temperature", "low7_per_temperature", "unusual_days", "failed_checks"];
const PRINTED = 9;
const list = { columns: [], rows: [], sort: { column: 0, down: false } };

function buildTable() {
  const own = LISTED.map((name) => run().columns.find((c) => c.key === name)).filter(Boolean);
  const others = page.runs.filter((one) => one !== run()).map((one) => {
    const nse = one.columns.find((c) => c.key === "NSE");
    return nse && { ...nse, title: `NSE of ${one.name}`, head: `NSE of ${one.name}` };
  }).filter(Boolean);
  list.columns = [
    { head: "gauge", values: page.basins.id, words: true },
    { head: "name", values: page.basins.name, words: true },
    ...(own.some((c) => c.key === "NSE") ? [own[0], ...others, ...own.slice(1)] : own).map((c) => ({ ...c, head: c.head || headOf(c) })),
  ];
  if (run().response) list.columns.push({ head: "climate", values: run().climate, words: true });
  const top = make("tr", {}, ...list.columns.map((column, k) => {
    const button = make("button", { type: "button", title: column.title || column.head }, column.head);
    button.addEventListener("click", () => sortBy(k));
    return make("th", { scope: "col", class: classes(column, k), "data-head": column.head }, button);
  }));
  list.rows = Array.from({ length: count }, (_, i) => {
    const cells = list.columns.map((column, k) => {
      if (k === 0) return make("td", {}, make("a", { href: "#basin" }, page.basins.id[i]));
      const value = column.values[i];
      return make("td", { class: classes(column, k) }, column.words ? value || "" : text(value));
    });
    return make("tr", { "data-basin": i }, ...cells);
  });
  const body = make("tbody", {}, ...list.rows);
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row) choose({ basin: Number(row.dataset.basin) });
  });
  find("table").replaceChildren(make("table", {}, make("thead", {}, top), body));
  sortBy(0, false);
  markRow();
}

const classes = (column, k) => [column.words ? "" : "n", k >= PRINTED ? "extra" : ""].filter(Boolean).join(" ") || null;

function headOf(column) {
  const names = { mean: "mean flow", annual_max: "annual max", low7: "7Q" };
  const slope = column.key.match(/^(.*)_per_(precipitation|temperature)$/);
  if (slope) return `${names[slope[1]]} ${unit(column.units)} per ${slope[2] === "temperature" ? "°C" : "10 % P"}`;
  return withBracket({ unusual_days: "unusual days", failed_checks: "failed checks", frac_snow: "snow", p_mean: "P" }[column.key] || column.key, column.units);
}

function sortBy(k, down = list.sort.column === k ? !list.sort.down : false) {
  list.sort = { column: k, down };
  const { values, words } = list.columns[k];
  const there = (i) => (words ? Boolean(values[i]) : isNumber(values[i]));
  const order = words ? (a, b) => values[a].localeCompare(values[b], "en", { numeric: true }) : (a, b) => values[a] - values[b];
  const indices = list.rows.map((_, i) => i).sort((a, b) => {
    if (there(a) !== there(b)) return there(a) ? -1 : 1; // missing values come last either way
    return (there(a) ? (down ? -1 : 1) * order(a, b) : 0) || a - b;
  });
  find("table").querySelector("tbody").append(...indices.map((i) => list.rows[i]));
  find("table").querySelectorAll("thead th").forEach((head, j) => {
    head.setAttribute("aria-sort", j === k ? (down ? "descending" : "ascending") : "none");
  });
}

function search() {
  const words = find("search").value.trim().toLowerCase();
  let shown = 0;
  list.rows.forEach((row, i) => {
    row.hidden = !`${page.basins.id[i]} ${page.basins.name[i]}`.toLowerCase().includes(words);
    if (!row.hidden) shown++;
  });
  find("count").textContent = shown === count ? `${count} basins` : `${shown} of ${count} basins`;
  find("download").disabled = shown === 0;
}

function markRow() {
  list.rows.forEach((row, i) => row.classList.toggle("chosen", i === chosen.basin));
}

// The rows shown, in their order, with every column of the run.
function csv() {
  const quoted = (words) => (/[",\n\r]/.test(words) ? `"${words.replace(/"/g, '""')}"` : words);
  const safe = (words) => quoted(/^[=+\-@\t\r]/.test(words) ? `'${words}` : words); // no formula in a spreadsheet
  const { columns, climate } = run();
  const head = ["gauge_id", "gauge_name", "gauge_lat", "gauge_lon", "climate", ...columns.map((c) => c.key), "synthetic"];
  const lines = [head.map(quoted).join(",")];
  for (const row of find("table").querySelectorAll("tbody tr:not([hidden])")) {
    const i = Number(row.dataset.basin);
    const { id, name, lat, lon } = page.basins;
    const numbers = columns.map((c) => c.values[i] ?? "");
    lines.push([safe(id[i]), safe(name[i]), lat[i] ?? "", lon[i] ?? "", climate[i] ?? "", ...numbers, run().synthetic].join(","));
  }
  return `${lines.join("\r\n")}\r\n`;
}

function download() {
  const link = make("a", { download: `${run().name}_basins.csv`, href: URL.createObjectURL(new Blob([csv()], { type: "text/csv" })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
