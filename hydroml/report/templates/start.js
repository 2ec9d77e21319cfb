// Controls, first choices, and which view follows which choice.

const redraw = {};

function fillControls() {
  const { response, columns } = run();
  const groups = [...new Set(columns.map((c) => c.group))];
  if (response) groups.splice(groups.includes("Attributes") ? 2 : 1, 0, "Change");
  const names = { Change: "Change in a scenario", Elasticity: "Slope at the present climate" };
  if (!groups.includes(chosen.group)) chosen.group = groups[0] || "";
  options(find("choose-group"), groups.map((g) => [g, names[g] || g]), chosen.group);
  for (const id of ["response-part", "groups-part"]) find(id).hidden = !response;
  fillColumns();
  if (!response) return;
  const { scenarios, statistics } = response;
  for (const select of document.querySelectorAll(".choose-statistic")) {
    options(select, statistics.title.map((title, k) => [k, title]), chosen.statistic);
  }
  for (const select of document.querySelectorAll(".choose-scenario")) {
    const sets = [...new Set(scenarios.set.slice(1))];
    select.replaceChildren(...sets.map((set) => make("optgroup", { label: set },
      ...scenarios.title.map((title, k) => [k, title]).filter(([k]) => k > 0 && scenarios.set[k] === set).map(([k, title]) => make("option", { value: k }, title)))));
    select.value = chosen.scenario;
  }
  for (const select of document.querySelectorAll(".choose-statics")) {
    options(select, [["held", "held"], ["recomputed", "recomputed for the new climate"]], chosen.statics);
  }
  showControls();
}

function fillColumns() {
  const columns = run().columns.filter((c) => c.group === chosen.group);
  if (columns.length && !columns.some((c) => c.key === chosen.column)) chosen.column = columns[0].key;
  const name = (c) => (c.title === c.key || c.group !== "Scores" ? c.title : `${c.key}: ${c.title}`);
  options(find("choose-column"), columns.map((c) => [c.key, name(c)]), chosen.column);
  showControls();
}

function showControls() {
  const change = chosen.group === "Change";
  const recomputed = Boolean(run().response && run().response.recomputed);
  find("column-label").hidden = change;
  for (const label of document.querySelectorAll(".of-change")) label.hidden = !change;
  for (const label of document.querySelectorAll(".of-recomputed")) {
    label.hidden = !recomputed || (label.classList.contains("of-change") && !change);
  }
}

// +3 °C where there is such a scenario, the mean annual maximum, attributes held.
function firstChoice() {
  const { response, columns } = run();
  if (response) {
    const { scenarios, statistics } = response;
    const warmer = scenarios.name.findIndex((_, k) => scenarios.warming[k] === 3 && scenarios.factor[k] === 1);
    chosen.scenario = warmer > 0 ? warmer : Math.min(1, scenarios.name.length - 1);
    chosen.statistic = Math.max(statistics.name.indexOf("annual_max"), 0);
  }
  const scores = columns.find((c) => c.key === "NSE");
  const ranked = scores ? scores.values.map((v, i) => [v, i]).filter(([v]) => isNumber(v)).sort((a, b) => a[0] - b[0]) : [];
  chosen.basin = ranked.length ? ranked[ranked.length >> 1][1] : count ? 0 : null;
}

// Another run may have other scenarios and statistics: keep the choice by name.
function chooseRun(number) {
  const before = run().response;
  const after = page.runs[number].response;
  const changes = { run: number };
  if (after) {
    const same = (kind, k) => (before ? after[kind].name.indexOf(before[kind].name[k]) : -1);
    changes.scenario = Math.max(same("scenarios", chosen.scenario), Math.min(1, after.scenarios.name.length - 1));
    changes.statistic = Math.max(same("statistics", chosen.statistic), 0);
    if (!after.recomputed) changes.statics = "held";
  }
  choose(changes);
}

function wire() {
  const on = (node, what, does) => node.addEventListener(what, does);
  const each = (query, does) => document.querySelectorAll(query).forEach((node) => on(node, "change", () => does(node.value)));
  on(find("choose-run"), "change", (e) => chooseRun(Number(e.target.value)));
  on(find("choose-group"), "change", (e) => choose({ group: e.target.value }));
  on(find("choose-column"), "change", (e) => choose({ column: e.target.value }));
  on(find("choose-basin"), "change", (e) => choose({ basin: Number(e.target.value) }));
  each(".choose-scenario", (v) => choose({ scenario: Number(v) }));
  each(".choose-statistic", (v) => choose({ statistic: Number(v) }));
  each(".choose-statics", (v) => choose({ statics: v }));
  on(find("show-change"), "click", () => {
    choose({ group: "Change" });
    find("map").scrollIntoView();
  });
  const year = (value) => {
    flow.year = value;
    find("choose-year").value = value;
    redraw.hydrograph();
  };
  const step = (way) => {
    const names = flow.years.map((y) => y.name);
    const at = names.indexOf(flow.year);
    year(names[Math.max(0, Math.min(names.length - 1, at < 0 ? names.length - 1 : at + way))] || "all");
  };
  on(find("choose-year"), "change", (e) => year(e.target.value));
  on(find("year-before"), "click", () => step(-1));
  on(find("year-after"), "click", () => step(1));
  on(find("log-flow"), "change", () => redraw.hydrograph());
  on(find("search"), "input", search);
  on(find("download"), "click", download);
}

function start() {
  firstChoice();
  options(find("choose-run"), page.runs.map((one, k) => [k, one.name]), 0);
  find("run-label").hidden = page.runs.length < 2;
  options(find("choose-basin"), page.basins.id.map((id, i) => [i, page.basins.name[i] ? `${id} – ${page.basins.name[i]}` : id]), chosen.basin);
  fillControls();
  wire();
  buildMap();
  buildTable();
  search();
  redraw.cdf = responsive(find("cdf"), paintDistribution);
  redraw.hydrograph = responsive(find("hydrograph"), paintHydrograph);
  redraw.surface = responsive(find("surface"), paintSurface);
  redraw.regime = responsive(find("regime"), paintRegime);
  if (page.runs.some((one) => Object.keys(one.losses).length)) {
    find("loss-box").hidden = false;
    responsive(find("loss"), paintLosses);
  }
  watch(["run"], () => { fillControls(); buildTable(); search(); });
  watch(["group"], () => { find("choose-group").value = chosen.group; fillColumns(); });
  watch(["scenario", "statistic", "statics"], () => {
    for (const name of ["scenario", "statistic", "statics"]) {
      for (const select of document.querySelectorAll(`.choose-${name}`)) select.value = chosen[name];
    }
  });
  watch(["run", "group", "column", "scenario", "statistic", "statics"], paintMap);
  watch(["run", "basin"], () => { paintPanel(); shapeMarkers(); loadFlow(); });
  watch(["basin"], markRow);
  watch(["run", "basin", "scenario", "statistic", "statics"], () => { redraw.surface(); });
  watch(["run", "basin", "scenario"], () => { redraw.regime(); });
  watch(["run", "basin", "scenario", "statics"], paintChanges);
  watch(["run", "scenario", "statics"], paintGroups);
  paintMap();
  paintPanel();
  loadFlow();
  paintChanges();
  paintGroups();
  document.documentElement.dataset.ready = "yes";
}

start();
