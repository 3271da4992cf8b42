// The report's explorer: a scatter plot of the study's architectures, and of one of them its sweep and curves.
// In: the JSON in #explorer-data, which analysis/explorer.py makes, and the form. Out: three plots and their words.
// Strings of the data come from records that anybody may have written: they become text nodes, or pass `plain`
// on their way into plotly, which reads some HTML.

const data = JSON.parse(document.getElementById("explorer-data").textContent);
const { columns, quantities, parts, groups, sweeps } = data;
const place = (name) => document.getElementById(`explorer-${name}`);
const form = place("form");

const PART_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#a8437c", "#7a5c00", "#3b3b3b"];
const PART_SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "star"];
const STATUS = {
  ok: { colour: "#1a1a1a", symbol: "circle", label: "finished" },
  pruned: { colour: "#7a5c00", symbol: "triangle-up-open", label: "pruned" },
  diverged: { colour: "#c0281a", symbol: "x-thin-open", label: "diverged" },
};
const CHOSEN = { symbol: "circle-open", size: 15, color: "#e07b00", line: { width: 2.5 } };
const FONT = { family: "system-ui, 'Helvetica Neue', Arial, sans-serif", size: 13, color: "#1a1a1a" };
const CONFIG = { responsive: true, displayModeBar: false };
const TOUCH = matchMedia("(pointer: coarse)").matches; // there, dragging is for scrolling the page

let chosen = null; // the architecture whose sweep is shown, as its place in the columns

// ---- numbers and words

function number(value) {
  if (value === null) return "–";
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  return value !== 0 && (size >= 1e5 || size < 1e-3) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function description(row) {
  const strength = columns.skip_strength[row];
  return [
    `depth ${columns.depth[row]}, width ${columns.width[row]}, ${columns.activation[row]}`,
    `normalization: ${columns.normalization[row]}; skip connections: ${strength ? number(strength) : "none"}`,
  ];
}

function pearson(xs, ys) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x0, y0] = [mean(xs), mean(ys)];
  let [xx, yy, xy] = [0, 0, 0];
  xs.forEach((x, i) => {
    xx += (x - x0) ** 2;
    yy += (ys[i] - y0) ** 2;
    xy += (x - x0) * (ys[i] - y0);
  });
  return xs.length < 3 || xx === 0 || yy === 0 ? null : xy / Math.sqrt(xx * yy);
}

// ---- what the form asks for

function asked() {
  const choices = new FormData(form);
  const part = choices.get("part") ?? "";
  const ticked = data.filters.map((name) => [name, choices.getAll(name)]).filter(([, values]) => values.length);
  const wanted = columns.part
    .map((_, row) => row)
    .filter((row) => part === "" || columns.part[row] === Number(part))
    .filter((row) => ticked.every(([name, values]) => values.includes(String(columns[name][row]))));
  const [x, y] = [choices.get("x"), choices.get("y")];
  const has = (row, name) => columns[name][row] !== null && (!quantities[name].log || columns[name][row] > 0);
  const rows = wanted.filter((row) => has(row, x) && has(row, y));
  return { x, y, rows, wanted, apart: part === "" && parts.length > 1 };
}

// ---- the scatter plot

function axis(label, log) {
  return {
    title: { text: plain(label), standoff: 8 },
    type: log ? "log" : "linear",
    exponentformat: "power",
    gridcolor: "#e8e8e8",
    zeroline: false,
    automargin: true,
  };
}

function layout(height, more) {
  return {
    height,
    font: FONT,
    margin: { l: 58, r: 12, t: 12, b: 48 },
    plot_bgcolor: "#fff",
    paper_bgcolor: "#fff",
    hovermode: "closest",
    hoverlabel: { bgcolor: "#fff", bordercolor: "#1a1a1a", align: "left", font: FONT },
    dragmode: TOUCH ? false : "zoom",
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    ...more,
  };
}

function draw() {
  const { x, y, rows, wanted, apart } = asked();
  const kinds = apart
    ? parts.map((part, i) => ({ label: part.title, colour: PART_COLOURS[i % 6], symbol: PART_SYMBOLS[i % 6] }))
    : groups;
  const kind = apart ? columns.part : columns.group;
  const traces = kinds.map(({ label, colour, symbol }, i) => {
    const members = rows.filter((row) => kind[row] === i);
    return {
      mode: "markers",
      name: plain(label),
      x: members.map((row) => columns[x][row]),
      y: members.map((row) => columns[y][row]),
      customdata: members,
      text: members.map((row) => hover(row, x, y)),
      hovertemplate: "%{text}<extra></extra>",
      marker: { color: colour, symbol, size: rows.length > 400 ? 6 : 8, opacity: 0.8, line: { color: "#fff", width: 0.5 } },
    };
  });
  traces.push({ mode: "markers", x: [], y: [], hoverinfo: "skip", name: "chosen below", marker: CHOSEN });
  const axes = { xaxis: axis(quantities[x].label, quantities[x].log), yaxis: axis(quantities[y].label, quantities[y].log) };
  Plotly.react(place("points"), traces, layout(480, { ...axes, uirevision: `${x} ${y}` }), CONFIG);
  say(x, y, rows, wanted);
  list(x, y, rows);
  choose(rows.includes(chosen) ? chosen : (Number(place("chosen").value || NaN)));
}

function hover(row, x, y) {
  const lines = [
    `architecture ${columns.index[row]}, ${parts[columns.part[row]].title}`,
    ...description(row),
    `${quantities[x].label} ${number(columns[x][row])}, ${quantities[y].label} ${number(columns[y][row])}`,
  ].map(plain);
  return [`<b>${lines[0]}</b>`, ...lines.slice(1)].join("<br>");
}

function say(x, y, rows, wanted) {
  const scaled = (name) => rows.map((row) => (quantities[name].log ? Math.log(columns[name][row]) : columns[name][row]));
  const r = pearson(scaled(x), scaled(y));
  const named = (name) => (quantities[name].log ? "log " : "") + quantities[name].label;
  const [filtered, without] = [columns.part.length - wanted.length, wanted.length - rows.length];
  place("numbers").textContent =
    (r === null ? "no correlation" : `r = ${r.toFixed(2)}`) +
    ` (Pearson, ${named(x)} and ${named(y)}), n = ${rows.length}` +
    (without ? `; ${without} without a value to show` : "") +
    (filtered ? `; ${filtered} filtered out` : "");
}

function list(x, y, rows) {
  const byValue = [...rows].sort((a, b) => columns[y][a] - columns[y][b]);
  const options = byValue.map((row) => {
    const option = document.createElement("option");
    option.value = row;
    option.textContent = `${columns.index[row]}: ${quantities[y].label} ${number(columns[y][row])}, ${description(row)[0]}`;
    return option;
  });
  place("chosen").replaceChildren(...options);
}

// ---- one architecture

function choose(row) {
  chosen = Number.isNaN(row) ? null : row;
  place("chosen").value = chosen ?? "";
  const points = place("points");
  const { x, y } = asked();
  const at = (name) => [chosen === null ? [] : [columns[name][chosen]]];
  Plotly.restyle(points, { x: at(x), y: at(y) }, [points.data.length - 1]);
  drawSweep();
  drawCurves();
  place("about").replaceChildren(...(chosen === null ? [] : facts(chosen)));
}

function facts(row) {
  const labels = { ...data.drawn, ...Object.fromEntries(Object.entries(quantities).map(([name, { label }]) => [name, label])) };
  return Object.entries(labels).map(([name, label]) => {
    const [entry, term, value] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    term.textContent = label;
    value.textContent = number(columns[name][row]);
    entry.append(term, value);
    return entry;
  });
}

function drawSweep() {
  const sweep = sweeps[chosen];
  if (!sweep?.run.length) {
    place("sweep-says").textContent = chosen === null ? "No architecture is shown." : absent(sweep);
    Plotly.purge(place("sweep"));
    return;
  }
  const error = parts[columns.part[chosen]].error;
  const best = sweep.run.indexOf(columns.best_run?.[chosen]);
  const runs = sweep.run.map((_, i) => i);
  const traces = Object.entries(STATUS).map(([status, { colour, symbol, label }]) => {
    const members = runs.filter((i) => sweep.status[i] === status);
    return {
      mode: "markers",
      name: label,
      x: members.map((i) => sweep.start_rate[i]),
      y: members.map((i) => sweep.error[i]),
      text: members.map((i) => `run ${sweep.run[i]}, ${label}<br>starting rate ${number(sweep.start_rate[i])}<br>${error} ${number(sweep.error[i])}`),
      hovertemplate: "%{text}<extra></extra>",
      marker: { color: colour, symbol, size: 8, line: { color: colour, width: 1.5 } },
    };
  });
  traces.push({ mode: "markers", x: [sweep.start_rate[best]], y: [sweep.error[best]], hoverinfo: "skip", name: "chosen run", marker: CHOSEN });
  const axes = { xaxis: axis("starting rate", true), yaxis: { ...axis(error, false), rangemode: "nonnegative" } };
  Plotly.react(place("sweep"), traces.filter((trace) => trace.x.length), layout(420, { ...axes, showlegend: true }), CONFIG);
  const count = (status) => sweep.status.filter((each) => each === status).length;
  place("sweep-says").textContent =
    `The search of architecture ${columns.index[chosen]}, ${parts[columns.part[chosen]].title}: ${sweep.run.length} runs, ` +
    `${count("diverged")} diverged, ${count("pruned")} pruned.`;
}

function drawCurves() {
  const sweep = sweeps[chosen];
  if (!sweep?.epochs) {
    place("curves-say").textContent = "";
    Plotly.purge(place("curves"));
    return;
  }
  const error = parts[columns.part[chosen]].error;
  const first = sweep.rates.epoch[0];
  const epochs = sweep.loss_curve.map((_, i) => first + i);
  const last = epochs.at(-1);
  const losses = sweep.loss_curve.filter((loss) => loss > 0);
  const decades = Math.log10(Math.max(...losses) / Math.min(...losses));
  const curve = (y, yaxis, name, more) => ({ mode: "lines", x: epochs, y, yaxis, name, line: { color: "#0b5394", width: 1.6, ...more } });
  const traces = [
    curve(sweep.loss_curve, "y", "training loss"),
    curve(sweep.error_curve, "y2", error),
    { ...curve([...sweep.rates.rate, sweep.rates.rate.at(-1)], "y3", "rate", { shape: "hv" }), x: [...sweep.rates.epoch, last] },
  ];
  const stacked = {
    xaxis: { ...axis("epoch", false), anchor: "y3" },
    yaxis: { ...axis("training loss", true), domain: [0.7, 1], dtick: decades < 2 ? "D2" : undefined },
    yaxis2: { ...axis(error, false), rangemode: "nonnegative", domain: [0.35, 0.65], nticks: 4 },
    yaxis3: { ...axis("rate", true), domain: [0, 0.3], nticks: 4 },
    hovermode: "x",
    showlegend: false,
  };
  Plotly.react(place("curves"), traces, layout(420, stacked), CONFIG);
  place("curves-say").textContent =
    `Its chosen run, number ${columns.best_run[chosen]}, epoch by epoch: ${epochs.length} epochs from the starting rate ` +
    `${number(sweep.rates.rate[0])}.`;
}

function absent(sweep) {
  const found = sweep ? "was not trained" : "has its sweep in the study's tables, but not in this page";
  return `Architecture ${columns.index[chosen]} ${found}.`;
}

// ---- the controls

function pair() {
  const select = place("pair");
  const now = `${form.elements.x.value} ${form.elements.y.value}`;
  if (select) select.value = [...select.options].some((option) => option.value === now) ? now : "";
}

place("pair")?.addEventListener("change", (event) => {
  if (event.target.value) [form.elements.x.value, form.elements.y.value] = event.target.value.split(" ");
});
form.addEventListener("change", () => {
  pair();
  draw();
});
form.addEventListener("reset", () => setTimeout(draw)); // after the controls have changed
place("chosen").addEventListener("change", (event) => choose(Number(event.target.value)));
draw();
place("points").on("plotly_click", (event) => choose(event.points[0].customdata));
