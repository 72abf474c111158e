// Has the page's script run when a route of the server says that the page is made of other parts than it shows.

// An answer that never comes, as when another run of the page overtook it, must not be the end.
const ASK_AGAIN_MS = 15000;

export default function (component) {
  const node = component.parentElement.querySelector(".palimpsest-change-watch");
  node.seen = component.data.seen;
  node.trigger = component.setTriggerValue;
  node.asked = null;
  if (component.data.url !== node.url) {
    node.leave?.();
    node.url = component.data.url;
    node.leave = follow(node.url, (news) => compare(node, news), component.data.in_hidden_tabs);
  }
  return () => setTimeout(() => {
    if (node.isConnected) return;
    node.leave?.();
    node.url = null;
  }, LEFT_AFTER_MS);
}

function compare(node, { answer, trouble, isGone }) {
  const now = isGone ? "gone" : trouble ? node.seen : answer.structure;
  if (now === node.seen) { node.asked = null; return; }
  if (node.asked === now && performance.now() - node.askedAt < ASK_AGAIN_MS) return;
  node.asked = now;
  node.askedAt = performance.now();
  node.trigger("change", now);
}
