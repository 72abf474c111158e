// Sets the tab's title and asks for the next one, in a tab that nobody looks at too: it is there that a title is read.

export default function (component) {
  const node = component.parentElement.querySelector(".palimpsest-tab-title");
  const { title, usual, seconds, turn } = component.data;
  clearTimeout(node.waiting);
  node.stopListening?.();
  document.title = title;
  if (title !== usual) {
    const seen = () => {
      node.stopListening();
      document.title = usual;
      component.setTriggerValue("seen", turn);
    };
    const touches = ["pointerdown", "keydown"];
    touches.forEach((touch) => document.addEventListener(touch, seen));
    node.stopListening = () => touches.forEach((touch) => document.removeEventListener(touch, seen));
  }
  if (seconds) {
    const ask = () => {
      if (!node.isConnected) return;
      component.setTriggerValue("beat", turn);
      // An answer that never comes, as when another run of the page overtook it, must not be the end.
      node.waiting = setTimeout(ask, 20000);
    };
    node.waiting = setTimeout(ask, 1000 * seconds);
  }
  return () => {
    clearTimeout(node.waiting);
    node.stopListening?.();
  };
}
