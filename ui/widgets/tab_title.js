// Sets the tab's title, and takes back what it says of runs once the visitor touches the page.

// What was touched may lead to another page: the server is told once that would have begun.
const TOLD_AFTER_MS = 1500;

export default function (component) {
  const node = component.parentElement.querySelector(".palimpsest-tab-title");
  const { title, usual, turn } = component.data;
  node.stopListening?.();
  document.title = title;
  if (title !== usual) {
    const seen = () => {
      node.stopListening();
      document.title = usual;
      setTimeout(() => node.isConnected && component.setTriggerValue("seen", turn), TOLD_AFTER_MS);
    };
    const touches = ["pointerdown", "keydown"];
    touches.forEach((touch) => document.addEventListener(touch, seen));
    node.stopListening = () => touches.forEach((touch) => document.removeEventListener(touch, seen));
  }
  return () => node.stopListening?.();
}
