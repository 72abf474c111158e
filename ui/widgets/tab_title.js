// Sets the tab's title, and takes back what it says of runs once the visitor touches the page.

export default function (component) {
  const node = component.parentElement.querySelector(".palimpsest-tab-title");
  const { title, usual, turn } = component.data;
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
  return () => node.stopListening?.();
}
