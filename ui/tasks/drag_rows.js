// Lets rows of the page be dragged by their grips. Rows belong to Streamlit: nothing is moved here, the server is told.

export default function (component) {
  const { prefix, ids } = component.data;
  const node = component.parentElement.querySelector(".palimpsest-drag-rows");
  node.stop?.();
  const rowOf = (id) => document.querySelector(`.st-key-${CSS.escape(prefix + id)}`);
  const line = document.createElement("div");
  line.className = "palimpsest-drop-line";
  let dragged = null;

  const rows = () => ids.map((id) => ({ id, row: rowOf(id) })).filter(({ row }) => row);
  // The gap between rows, from 0 above the first, that the pointer is nearest to.
  const gapAt = (y) => rows().filter(({ row }) => {
    const box = row.getBoundingClientRect();
    return y > box.top + box.height / 2;
  }).length;

  const draw = (gap) => {
    const all = rows();
    const box = all[Math.min(gap, all.length - 1)].row.getBoundingClientRect();
    const top = gap < all.length ? box.top - 3 : box.bottom + 1;
    Object.assign(line.style, { left: `${box.left}px`, width: `${box.width}px`, top: `${top}px` });
    if (!line.isConnected) document.body.append(line);
  };
  const end = () => {
    line.remove();
    dragged?.row.classList.remove("palimpsest-dragged");
    dragged = null;
  };
  const down = (event) => {
    const grip = event.target.closest?.(".palimpsest-grip");
    const found = grip && rows().find(({ row }) => row.contains(grip));
    if (!found || event.button > 0) return;
    event.preventDefault();
    dragged = found;
    found.row.classList.add("palimpsest-dragged");
  };
  const move = (event) => {
    if (dragged) draw(gapAt(event.clientY));
  };
  const up = (event) => {
    if (!dragged) return;
    const from = ids.indexOf(dragged.id), gap = gapAt(event.clientY);
    const id = dragged.id, place = gap > from ? gap - 1 : gap;
    end();
    if (place !== from) component.setTriggerValue("drop", { id, place });
  };
  const key = (event) => {
    if (event.key === "Escape") end();
  };
  const listeners = { pointerdown: down, pointermove: move, pointerup: up, pointercancel: end, keydown: key };
  Object.entries(listeners).forEach(([name, listener]) => document.addEventListener(name, listener));
  node.stop = () => {
    end();
    Object.entries(listeners).forEach(([name, listener]) => document.removeEventListener(name, listener));
  };
  return node.stop;
}
