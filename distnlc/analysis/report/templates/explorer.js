// The report's explorer: a scatter plot of a study's points, and of one of them its marks and lines.
// In: the JSON in #explorer-data, which report/explorer.py makes, and the form. Out: three plots and their words.
// Strings of the data come from records that anybody may have written: they become text nodes, or pass `plain`
// on their way into plotly, which reads some HTML.

const data = JSON.parse(document.getElementById("explorer-data").textContent);
const { columns, axes, parts, groups, words, details } = data;
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

let chosen = null; // the point whose details are shown, as its place in the columns

// ---- numbers and words

function number(value) {
  if (value === null) return "–";
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  return value !== 0 && (size >= 1e5 || size < 1e-3) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const capital = (text) => text[0].toUpperCase() + text.slice(1);

function description(row) {
  return Object.entries(data.described).map(([name, label]) => `${label} ${number(columns[name][row])}`).join(", ");
}

const named = (row) => `${data.noun} ${columns.index[row]}, ${parts[data.part[row]]}`;

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
  const wanted = data.part
    .map((_, row) => row)
    .filter((row) => part === "" || data.part[row] === Number(part))
    .filter((row) => ticked.every(([name, values]) => values.includes(String(columns[name][row]))));
  const [x, y] = [choices.get("x"), choices.get("y")];
  const has = (row, name) => columns[name][row] !== null && (!axes[name].log || columns[name][row] > 0);
  const rows = wanted.filter((row) => has(row, x) && has(row, y));
  return { x, y, rows, wanted, apart: part === "" && parts.length > 1 };
}

// ---- the scatter plot

function axis({ label, log }) {
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
    ? parts.map((title, i) => ({ label: title, colour: PART_COLOURS[i % 6], symbol: PART_SYMBOLS[i % 6] }))
    : groups;
  const kind = apart ? data.part : data.group;
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
  const shown = { xaxis: axis(axes[x]), yaxis: axis(axes[y]), uirevision: `${x} ${y}` };
  Plotly.react(place("points"), traces, layout(480, shown), CONFIG);
  say(x, y, rows, wanted);
  list(x, y, rows);
  choose(rows.includes(chosen) ? chosen : (Number(place("chosen").value || NaN)));
}

function hover(row, x, y) {
  const lines = [
    named(row),
    description(row),
    `${axes[x].label} ${number(columns[x][row])}, ${axes[y].label} ${number(columns[y][row])}`,
  ].map(plain);
  return [`<b>${lines[0]}</b>`, ...lines.slice(1)].join("<br>");
}

function say(x, y, rows, wanted) {
  const scaled = (name) => rows.map((row) => (axes[name].log ? Math.log(columns[name][row]) : columns[name][row]));
  const r = pearson(scaled(x), scaled(y));
  const label = (name) => (axes[name].log ? "log " : "") + axes[name].label;
  const [filtered, without] = [data.part.length - wanted.length, wanted.length - rows.length];
  place("numbers").textContent =
    (r === null ? "no correlation" : `r = ${r.toFixed(2)}`) +
    ` (Pearson, ${label(x)} and ${label(y)}), n = ${rows.length}` +
    (without ? `; ${without} without a value to show` : "") +
    (filtered ? `; ${filtered} filtered out` : "");
}

function list(x, y, rows) {
  const byValue = [...rows].sort((a, b) => columns[y][a] - columns[y][b]);
  const options = byValue.map((row) => {
    const option = document.createElement("option");
    option.value = row;
    option.textContent = `${columns.index[row]}: ${axes[y].label} ${number(columns[y][row])}, ${description(row)}`;
    return option;
  });
  place("chosen").replaceChildren(...options);
}

// ---- one point

function choose(row) {
  chosen = Number.isNaN(row) ? null : row;
  place("chosen").value = chosen ?? "";
  const points = place("points");
  const { x, y } = asked();
  const at = (name) => [chosen === null ? [] : [columns[name][chosen]]];
  Plotly.restyle(points, { x: at(x), y: at(y) }, [points.data.length - 1]);
  drawMarks();
  drawLines();
  place("about").replaceChildren(...(chosen === null ? [] : facts(chosen)));
}

function facts(row) {
  return Object.entries(data.facts).map(([name, label]) => {
    const [entry, term, value] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    term.textContent = label;
    value.textContent = number(columns[name][row]);
    entry.append(term, value);
    return entry;
  });
}

function drawMarks() {
  const detail = details[chosen];
  if (!detail?.key.length) {
    place("marks-say").textContent = chosen === null ? `No ${data.noun} is shown.` : absent(detail);
    Plotly.purge(place("marks"));
    return;
  }
  const judged = words.judged[data.part[chosen]];
  const best = detail.key.indexOf(columns[words.chosen]?.[chosen]);
  const marks = detail.key.map((_, i) => i);
  const traces = Object.entries(STATUS).map(([status, { colour, symbol, label }]) => {
    const members = marks.filter((i) => detail.status[i] === status);
    const says = (i) => [
      `${words.noun} ${detail.key[i]}, ${label}`,
      `${words.across.label} ${number(detail.across[i])}`,
      `${judged.label} ${number(detail.judged[i])}`,
    ];
    return {
      mode: "markers",
      name: label,
      x: members.map((i) => detail.across[i]),
      y: members.map((i) => detail.judged[i]),
      text: members.map((i) => says(i).map(plain).join("<br>")),
      hovertemplate: "%{text}<extra></extra>",
      marker: { color: colour, symbol, size: 8, line: { color: colour, width: 1.5 } },
    };
  });
  const ring = { x: [detail.across[best]], y: [detail.judged[best]], name: `chosen ${words.noun}` };
  traces.push({ mode: "markers", ...ring, hoverinfo: "skip", marker: CHOSEN });
  const shown = { xaxis: axis(words.across), yaxis: { ...axis(judged), rangemode: "nonnegative" }, showlegend: true };
  Plotly.react(place("marks"), traces.filter((trace) => trace.x.length), layout(420, shown), CONFIG);
  const counts = Object.keys(STATUS).map((status) => `${detail.status.filter((each) => each === status).length} ${status}`);
  place("marks-say").textContent = `${capital(named(chosen))}: ${detail.key.length} ${words.noun}s, ${counts.join(", ")}.`;
}

function drawLines() {
  const detail = details[chosen];
  if (!detail?.count) {
    place("lines-say").textContent = "";
    Plotly.purge(place("lines"));
    return;
  }
  const judged = words.judged[data.part[chosen]];
  const first = detail.below.over[0];
  const over = detail.above.map((_, i) => first + i);
  const positive = detail.above.filter((value) => value > 0);
  const decades = Math.log10(Math.max(...positive) / Math.min(...positive));
  const line = (y, yaxis, name, more) => ({ mode: "lines", x: over, y, yaxis, name, line: { color: "#0b5394", width: 1.6, ...more } });
  const steps = line([...detail.below.value, detail.below.value.at(-1)], "y3", words.below.label, { shape: "hv" });
  const traces = [
    line(detail.above, "y", words.above.label),
    line(detail.middle, "y2", judged.label),
    { ...steps, x: [...detail.below.over, over.at(-1)] },
  ];
  const stacked = {
    xaxis: { ...axis(words.over), anchor: "y3" },
    yaxis: { ...axis(words.above), domain: [0.7, 1], dtick: decades < 2 ? "D2" : undefined },
    yaxis2: { ...axis(judged), rangemode: "nonnegative", domain: [0.35, 0.65], nticks: 4 },
    yaxis3: { ...axis(words.below), domain: [0, 0.3], nticks: 4 },
    hovermode: "x",
    showlegend: false,
  };
  Plotly.react(place("lines"), traces, layout(420, stacked), CONFIG);
  place("lines-say").textContent =
    `Its chosen ${words.noun}, number ${columns[words.chosen][chosen]}: ${detail.count} ${words.over.label}s; ` +
    `${words.below.label} at first ${number(detail.below.value[0])}.`;
}

function absent(detail) {
  if (!words) return ""; // there is no more of any
  const found = detail ? `has no ${words.noun}s` : `has more in the study's tables, but not in this page`;
  return `${capital(data.noun)} ${columns.index[chosen]} ${found}.`;
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
