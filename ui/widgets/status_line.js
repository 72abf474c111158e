// A line of words over a bar. What has not changed is not touched, so that a selection stays.

export default function (component) {
  const node = component.parentElement.querySelector(".palimpsest-status");
  node.part = component.data.part;
  if (component.data.url !== node.url) {
    node.leave?.();
    node.url = component.data.url;
    show(node, component.data.first);
    node.leave = follow(node.url, (news) => take(node, news));
  }
  return () => setTimeout(() => {
    if (node.isConnected) return;
    node.leave?.();
    node.url = null;
  }, LEFT_AFTER_MS);
}

function take(node, { answer, trouble }) {
  put(node.querySelector(".trouble"), trouble);
  if (answer) show(node, answer[node.part]);
}

function show(node, { share, status, sign, word, name, facts }) {
  node.dataset.status = status;
  put(node.querySelector(".badge"), `${sign} ${word}`);
  put(node.querySelector("strong"), name);
  const places = node.querySelector(".facts");
  while (places.children.length > facts.length) places.lastElementChild.remove();
  while (places.children.length < facts.length) places.append(document.createElement("span"));
  facts.forEach((fact, place) => put(places.children[place], fact));
  const bar = node.querySelector(".bar");
  bar.setAttribute("aria-valuenow", String(Math.floor(100 * share)));
  bar.setAttribute("aria-label", name);
  bar.firstElementChild.style.width = `${100 * share}%`;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
