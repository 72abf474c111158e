// Asks the server, a while after each of its answers, whether there is anything new. A tab that nobody looks at asks nothing.

const LOST_AFTER_MS = 15000;
// A server that has many to answer, or that trains, takes longer to answer and is asked up to half as often.
const REST_PER_ANSWER = 12;
const LONGEST_REST = 2;

export default function (component) {
  const node = component.parentElement.querySelector(".palimpsest-pulse");
  clearTimeout(node.waiting);
  const usual = 1000 * component.data.seconds;
  const took = node.asked ? performance.now() - node.asked : 0;
  node.asked = 0;
  const ask = () => {
    if (!node.isConnected || node.ask !== ask) return;
    if (document.hidden) {
      document.addEventListener("visibilitychange", ask, { once: true });
      return;
    }
    node.asked = performance.now();
    component.setTriggerValue("beat", component.data.turn);
    // An answer that never comes, as when another run of the page overtook it, must not be the end.
    node.waiting = setTimeout(ask, LOST_AFTER_MS);
  };
  node.ask = ask;
  node.waiting = setTimeout(ask, Math.min(LONGEST_REST * usual, Math.max(usual, REST_PER_ANSWER * took)));
}
