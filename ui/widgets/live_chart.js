// One chart for as long as its place on the page exists: every new figure goes to Plotly.react on the same node.
// What must outlive a refresh hangs on that node: the waiting figure, the pointer, the latest trigger function.
// The figure comes with the page, or from a route of the server that is asked again and again.

const NARROW_SCREEN_PX = 700;
const TALL_SCREEN_PX = 1000;
const LOAD_TIMEOUT_MS = 120000;
const GONE_AFTER_MS = 1000;
const LOOK_AT_THEME_MS = 500;
const NUMBERS = {
  i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array, f4: Float32Array,
  f8: Float64Array,
};

export default function (component) {
  const node = component.parentElement.querySelector(".palimpsest-chart");
  const chart = (node.palimpsest ??= mount(node));
  chart.data = component.data;
  chart.trigger = component.setTriggerValue;
  if (component.data.url !== chart.url) {
    chart.leave?.();
    chart.url = component.data.url;
    chart.leave = chart.url ? follow(chart.url, (news) => takeNews(node, news)) : null;
  }
  if (!chart.url) show(node, component.data);
  // Streamlit also calls this for a refresh that the next one has overtaken, while the chart goes on living: whether it
  // is over shows in the page.
  return () => setTimeout(() => { if (!node.isConnected) end(node, chart); }, GONE_AFTER_MS);
}

function takeNews(node, { answer, trouble }) {
  const chart = node.palimpsest;
  if (!chart) return;
  const said = node.parentElement.querySelector(".palimpsest-chart-trouble");
  if (said.textContent !== trouble) said.textContent = trouble;
  if (answer && answer !== chart.answer) {
    chart.answer = answer;
    show(node, answer);
  }
}

// `shown` has the figure as Plotly's JSON, its alternative text, notes to stand below it, and as `tail` the points that
// have come since it was drawn, by the traces' uids.
function show(node, shown) {
  const chart = node.palimpsest;
  chart.shown = shown;
  node.setAttribute("aria-label", shown.alt);
  const notes = node.parentElement.querySelector(".palimpsest-chart-notes");
  const sentences = (chart.data.with_notes ?? true) ? (shown.notes ?? []) : [];
  if (JSON.stringify(sentences) !== chart.noted) {
    chart.noted = JSON.stringify(sentences);
    notes.replaceChildren(...sentences.map((sentence) => {
      const line = document.createElement("p");
      line.textContent = sentence;
      return line;
    }));
  }
  chart.ready.then(() => draw(node), (error) => { node.textContent = error.message; });
}

function end(node, chart) {
  if (node.palimpsest !== chart) return;
  chart.leave?.();
  chart.observer.disconnect();
  clearInterval(chart.themed);
  clearTimeout(chart.waiting);
  window.removeEventListener("pointerup", chart.release);
  if (window.palimpsestPlotly) window.palimpsestPlotly.purge(node);
  delete node.palimpsest;
}

function mount(node) {
  const chart = { held: false, drawing: false, again: false, listening: false, rested: 0 };
  chart.ready = library();
  chart.observer = new ResizeObserver(() => {
    if (node.clientWidth && node.clientWidth !== chart.width && chart.shown) chart.ready.then(() => draw(node), () => {});
  });
  chart.observer.observe(node);
  // A change of the page's theme is no event: the colours are looked at.
  chart.themed = setInterval(() => {
    if (!document.hidden && chart.theme && themeOf(node) !== chart.theme) draw(node);
  }, LOOK_AT_THEME_MS);
  // A refresh in the middle of a drag would drop the zoom box that is being drawn.
  node.addEventListener("pointerdown", () => { chart.held = true; });
  chart.release = () => {
    if (!chart.held) return;
    chart.held = false;
    if (chart.again) setTimeout(() => draw(node), 50);
  };
  window.addEventListener("pointerup", chart.release);
  return chart;
}

function library() {
  return new Promise((resolve, reject) => {
    const since = Date.now();
    const look = () => {
      if (window.palimpsestPlotly) resolve();
      else if (Date.now() - since > LOAD_TIMEOUT_MS) reject(new Error("The charts could not be loaded. Reload the page."));
      else setTimeout(look, 40);
    };
    look();
  });
}

async function draw(node) {
  const chart = node.palimpsest;
  if (!chart) return;
  if (chart.held || chart.drawing) { chart.again = true; return; }
  // On a slow machine, half of the time belongs to the reader: after a drawing comes a rest as long.
  const rest = chart.rested - performance.now();
  if (rest > 0) {
    clearTimeout(chart.waiting);
    chart.waiting = setTimeout(() => draw(node), rest);
    return;
  }
  chart.drawing = true;
  chart.again = false;
  const began = performance.now();
  try {
    chart.width = node.clientWidth;
    const narrow = window.innerWidth < NARROW_SCREEN_PX;
    const tall = window.innerHeight > TALL_SCREEN_PX;
    const height = narrow ? chart.data.narrow_height : tall ? chart.data.tall_height : chart.data.height;
    // Held from the first moment on, so that nothing below the chart moves while it is drawn.
    node.style.height = `${height}px`;
    if (!chart.width || !chart.shown) return;
    const figure = JSON.parse(chart.shown.figure);
    for (const trace of figure.data) lengthen(trace, chart.shown.tail?.[trace.uid]);
    const layout = { ...figure.layout, ...chart.data.layout, width: chart.width, height, autosize: false };
    layout.shapes = [...(layout.shapes ?? []), ...chart.data.shapes];
    for (const trace of figure.data) trace.uid = plainName(trace.uid);
    chart.theme = themeOf(node);
    dress(layout, figure.data, getComputedStyle(node), narrow);
    await window.palimpsestPlotly.react(node, figure.data, layout, options());
    listen(node, chart);
  } finally {
    chart.drawing = false;
    chart.rested = 2 * performance.now() - began;
    if (chart.again && !chart.held) setTimeout(() => draw(node), 0);
  }
}

function lengthen(trace, more) {
  if (!more) return;
  for (const axis of ["x", "y"]) trace[axis] = [...numbers(trace[axis] ?? []), ...numbers(more[axis])];
}

function numbers(values) {
  if (!values.bdata) return values;
  const bytes = Uint8Array.from(atob(values.bdata), (letter) => letter.charCodeAt(0));
  return new NUMBERS[values.dtype](bytes.buffer);
}

function themeOf(node) {
  const style = getComputedStyle(node);
  return ["--st-text-color", "--st-secondary-background-color", "--st-font"].map((name) => style.getPropertyValue(name))
    .join();
}

// Plotly looks for what a trace leaves behind by a selector made of its uid, which may hold a user's names.
function plainName(uid) {
  return uid?.replace(/[^\w-]/gu, (sign) => `_${sign.codePointAt(0).toString(16)}_`);
}

function options() {
  return {
    displaylogo: false,
    displayModeBar: "hover",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "sendChartToCloud"],
    doubleClickDelay: 400,
  };
}

// Colours and fonts of the page's theme, and what a narrow screen needs.
function dress(layout, traces, style, narrow) {
  const value = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  const ink = value("--st-text-color", "#333333");
  layout.font = { ...layout.font, color: ink, family: value("--st-font", "sans-serif"), size: narrow ? 11 : 12 };
  layout.hoverlabel = {
    ...layout.hoverlabel,
    bgcolor: value("--st-secondary-background-color", "#ffffff"),
    bordercolor: value("--st-border-color", "#888888"),
    font: { color: ink, family: layout.font.family },
  };
  layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: "rgba(128,128,128,0.8)", activecolor: ink, ...layout.modebar };
  for (const shape of layout.shapes ?? []) {
    if (shape.name === "ink") shape.line = { ...shape.line, color: ink };
    if (shape.name === "accent") shape.line = { ...shape.line, color: value("--st-primary-color", ink) };
  }
  if (!narrow) return;
  layout.legend = { ...layout.legend, font: { size: 10 } };
  for (const trace of traces) {
    if (trace.uid?.endsWith("numbers")) trace.textfont = { ...trace.textfont, size: 10 };
  }
  // A drag on a touch screen is meant for the page.
  if (window.matchMedia("(pointer: coarse)").matches) layout.dragmode = false;
}

function listen(node, chart) {
  if (chart.listening) return;
  chart.listening = true;
  node.on("plotly_click", (event) => {
    const point = event.points[0];
    if (!point) return;
    chart.trigger("click", {
      x: point.x, y: point.y, customdata: point.customdata ?? null,
    });
  });
}
