// A list box whose rows are changed in place: focus, scroll position and filter outlive every refresh.

export default function (component) {
  const root = component.parentElement.querySelector(".palimpsest-choices");
  const list = (root.palimpsest ??= mount(root));
  list.choose = (id) => component.setTriggerValue("choice", id);
  list.data = component.data;
  if (component.data.url !== list.url) {
    list.leave?.();
    list.url = component.data.url;
    list.news = null;
    list.leave = list.url ? follow(list.url, (news) => { list.news = news.answer ?? list.news; update(list); }) : null;
  }
  update(list);
  return () => setTimeout(() => {
    if (root.isConnected) return;
    list.leave?.();
    list.url = null;
  }, LEFT_AFTER_MS);
}

function mount(root) {
  const make = (tag, parent, attributes = {}) => {
    const node = parent.appendChild(document.createElement(tag));
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };
  const name = `choices-${Math.random().toString(36).slice(2)}`;
  const list = { root, name, rows: new Map(), make };
  list.note = make("p", root, { class: "note" });
  list.label = make("label", root, { for: name });
  list.select = make("select", root, { id: name });
  list.filter = make("input", root, { type: "search" });
  list.box = make("div", root, { role: "listbox", tabindex: "0" });
  list.none = make("div", root, { class: "none", role: "status" });
  list.select.addEventListener("change", () => list.choose(list.select.value));
  list.filter.addEventListener("input", () => sift(list));
  list.filter.addEventListener("keydown", (event) => { if (event.key === "ArrowDown") list.box.focus(); });
  list.box.addEventListener("keydown", (event) => press(list, event));
  list.box.addEventListener("focus", () => {
    if (!visible(list).includes(list.active)) activate(list, selected(list) ?? visible(list)[0]);
  });
  list.box.addEventListener("blur", () => activate(list, null));
  return list;
}

function update(list) {
  const fetched = list.news?.[list.data.part] ?? list.data.fetched;
  const data = { ...list.data, rows: [...list.data.rows, ...fetched.rows] };
  if (list.note.textContent !== fetched.note) list.note.textContent = fetched.note;
  list.label.textContent = data.label;
  list.box.setAttribute("aria-label", data.label);
  list.filter.setAttribute("aria-label", `Filter: ${data.label}`);
  list.filter.placeholder = "Filter";
  list.filter.hidden = data.rows.length < data.filtered_from;
  list.box.style.maxHeight = data.height;
  const ids = new Set(data.rows.map((row) => row.id));
  for (const [id, node] of list.rows) if (!ids.has(id)) { node.option.remove(); node.choice.remove(); list.rows.delete(id); }
  data.rows.forEach((row, place) => {
    const node = list.rows.get(row.id) ?? add(list, row.id);
    if (list.box.children[place] !== node.option) {
      list.box.insertBefore(node.option, list.box.children[place] ?? null);
      list.select.insertBefore(node.choice, list.select.children[place] ?? null);
    }
    write(node, row, data);
  });
  if (list.select.value !== data.chosen) list.select.value = data.chosen;
  sift(list);
  // A row that stands for another one, such as "the latest", has an empty id: then the other one is to be seen.
  const seen = data.chosen || !data.shown ? selected(list) : list.rows.get(data.shown)?.option;
  if (seen && list.scrolledTo !== seen) {
    list.scrolledTo = seen;
    reveal(list, seen);
  }
}

function add(list, id) {
  const option = list.make("div", list.box, { role: "option", id: `${list.name}-${list.rows.size}-${Date.now()}` });
  const node = { option, choice: list.make("option", list.select) };
  for (const part of ["sign", "name", "detail"]) node[part] = list.make("span", option, { class: part });
  node.sign.setAttribute("aria-hidden", "true");
  node.status = list.make("span", option, { class: "unseen" });
  node.bar = list.make("div", option, { class: "bar", "aria-hidden": "true" });
  node.done = list.make("div", node.bar);
  node.choice.value = id;
  option.dataset.id = id;
  option.addEventListener("click", () => { activate(list, option); list.choose(id); });
  list.rows.set(id, node);
  return node;
}

function write(node, row, data) {
  const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  for (const part of ["sign", "name", "detail", "status"]) put(node[part], row[part]);
  put(node.choice, [row.sign, row.name, row.detail && `· ${row.detail}`].filter(Boolean).join(" "));
  node.option.dataset.status = row.status;
  node.option.title = row.status ? `${row.name}: ${row.status}` : row.name;
  node.option.setAttribute("aria-selected", String(row.id === data.chosen));
  node.option.classList.toggle("shown", row.id === data.shown);
  node.bar.hidden = row.share === null || row.share === undefined;
  if (!node.bar.hidden) node.done.style.width = `${Math.round(1000 * row.share) / 10}%`;
}

function sift(list) {
  const words = list.filter.hidden ? [] : list.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const { option } of list.rows.values()) {
    const text = option.textContent.toLowerCase();
    option.hidden = !words.every((word) => text.includes(word));
  }
  const found = visible(list).length;
  list.none.textContent = words.length && !found ? "No row has these words." : "";
}

function press(list, event) {
  const rows = visible(list);
  const place = rows.indexOf(list.active);
  const to = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: rows.length - 1, PageDown: place + 10, PageUp: place - 10 }[event.key];
  if (to !== undefined) activate(list, rows[Math.max(0, Math.min(rows.length - 1, to))]);
  else if ((event.key === "Enter" || event.key === " ") && list.active) list.choose(list.active.dataset.id);
  else return;
  event.preventDefault();
}

function activate(list, option) {
  list.active?.classList.remove("active");
  list.active = option ?? null;
  if (!option) { list.box.removeAttribute("aria-activedescendant"); return; }
  option.classList.add("active");
  list.box.setAttribute("aria-activedescendant", option.id);
  reveal(list, option);
}

// Within the list alone: `scrollIntoView` would move the page too.
function reveal(list, option) {
  const top = option.offsetTop - list.box.offsetTop;
  if (top < list.box.scrollTop) list.box.scrollTop = top;
  else if (top + option.offsetHeight > list.box.scrollTop + list.box.clientHeight) {
    list.box.scrollTop = top + option.offsetHeight - list.box.clientHeight;
  }
}

const visible = (list) => [...list.box.children].filter((option) => !option.hidden);
const selected = (list) => list.box.querySelector('[aria-selected="true"]');
