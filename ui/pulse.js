// Asks the server, a while after each of its answers, whether there is anything new. A tab that nobody looks at asks nothing.

const LOST_AFTER_MS = 15000;

export default function (component) {
  const node = component.parentElement.querySelector(".palimpsest-pulse");
  clearTimeout(node.waiting);
  const ask = () => {
    if (!node.isConnected) return;
    if (document.hidden) {
      document.addEventListener("visibilitychange", ask, { once: true });
      return;
    }
    component.setTriggerValue("beat", component.data.turn);
    // An answer that never comes, as when another run of the page overtook it, must not be the end.
    node.waiting = setTimeout(ask, LOST_AFTER_MS);
  };
  node.waiting = setTimeout(ask, 1000 * component.data.seconds);
}
