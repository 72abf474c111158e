// How far something is, as a route of the server says it: a bar, numbers, a table. What has not changed is not touched,
// so that selections and a reader's place stay.

export default function (component) {
  const node = component.parentElement.querySelector(".palimpsest-glance");
  node.parts = component.data.parts;
  if (component.data.url !== node.url) {
    node.leave?.();
    node.url = component.data.url;
    node.leave = follow(node.url, (news) => take(node, news));
  } else if (node.news) {
    take(node, node.news);
  }
  return () => setTimeout(() => {
    if (node.isConnected) return;
    node.leave?.();
    node.url = null;
  }, LEFT_AFTER_MS);
}

function take(node, news) {
  node.news = news;
  // One part of the page that says it is enough.
  if (node.parts.progress) put(node.querySelector(".palimpsest-glance-trouble"), news.trouble);
  if (!news.answer) return;
  node.classList.remove("palimpsest-glance-empty");
  for (const part of ["progress", "numbers", "table"]) {
    const place = node.querySelector(`.palimpsest-glance-${part}`);
    const name = node.parts[part];
    place.hidden = !name || !news.answer[name];
    if (!place.hidden) ({ progress, numbers, table })[part](place, news.answer[name]);
  }
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// As many children as there are values, made by `make` and filled by `fill`.
function fit(parent, values, make, fill) {
  while (parent.children.length > values.length) parent.lastElementChild.remove();
  while (parent.children.length < values.length) parent.append(make());
  values.forEach((value, place) => fill(parent.children[place], value));
}

function made(name, ...children) {
  const element = document.createElement(name);
  element.append(...children);
  return element;
}

function setShare(bar, share, text) {
  bar.setAttribute("aria-valuenow", String(Math.floor(100 * share)));
  bar.setAttribute("aria-label", text);
  bar.firstElementChild.style.width = `${100 * share}%`;
}

function newBar() {
  const bar = made("div", made("div"));
  bar.className = "palimpsest-glance-bar";
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-valuemin", "0");
  bar.setAttribute("aria-valuemax", "100");
  return bar;
}

function progress(place, { share, text }) {
  if (!place.children.length) place.append(made("p"), newBar());
  put(place.firstElementChild, text);
  setShare(place.lastElementChild, share, text);
}

function numbers(place, values) {
  fit(place, values, () => made("div", made("dt"), made("dd")), (pair, { label, value }) => {
    put(pair.firstElementChild, label);
    put(pair.lastElementChild, value);
  });
}

function table(place, { caption, columns, rows }) {
  if (!place.children.length) {
    place.append(made("table", made("caption"), made("thead", made("tr")), made("tbody")));
    place.tabIndex = 0;
  }
  put(place.querySelector("caption"), caption);
  fit(place.querySelector("thead tr"), columns, () => made("th"), (cell, { name }) => {
    cell.scope = "col";
    put(cell, name);
  });
  fit(place.querySelector("tbody"), rows, () => made("tr"), (line, values) => {
    fit(line, values, () => made("td"), (cell, value) => {
      const column = columns[[...line.children].indexOf(cell)];
      cell.className = `palimpsest-glance-${column.kind}`;
      if (column.kind !== "share") { put(cell, value); return; }
      if (!cell.firstElementChild) cell.replaceChildren(newBar(), made("span"));
      const percent = `${Math.floor(100 * value)} %`;
      setShare(cell.firstElementChild, value, `${line.firstElementChild.textContent}: ${percent}`);
      put(cell.lastElementChild, percent);
    });
  });
}
